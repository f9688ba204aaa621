"""Authenticate requests to an external system."""

from __future__ import annotations

import time
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never
from urllib.parse import quote

from consumers.spokes.credentials import (
    ApiKeyAuth,
    ApiKeyQueryAuth,
    BasicAuth,
    BearerAuth,
    NoAuth,
    OAuth2Auth,
    SecretMissingError,
)
from consumers.spokes.security.oauth2 import OAuth2ClientCredentials
from consumers.spokes.security.secret_source import SecretSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.spokes.credentials import Auth
    from consumers.spokes.security.oauth2 import Send
    from consumers.spokes.transport import HttpRequest, Transport
    from router.responses import HttpResponse, NoResponse


class Authentication(Protocol):
    """Adds what proves our identity to requests."""

    async def send(self, request: HttpRequest, send: Send) -> HttpResponse | NoResponse:
        """Send a request with credentials, again if they have to be renewed, and return the last response."""

    async def close(self) -> None:
        """Close what was opened."""


class NoAuthentication:
    """Sends the request as it is."""

    async def send(self, request: HttpRequest, send: Send) -> HttpResponse | NoResponse:
        """Send a request."""
        return await send(request)

    async def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class HeaderAuthentication:
    """Sends a header with a secret, which `write` makes from the secret's present value."""

    name: str
    secret: SecretSource
    write: Callable[[str], str]

    async def send(self, request: HttpRequest, send: Send) -> HttpResponse | NoResponse:
        """Send a request with the header."""
        return await send(request.with_header(self.name, self.write(self.secret.current().get_secret_value())))

    async def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class QueryAuthentication:
    """Sends a query parameter with a secret."""

    parameter: str
    secret: SecretSource

    async def send(self, request: HttpRequest, send: Send) -> HttpResponse | NoResponse:
        """Send a request with the parameter."""
        return await send(request.with_query(self.parameter, quote(self.secret.current().get_secret_value(), safe="")))

    async def close(self) -> None:
        """Do nothing."""


def authentication_for(
    auth: Auth,
    environment: Mapping[str, str],
    open_transport: Callable[[str], Transport],
    clock: Callable[[], float] = time.monotonic,
) -> Authentication:
    """Return the credentials of a profile with its secrets.

    `open_transport` returns a transport to an address; `clock` returns seconds.

    Raises:
        SecretMissingError: a secret is not where the profile says, or cannot stand in a header.
    """
    match auth:
        case NoAuth():
            return NoAuthentication()
        case BasicAuth(username=username, password=reference):
            secret = SecretSource(reference, environment)
            return HeaderAuthentication("Authorization", secret, lambda password: _basic(username, password))
        case BearerAuth(token=reference):
            return _header_authentication("Authorization", reference, environment, lambda token: f"Bearer {token}")
        case ApiKeyAuth(header=header, key=reference):
            return _header_authentication(header, reference, environment, lambda key: key)
        case ApiKeyQueryAuth(parameter=parameter, key=reference):
            return QueryAuthentication(parameter, SecretSource(reference, environment))
        case OAuth2Auth(token_url=url, client_secret=reference):
            secret = SecretSource(reference, environment)
            return OAuth2ClientCredentials(settings=auth, secret=secret, transport=open_transport(url), clock=clock)
        case _:
            assert_never(auth)


def _basic(username: str, password: str) -> str:
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


def _header_authentication(
    name: str, reference: str, environment: Mapping[str, str], write: Callable[[str], str]
) -> HeaderAuthentication:
    secret = SecretSource(reference, environment)
    text = secret.current().get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise SecretMissingError(f"the secret at {reference} cannot stand in a header: use one line of ASCII")
    return HeaderAuthentication(name, secret, write)
