"""Check the address of the run store before it is opened; no message quotes it, because it may hold a password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

# SQLAlchemy allows a driver after a "+"; it is accepted and ignored.
_SQLITE = re.compile(r"sqlite(\+\w+)?:///(?!.*:memory:).+")
_POSTGRESQL = re.compile(r"postgres(ql)?(\+\w+)?://(?=.)(?P<where>.*?)(\?(?P<parameters>[^@]*))?")
# As SQLAlchemy parses it: a user may contain "@", a password "/" and ":", and a host none of them.
_WHERE = re.compile(r"([^:/]*(:[^@]*)?@)?(\[[^/?@\[\]]+\]|[^/:?@\[\]]+)?(:\d{1,5})?(/[^?]*)?")
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d{1,5}", re.ASCII)
_SESSIONS = ("any", "primary", "read-write")  # the others are of servers that take no writes
_TLS = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PARAMETERS = frozenset(
    {"sslmode", "ssl", "host", "port", "user", "password", "target_session_attrs", "prepared_statement_cache_size"}
)


def address_error(address: str) -> str:
    """Return what is wrong with an address, or an empty string if it can be used."""
    if _SQLITE.fullmatch(address):
        return ""
    match = _POSTGRESQL.fullmatch(address)
    if match is None:
        return "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
    if not _WHERE.fullmatch(match["where"]):
        return (
            "must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE with a number as PORT;"
            " in user and password write %40 for @, %3A for : and %2F for /"
        )
    return _parameter_error(match["parameters"] or "")


def _parameter_error(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    parameters = dict(pairs)
    # Unknown names are not quoted: they may be the rest of a password.
    if not parameters.keys() <= _PARAMETERS:
        return (
            f"may have the parameters {', '.join(sorted(_PARAMETERS))} and no others: for certificates and keys set"
            " PGSSLROOTCERT, PGSSLCERT and PGSSLKEY in the environment"
        )
    if not {parameters.get("sslmode", "prefer"), parameters.get("ssl", "prefer")} <= {*_TLS}:
        return f"must have one of {', '.join(_TLS)} as sslmode"
    hosts = [value for name, value in pairs if name == "host"]
    if len(hosts) > 1 and not all(_HOST_AND_PORT.fullmatch(host) for host in hosts):
        return "must name each of several hosts with its port, as host=NAME:PORT"
    if parameters.get("target_session_attrs", "any") not in _SESSIONS:
        return f"must have one of {', '.join(_SESSIONS)} as target_session_attrs"
    return ""
