"""Build the addresses that are registered at the hubs of external systems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from consumers.inbound.callback_auth import headers_for
from consumers.inbound.registration.hub_dialect import HubDialect
from consumers.spokes.conventions.hub_settings import CredentialsPlace
from consumers.spokes.credentials import CallbackToken, SecretMissingError, fetch_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumers.spokes.profile import Profile

# It stands in a path as it is, and nobody guesses it.
_URL_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,200}")


def registration_mistakes(public_url: str | None, profiles: Iterable[Profile]) -> list[str]:
    """Return one sentence per profile whose callback address is to be registered and is not known."""
    if public_url is not None:
        return []
    return [
        f"spoke '{profile.name}', field 'hub.register': the address to register is not known: set listener.public_url"
        " to the address at which the system reaches the listener, such as https://callbacks.example.org"
        for profile in profiles
        if profile.hub.registers
    ]


def url_token(profile: Profile, environment: Mapping[str, str]) -> str | None:
    """Return the token that is a part of the registered address; None: there is none.

    Raises:
        SecretMissingError: it is not where the profile says, or it cannot stand in an address.
    """
    auth = profile.callback_auth
    if profile.hub.credentials is not CredentialsPlace.URL or not isinstance(auth, CallbackToken):
        return None
    token = fetch_secret(auth.token, environment).get_secret_value()
    if not _URL_TOKEN.fullmatch(token):
        raise SecretMissingError(
            f"the token at {auth.token} cannot stand in an address: use 16 to 200 letters, digits, '.', '_', '~' or '-'"
        )
    return token


def callback_path(profile: Profile, token: str | None = None) -> str:
    """Return the path of the callback address at the listener."""
    return f"/{profile.name}/{token}/listener" if token else f"/{profile.name}/listener"


def hub_dialect(public_url: str, profile: Profile, environment: Mapping[str, str]) -> HubDialect:
    """Return the hub of a system, with the address and the credentials that are registered there.

    Raises:
        SecretMissingError: a secret is not where the profile says, or cannot stand in an address.
    """
    in_body = profile.hub.credentials is CredentialsPlace.BODY
    return HubDialect(
        profile=profile,
        callback=public_url + callback_path(profile, url_token(profile, environment)),
        callback_headers=headers_for(profile.callback_auth, environment) if in_body else {},
    )
