"""Take an API key as the password of HTTP basic authentication (RFC 7617), for clients that can send nothing else.

No challenge asks for it, so that no browser remembers such credentials and sends them for another page.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.northbound.access.refusals import AccessRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.northbound.access.api_keys import ApiKeyAuthenticator
    from consumers.northbound.access.authenticator import AuthenticatedClient, Authenticator

_SCHEME = "basic "
_MAX_LENGTH = 2_000  # characters of the header
KEY_PRINCIPAL = "key:"  # before the name of a client that has a key


@dataclass(frozen=True, slots=True)
class KeyOrPassword:
    """Accepts an API key in its header, or as a password with the name of its client as user name."""

    keys: ApiKeyAuthenticator

    @property
    def challenge(self) -> str:
        """The challenge that names the header."""
        return self.keys.challenge

    async def authenticate(self, headers: Mapping[str, str]) -> AuthenticatedClient | None:
        """Return the client of a key, or None if the request has no key.

        Raises:
            AccessRefusedError: the key is unknown or belongs to another client, or is sent in both ways.
        """
        by_header = await self.keys.authenticate(headers)
        if not is_basic(headers):
            return by_header
        if by_header is not None:
            raise AccessRefusedError(400, "twoCredentials", "the request has two API keys: send one of them")
        user, password = _credentials(headers["Authorization"])
        client = await self.keys.authenticate_key(password)
        if client.principal.name != KEY_PRINCIPAL + user:
            raise self.keys.unknown_key()
        return client


@dataclass(frozen=True, slots=True)
class ExceptBasic:
    """Authenticates by tokens, unless the request has basic credentials."""

    tokens: Authenticator

    @property
    def challenge(self) -> str:
        """The challenge that asks for a token."""
        return self.tokens.challenge

    async def authenticate(self, headers: Mapping[str, str]) -> AuthenticatedClient | None:
        """Return the client of a token, or None if the request has no token.

        Raises:
            AccessRefusedError: the token is not valid.
        """
        return None if is_basic(headers) else await self.tokens.authenticate(headers)


def is_basic(headers: Mapping[str, str]) -> bool:
    """Return whether a request has basic credentials."""
    return headers.get("Authorization", "").lower().startswith(_SCHEME)


def _credentials(written: str) -> tuple[str, str]:
    """Return user and password; both are empty if they cannot be read, which are those of no client."""
    if len(written) > _MAX_LENGTH:
        return "", ""
    try:
        text = b64decode(written[len(_SCHEME) :].strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = text.partition(":")
    return user, password
