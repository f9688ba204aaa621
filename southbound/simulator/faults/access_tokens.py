"""Access tokens of a simulated system: OAuth2 client credentials (RFC 6749 §4.4), and 401 without a valid token."""

from __future__ import annotations

import time
from base64 import b64decode
from binascii import Error as NotBase64Error
from collections import OrderedDict
from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote_plus

from aiohttp import web
from pydantic import Field

from consumers.spokes.credentials import SecretReference
from schemas.base import Model
from southbound.simulator import http_responses
from southbound.simulator.faults.settings import Duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
_MAX_TOKENS = 10_000  # the oldest ones end first


class AccessTokenSettings(Model):
    """Every request to the API needs an access token from `/oauth2/token` on the port of the system."""

    client_id: str = Field(min_length=1, max_length=1000, description="The client that gets tokens.")
    client_secret: SecretReference = Field(description="Where its secret is: `env:NAME` or `file:PATH`.")
    expires_in: Duration = Field(default=60.0, description="Seconds for which a token says that it is valid.")
    lifetime: Duration | None = Field(
        default=None, description="Seconds for which it really is valid. None: as long as it says."
    )


class AccessTokenIssuer:
    """Owns the valid tokens of one system. `issued` and `refused` count tokens, and requests without a valid one."""

    def __init__(self, settings: AccessTokenSettings, secret: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.issued = self.refused = 0
        self._settings = settings
        self._secret = secret
        self._clock = clock
        self._ends: OrderedDict[str, float] = OrderedDict()  # by token

    def routes(self) -> list[web.RouteDef]:
        """Return the route of the token endpoint."""
        return [web.post(TOKEN_PATH, self._issue)]

    async def process(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Process a request with its handler if its token is valid."""
        if self._clock() >= self._ends.get(_bearer(request), 0.0):
            self.refused += 1
            response = http_responses.error_response(401, "invalidToken", "invalidToken", "get another access token")
            response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            return response
        return await handler(request)

    def end(self, request: web.Request) -> None:
        """End the token that a request carries."""
        self._ends.pop(_bearer(request), None)

    async def _issue(self, request: web.Request) -> web.Response:
        form = parse_qs((await request.read()).decode("utf-8", "replace"))
        if form.get("grant_type") != ["client_credentials"]:
            return http_responses.json_response(400, {"error": "unsupported_grant_type"})
        if not self._is_client(request, form):
            return http_responses.json_response(401, {"error": "invalid_client"})
        token = token_urlsafe(16)
        self.issued += 1
        self._ends[token] = self._clock() + (self._settings.lifetime or self._settings.expires_in)
        while len(self._ends) > _MAX_TOKENS:
            self._ends.popitem(last=False)
        content = {"access_token": token, "token_type": "Bearer", "expires_in": self._settings.expires_in}
        return http_responses.json_response(200, content, {"Cache-Control": "no-store"})

    def _is_client(self, request: web.Request, form: dict[str, list[str]]) -> bool:
        kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
        in_body = (*form.get("client_id", [""]), *form.get("client_secret", [""]))
        given = _basic(encoded) if kind.lower() == "basic" else in_body
        expected = (self._settings.client_id, self._secret)
        return len(given) == len(expected) and all(
            compare_digest(one.encode("utf-8", "replace"), other.encode())
            for one, other in zip(given, expected, strict=True)
        )


def _bearer(request: web.Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _basic(encoded: str) -> tuple[str, ...]:
    try:
        user, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (NotBase64Error, UnicodeDecodeError):
        return ()
    return unquote_plus(user), unquote_plus(secret)
