"""Find what is wrong with the settings of access: an interface that anyone could use, or half of a set of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.northbound.access.key_file import KeyFileError, load_keys
from consumers.spokes.security.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from southbound.settings.access import AccessSettings


def access_mistakes(host: str, access: AccessSettings, environment: Mapping[str, str]) -> list[str]:
    """Return one sentence per reason for which the interface must not be served on `host`."""
    return [*open_api_mistakes(host, access), *_token_mistakes(access), *_key_mistakes(access, environment)]


def open_api_mistakes(host: str, access: AccessSettings) -> list[str]:
    """Return a sentence if anyone who reaches `host` could order, read and cancel runs."""
    if not access.is_off or is_loopback(host):
        return []
    danger = f"the API is on {host}, and anyone who reaches it could order, read and cancel runs"
    return [f"{danger}: set access.keys or access.issuer, or api.host to 127.0.0.1"]


def _token_mistakes(access: AccessSettings) -> Iterator[str]:
    settings = {"issuer": access.issuer, "audience": access.audience, "jwks_url": access.jwks_url}
    missing = [name for name, value in settings.items() if not value]
    if missing and len(missing) < len(settings):
        present = next(name for name in settings if name not in missing)
        names = " and ".join(f"access.{name}" for name in missing)
        yield f"access.{present} is set, but not {names}: tokens are checked by all three"


def _key_mistakes(access: AccessSettings, environment: Mapping[str, str]) -> Iterator[str]:
    if access.keys is None and access.basic:
        yield "access.basic is set, but not access.keys: the password is an API key"
    if access.keys is not None:
        try:
            load_keys(access.keys, environment)
        except KeyFileError as error:
            yield from error.mistakes
