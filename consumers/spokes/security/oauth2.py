"""Get access tokens by OAuth2 client credentials (RFC 6749 §4.4), and renew them before they end."""

from __future__ import annotations

import asyncio
import math
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlencode

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator

from consumers.spokes.credentials import ClientAuthentication
from consumers.spokes.transport import HttpRequest
from router.responses import NoResponse
from schemas.codec.printable import excerpt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.spokes.credentials import OAuth2Auth
    from consumers.spokes.security.secret_source import SecretSource
    from consumers.spokes.transport import Transport
    from router.responses import HttpResponse

    Send = Callable[[HttpRequest], Awaitable[HttpResponse | NoResponse]]

_OK, _UNAUTHORIZED = 200, 401
DEFAULT_LIFETIME = 300.0  # seconds, of a token that does not say how long it is valid
MAX_MARGIN, MARGIN_SHARE = 30.0, 0.1  # a token is renewed this long before its end: seconds, and share of its life
PAUSE_AFTER_FAILURE = 1.0  # seconds for which all calls get the failure of one request for a token
MIN_PAUSE = 5.0  # seconds between two renewals because a token was refused: a third token would be refused as well
_TOKEN = re.compile(r"[!-~]{1,16384}")


class _TokenResponse(BaseModel):
    """A successful response of a token endpoint (RFC 6749 §5.1)."""

    access_token: SecretStr
    token_type: str = "Bearer"  # noqa: S105 - a kind of token
    expires_in: float = Field(default=DEFAULT_LIFETIME, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None and value != ""}


class _TokenError(BaseModel):
    """An error of a token endpoint (RFC 6749 §5.2)."""

    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token, and when it is to be renewed by the clock of its owner in seconds."""

    value: SecretStr
    renew_at: float


@dataclass(slots=True, kw_only=True)
class OAuth2ClientCredentials:
    """Sends requests with a token that all calls of one system share.

    A failure of the token endpoint counts as a system that cannot be reached: nothing was sent to it.
    """

    settings: OAuth2Auth
    secret: SecretSource
    transport: Transport  # to the token endpoint
    clock: Callable[[], float]
    _token: AccessToken | None = None
    _failure: tuple[float, NoResponse] | None = None  # until when it holds
    _refused_at: float = -math.inf  # when a token was last thrown away because it was refused
    _renewal: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, request: HttpRequest, send: Send) -> HttpResponse | NoResponse:
        """Send a request with the token; where it is refused, once more with a new one."""
        token = await self._valid_token()
        if isinstance(token, NoResponse):
            return token
        response = await send(_with_token(request, token))
        if isinstance(response, NoResponse) or response.status != _UNAUTHORIZED:
            return response
        if self._token is token:
            if self.clock() - self._refused_at < MIN_PAUSE:
                return response
            self._token, self._refused_at = None, self.clock()
        renewed = await self._valid_token()
        return response if isinstance(renewed, NoResponse) else await send(_with_token(request, renewed))

    async def close(self) -> None:
        """Close the connections to the token endpoint."""
        await self.transport.close()

    async def _valid_token(self) -> AccessToken | NoResponse:
        known = self._known()
        if known is not None:
            return known
        async with self._renewal:
            return self._known() or await self._renew()

    def _known(self) -> AccessToken | NoResponse | None:
        now = self.clock()
        if self._token is not None and now < self._token.renew_at:
            return self._token
        return self._failure[1] if self._failure is not None and now < self._failure[0] else None

    async def _renew(self) -> AccessToken | NoResponse:
        asked_at = self.clock()
        found = _read_token(await self.transport.send(self._token_request()), asked_at)
        if isinstance(found, AccessToken):
            self._token, self._failure = found, None
            return found
        cause = f"there is no access token from {self.settings.token_url}: {found}"
        failure = NoResponse(perhaps_sent=False, cause=cause, lacks_credentials=True)
        self._failure = self.clock() + PAUSE_AFTER_FAILURE, failure
        return failure

    def _token_request(self) -> HttpRequest:
        settings, secret = self.settings, self.secret.current().get_secret_value()
        form = {"grant_type": "client_credentials"}
        form |= {"scope": " ".join(settings.scope)} if settings.scope else {}
        form |= {"audience": settings.audience} if settings.audience else {}
        headers = {"Accept": "application/json", "User-Agent": "southbound"}
        if settings.client_authentication is ClientAuthentication.BODY:
            form |= {"client_id": settings.client_id, "client_secret": secret}
        else:  # RFC 6749 §2.3.1: both parts are encoded like a form
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return HttpRequest(
            method="POST",
            url=settings.token_url,
            headers=headers | {"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form, quote_via=quote).encode(),
        )


def _with_token(request: HttpRequest, token: AccessToken) -> HttpRequest:
    return request.with_header("Authorization", f"Bearer {token.value.get_secret_value()}")


def _read_token(response: HttpResponse | NoResponse, asked_at: float) -> AccessToken | str:
    """Return the token of a response, or why there is none."""
    if isinstance(response, NoResponse):
        return response.cause
    if response.status != _OK:
        return f"it answered {response.status}{_error_of(response.body)}"
    try:
        found = _TokenResponse.model_validate_json(response.body)
    except ValidationError:
        return "its answer has no access_token"
    if found.token_type.lower() != "bearer":
        return f"its token is of type '{excerpt(found.token_type)}', not Bearer"
    if not _TOKEN.fullmatch(found.access_token.get_secret_value()):
        return "its token cannot stand in a header"
    lifetime = max(0.0, found.expires_in)
    renew_at = asked_at + lifetime - min(MAX_MARGIN, lifetime * MARGIN_SHARE)
    return AccessToken(value=found.access_token, renew_at=renew_at)


def _error_of(body: bytes) -> str:
    try:
        code = _TokenError.model_validate_json(body).error
    except ValidationError:
        return ""
    return f" ({excerpt(code)})" if code else ""
