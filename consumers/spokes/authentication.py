"""Authenticate requests to an external system, without touching the network."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from pydantic import SecretStr

from consumers.spokes.credentials import ApiKeyAuth, BasicAuth, BearerAuth, NoAuth, SecretMissingError, fetch_secret

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from consumers.spokes.credentials import Auth
    from consumers.spokes.transport import HttpRequest
    from router.responses import HttpResponse, NoResponse

    Flow = Generator[HttpRequest, HttpResponse | NoResponse, None]


class Authentication(Protocol):
    """Yields requests to be sent and receives their answers; the last answer is the one that counts."""

    def auth_flow(self, request: HttpRequest) -> Flow:
        """Authenticate one request."""


class NoAuthentication:
    """Sends the request as it is."""

    def auth_flow(self, request: HttpRequest) -> Flow:
        """Authenticate one request."""
        yield request


@dataclass(frozen=True, slots=True)
class HeaderAuthentication:
    """Sends a header with a secret; `value` prints as asterisks."""

    name: str
    value: SecretStr

    def auth_flow(self, request: HttpRequest) -> Flow:
        """Authenticate one request."""
        yield request.with_header(self.name, self.value.get_secret_value())


def authentication_for(auth: Auth, environment: Mapping[str, str]) -> Authentication:
    """Return the credentials of a profile with its secrets.

    Raises:
        SecretMissingError: a secret is not where the profile says, or cannot stand in a header.
    """
    match auth:
        case NoAuth():
            return NoAuthentication()
        case BasicAuth(username=username, password=reference):
            password = fetch_secret(reference, environment)
            pair = b64encode(f"{username}:{password.get_secret_value()}".encode()).decode()
            return _header_authentication("Authorization", f"Basic {pair}", reference)
        case BearerAuth(token=reference):
            token = fetch_secret(reference, environment)
            return _header_authentication("Authorization", f"Bearer {token.get_secret_value()}", reference)
        case ApiKeyAuth(header=header, key=reference):
            return _header_authentication(header, fetch_secret(reference, environment).get_secret_value(), reference)
        case _:
            assert_never(auth)


def _header_authentication(name: str, value: str, reference: str) -> HeaderAuthentication:
    if not value.isascii() or not value.isprintable():
        raise SecretMissingError(f"the secret at {reference} cannot stand in a header: use one line of ASCII")
    return HeaderAuthentication(name, SecretStr(value))
