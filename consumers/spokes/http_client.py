"""Make the calls of all spokes: limit, authenticate, send, and return the response."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

from consumers.spokes.aiohttp_transport import AiohttpTransport
from consumers.spokes.authentication import authentication_for
from consumers.spokes.conventions.http_conventions import ProxySettings
from consumers.spokes.credentials import SecretMissingError, TlsSettings
from consumers.spokes.limits.adaptive_limit import AdaptiveLimit
from consumers.spokes.limits.rate_limit import RateLimit
from consumers.spokes.limits.slot_limit import CallKind, SlotLimit
from consumers.spokes.port import UnknownSpokeError, admit_all, do_nothing
from consumers.spokes.security.client_proxy import ProxySecretMissingError
from consumers.spokes.security.echoed_secrets import without_credentials
from consumers.spokes.transport import HttpRequest, origin_of
from router.responses import NoResponse, Purpose
from schemas.text.json_body import in_ascii, with_charset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from consumers.spokes.authentication import Authentication
    from consumers.spokes.port import Admit, BeforeCall, Call
    from consumers.spokes.profile import SystemProfile
    from consumers.spokes.transport import Transport
    from router.responses import HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokeConnection:
    """All that is needed to reach one system."""

    base_url: str
    headers: dict[str, str]
    authentication: Authentication
    transport: Transport
    limit: SlotLimit
    rate: RateLimit | None
    adaptive: AdaptiveLimit | None
    charset: str | None  # of bodies that name none
    query: tuple[tuple[str, str], ...]  # of every request

    async def send(self, call: Call, before: BeforeCall, admit: Admit) -> HttpResponse | NoResponse:
        """Make one attempt when it is the call's turn."""
        async with self.limit.share_of(_kind_of(call)):
            if self.rate is not None:
                await self.rate.take()
            admit()
            began, plain = time.monotonic(), _build_request(self, call)

            async def deliver(request: HttpRequest) -> HttpResponse | NoResponse:
                return without_credentials(await self.transport.send(request, before), request, plain)

            response = await self.authentication.send(plain, deliver)
            if self.adaptive is not None:
                self.adaptive.ended(began, None if isinstance(response, NoResponse) else response.status)
            return response if self.charset is None else _in_charset(response, self.charset)

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()
        await self.authentication.close()


def _connection(profile: SystemProfile, authentication: Authentication, transport: Transport) -> SpokeConnection:
    limit, rate = SlotLimit(profile.concurrency), profile.rate_limit
    return SpokeConnection(
        base_url=profile.base_url,
        headers={"Accept": profile.media_types.accept, "User-Agent": "southbound"} | profile.headers,
        authentication=authentication,
        transport=transport,
        limit=limit,
        rate=RateLimit(rate.calls_per_second, rate.burst) if rate else None,
        adaptive=AdaptiveLimit(limit, profile.concurrency) if profile.adaptive_concurrency else None,
        charset=profile.media_types.charset,
        query=tuple(profile.query_parameters.items()),
    )


class SpokeClient:
    """A `SpokeCaller` with its own connections and its own limit for each spoke.

    Raises:
        SecretMissingError: at construction, with a line for every secret that is missing.
    """

    def __init__(
        self,
        profiles: Iterable[SystemProfile],
        environment: Mapping[str, str],
        transport_for: Callable[[SystemProfile], Transport] = AiohttpTransport,
    ) -> None:
        self._connections = open_connections(tuple(profiles), environment, transport_for)

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        """Make one attempt; never raises for what the network or the other side does.

        `admit` is called when the call has its slot, before a connection is made; what it raises prevents the call.
        `before` is awaited when there is a connection, right before anything is sent on it; what it raises prevents
        that. It may be awaited more than once. It is not awaited where no connection can be made.

        Raises:
            UnknownSpokeError: no profile has this name.
        """
        connection = self._connections.get(spoke)
        if connection is None:
            raise UnknownSpokeError.named(spoke, self._connections)
        return await connection.send(call, before, admit)

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            await connection.close()


def open_connections(
    profiles: Iterable[SystemProfile],
    environment: Mapping[str, str],
    transport_for: Callable[[SystemProfile], Transport] = AiohttpTransport,
) -> dict[str, SpokeConnection]:
    """Return what is needed to reach each system, by spoke; nothing is connected yet.

    Raises:
        SecretMissingError: with one line for each secret or file that is missing or wrong.
    """
    opened: dict[str, SpokeConnection] = {}
    missing: list[str] = []
    for profile in profiles:
        connection = _open_connection(profile, environment, transport_for)
        if isinstance(connection, SpokeConnection):
            opened[profile.name] = connection
        else:
            missing += connection
    if missing:
        raise SecretMissingError("\n".join(missing))
    return opened


def _open_connection(
    profile: SystemProfile, environment: Mapping[str, str], transport_for: Callable[[SystemProfile], Transport]
) -> SpokeConnection | list[str]:
    """Return what is needed to reach one system, or a sentence for each secret or file that is missing or wrong."""
    missing: list[str] = []
    transport = authentication = None
    try:
        transport = transport_for(profile)
    except SecretMissingError as error:
        field = "proxy" if isinstance(error, ProxySecretMissingError) else "tls"
        missing.append(f"{profile.noun} '{profile.name}', field '{field}': {error}")
    # What is wrong with their files is said once.
    tls, proxy = (profile.tls, profile.proxy) if transport else (TlsSettings(), ProxySettings())

    def transport_to(address: str) -> Transport:
        return transport_for(profile.model_copy(update={"base_url": address, "tls": tls, "proxy": proxy}))

    try:
        authentication = authentication_for(profile.auth, environment, transport_to)
    except SecretMissingError as error:
        missing.append(f"{profile.noun} '{profile.name}', field 'auth': {error}")
    return _connection(profile, authentication, transport) if transport and authentication else missing


def _kind_of(call: Call) -> CallKind:
    if call.is_poll:
        return CallKind.POLL
    return {Purpose.LOOK_UP: CallKind.LOOK_UP, Purpose.READ: CallKind.READ}.get(call.purpose, CallKind.WRITE)


def _build_request(connection: SpokeConnection, call: Call) -> HttpRequest:
    parameters = _with_fixed(call, connection.query) if connection.query else call.query
    begins = "&" if call.from_root and "?" in call.path else "?"
    query = f"{begins}{urlencode(parameters, quote_via=quote)}" if parameters else ""
    return HttpRequest(
        method=call.method,
        url=f"{origin_of(connection.base_url) if call.from_root else connection.base_url}{call.path}{query}",
        headers=connection.headers | _call_headers(call),
        body=in_ascii(call.body) if connection.charset and call.body else call.body,
    )


def _with_fixed(call: Call, fixed: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the query of a call with the parameters of every request that it does not have itself."""
    named = {name for name, _ in (*call.query, *parse_qsl(call.path.partition("?")[2]))}
    return (*call.query, *(each for each in fixed if each[0] not in named))


def _in_charset(response: HttpResponse | NoResponse, charset: str) -> HttpResponse | NoResponse:
    """Return the response with the charset that its system does not name, which every reader of the body looks for."""
    if isinstance(response, NoResponse):
        return response
    content_type = with_charset(response.headers.get("content-type"), charset)
    return replace(response, headers={**response.headers, "content-type": content_type})


def _call_headers(call: Call) -> dict[str, str]:
    headers = {name: _to_header_value(value) for name, value in call.headers.items()}
    if call.content_type:
        headers["Content-Type"] = call.content_type
    if call.idempotency_key:
        headers["Idempotency-Key"] = headers["X-Request-ID"] = _to_header_value(call.idempotency_key)
    return headers


def _to_header_value(value: str) -> str:
    # Event ids are chosen by their producers, and not all of them can stand in a header.
    return value if value.isascii() and value.isprintable() else quote(value)
