"""Derive ids, so that the same cause always gets the same one."""

from __future__ import annotations

from hashlib import sha1, sha256
from uuid import UUID

# Never change it: every id that was ever derived depends on it.
ID_NAMESPACE = UUID("5e0c9f0e-6a53-5d4b-9a1f-53b0c1d2e3f4")
_ID_NAMESPACE_BYTES = ID_NAMESPACE.bytes

# RFC 9562, 4.1: the two highest bits of this digit are 10.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def derive_event_id(cause: str, role: str) -> str:
    """Return the id of the event that `cause` (an event id) leads to in this role, e.g. `result:TR0001`."""
    return _uuid_of("event", cause, role)


def event_id_at(topic: str, partition: int, offset: int) -> str:
    """Return the id of a record without an event id, from its topic, partition and offset."""
    return _uuid_of("record", topic, f"{partition}", f"{offset}")


def request_id_of(root_run_id: str, version: int) -> str:
    """Return the id of the outbound request for this version of a root run; every run of a hierarchy shares it."""
    return _uuid_of("request", root_run_id, f"{version}")


def time_ordered_id(milliseconds: int, random: bytes) -> str:
    """Return an id that is greater than those of earlier milliseconds since 1970 (UUID version 7, RFC 9562 §5.7).

    Rows that are stored at the same time are then neighbours in an index. `random` has ten bytes, which make it unique.
    """
    digits = f"{milliseconds:012x}7{random.hex()}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


def ordered_run_id(client: str, external_id: str) -> str:
    """Return the id of the run that a client orders under its own id, the same each time."""
    return _uuid_of("order", client, external_id)


def nested_run_id(parent_run_id: str, position: int) -> str:
    """Return the id of a run that is ordered inside of its parent, without an id of its own."""
    return _uuid_of("nested order", parent_run_id, f"{position}")


def requested_measure_id(run_id: str, metric_name: str, metric_href: str) -> str:
    """Return the id of a measure that was requested without one."""
    return _uuid_of("requested measure", run_id, metric_name, metric_href)


def idempotency_key(request_id: str, run_id: str, body: bytes) -> str:
    """Return the key of a POST: equal for every attempt with these bytes, and for no others.

    A system that honours keys refuses a second body under the first one's key, or repeats its answer to the first.
    """
    return _uuid_of("send", request_id, run_id, sha256(body).hexdigest())


def measure_id(spoke: str, external_id: str, metric_name: str, own_id: str = "") -> str:
    """Return the id of a measure that was not requested; `own_id` is the external system's name for it."""
    return _uuid_of("measure", spoke, external_id, metric_name, own_id)


def violation_id(measure: str, *rule: str) -> str:
    """Return the id of the violation of a rule by a measure, the same each time it is evaluated or reported."""
    return _uuid_of("violation", measure, *rule)


def consequence_id(violation: str, *content: str) -> str:
    """Return the id of a consequence of a violation, the same each time it is reported."""
    return _uuid_of("consequence", violation, *content)


def _uuid_of(*parts: str) -> str:
    # The lengths distinguish ("ab", "c") from ("a", "bc").
    name = "".join([f"{len(part)}:{part}" for part in parts])
    # This is str(uuid5(OURS, name)) in a third of its time; a run needs about ten ids.
    digest = sha1(_ID_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
