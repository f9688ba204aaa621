"""Receive the callbacks of external systems: store first, then respond."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Literal, Protocol, Self
from uuid import uuid4

import structlog
from aiohttp import web
from multidict import CIMultiDict

from consumers.inbound.bounded_server import BoundedServer
from consumers.inbound.callback_auth import AllowAnyone
from consumers.inbound.callback_parser import MAX_ID_LENGTH, NotACallbackError, callback_event_id, parse_callback
from consumers.inbound.callback_responses import CallbackRefusedError, json_response
from consumers.inbound.connection_gate import ConnectionLimits
from consumers.inbound.event_ids import EventIdMemory
from consumers.inbound.intake.admission import SpokeAdmission
from consumers.inbound.intake.events import EventsUnreadableError, read_events
from consumers.inbound.listen_socket import bound_port, open_port
from consumers.spokes.conventions.callback_limits import NO_CALLBACK_LIMITS
from consumers.spokes.port import NotAboutARunError, NotUnderstoodError
from producers.publisher import Message, PublishError
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.inbound import InboundReceived
from schemas.partition_keys import key_of
from schemas.text.json_body import with_charset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from consumers.inbound.authentication.port import CallbackAuthenticator
    from consumers.inbound.callback_auth import TokenAuthenticator
    from consumers.inbound.callback_responses import CallbackOutcome
    from consumers.inbound.intake.events import OneEvent
    from consumers.spokes.conventions.callback_limits import CallbackLimits
    from producers.publisher import Publisher
    from schemas.codec.envelope import Envelope

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context §3.2
log = structlog.get_logger()
_MAX_CONTENT_TYPE = 200  # characters
UNKNOWN_SPOKE = ""  # counted instead of a name that any caller can invent


class CountCallback(Protocol):
    """Counts every request by its outcome; `spoke` is empty if no spoke has the name."""

    def __call__(self, spoke: str, outcome: CallbackOutcome) -> None:
        """Count one request."""


def accept_any(received: InboundReceived) -> str | None:
    """Refuse nothing."""


def ignore_callback(spoke: str, outcome: CallbackOutcome) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackConfig:
    """How callbacks of one external system are received: TMF653 v4 expects 201, v5 expects 204.

    `check` raises `NotUnderstoodError` for a callback that its spoke certainly cannot read, and returns the external id
    that the spoke reads there, by which the callbacks about one run keep their order. `url_token` checks the token in
    the path of an address that was registered at a hub with its token; None: there is no such address. `charset` is
    that of bodies which do not name theirs; None: UTF-8.
    """

    success_status: Literal[201, 204] = 201
    authenticator: CallbackAuthenticator
    check: Callable[[InboundReceived], str | None] = accept_any
    limits: CallbackLimits = NO_CALLBACK_LIMITS
    url_token: TokenAuthenticator | None = None
    charset: str | None = None

    def accepts(self, request: web.Request) -> bool:
        """Return whether a request carries the credentials, in its headers or in its path."""
        token, peer = request.match_info.get("token"), request.remote or ""
        if token is None:
            return self.authenticator.accepts(request.headers, peer)
        given = CIMultiDict({"Authorization": f"Bearer {token}"})
        return self.url_token is not None and self.url_token.accepts(given, peer)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerLimits:
    """Limits of one request and of all together. Body, envelope and key must fit into one Kafka message."""

    max_body_bytes: int = 900_000
    body_timeout: float = 10.0
    publish_timeout: float = 5.0
    max_concurrent: int = 1_000
    retry_after: int = 2  # seconds, sent when a callback cannot be stored
    shutdown_timeout: float = 10.0  # for callbacks that are being stored when the listener stops
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)


class Listener:
    """An HTTP server for `POST /{spoke}/listener` and `/{spoke}/listener/{event}`.

    A callback is acknowledged only when Kafka has it; a sender that gets 503 sends it again.
    """

    def __init__(  # noqa: PLR0913 - what it needs from outside, and five things with defaults
        self,
        *,
        host: str,
        port: int,
        spokes: Mapping[str, CallbackConfig],
        publisher: Publisher,
        topic: str,
        envelope: Envelope,
        clock: Callable[[], datetime],
        limits: ListenerLimits | None = None,
        on_callback: CountCallback = ignore_callback,
        on_reused_event_id: Callable[[str], None] = lambda _: None,  # called with the spoke
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._host = host
        self._port = port
        self._spokes = spokes
        self._publisher = publisher
        self._topic = topic
        self._envelope = envelope
        self._clock = clock
        self._limits = limits or ListenerLimits()
        self._count = on_callback
        self._count_reused_id = on_reused_event_id
        self._event_ids = EventIdMemory()
        self._new_id = new_id
        self._in_progress = 0
        share = max(1, self._limits.max_concurrent // 2)  # so that no spoke takes the slots of all others
        self._admissions = {name: SpokeAdmission(spoke.limits, share, monotonic) for name, spoke in spokes.items()}
        self._hides_names = any(not isinstance(spoke.authenticator, AllowAnyone) for spoke in spokes.values())

    @property
    def port(self) -> int:
        """The port that was bound: 0 asks for any."""
        return self._port

    async def start(self) -> None:
        """Bind the port and listen.

        Raises:
            CannotListenError: the port is taken.
        """
        bound = open_port(self._host, self._port, "listener.port")
        self._port = bound_port(bound)
        app = web.Application(client_max_size=self._limits.max_body_bytes)
        for path in ("/{spoke}/listener", "/{spoke}/{token}/listener"):
            app.router.add_post(path, self._receive)
            app.router.add_post(f"{path}/{{event:.*}}", self._receive)
        app.router.add_post("/{path:.*}", self._unknown_path)
        self._server = BoundedServer(
            app,
            self._limits.connections,
            on_closed=lambda reason: self._count(UNKNOWN_SPOKE, reason),
            shutdown_timeout=self._limits.shutdown_timeout,
        )
        await self._server.start(bound)

    async def stop(self) -> None:
        """Accept nothing new, and respond to what is in progress."""
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _receive(self, request: web.Request) -> web.Response:
        name = request.match_info["spoke"]
        known = name if name in self._spokes else UNKNOWN_SPOKE
        self._in_progress += 1
        try:
            outcome, response = await self._accept_callback(request, name)
        except CallbackRefusedError as refused:
            self._count(known, refused.outcome)
            return refused.response()
        except Exception as error:  # noqa: BLE001 - nothing is stored: its sender must hear to come again
            event = "callback could not be stored because of a programming error"
            log.error(event, spoke=known, error=type(error).__name__)  # noqa: TRY400 - a traceback could quote it
            self._count(known, "notStored")
            return self._retry_later("notStored", "the callback could not be stored: send it again later").response()
        finally:
            self._in_progress -= 1
        self._count(known, outcome)
        return response

    async def _unknown_path(self, _: web.Request) -> web.Response:
        # The sender is unknown, but operators must see that a wrong address is called.
        self._count(UNKNOWN_SPOKE, "unknownPath")
        sentence = "callbacks are taken at /{spoke}/listener and /{spoke}/listener/{event}: correct the URL"
        return CallbackRefusedError(404, "unknownPath", sentence).response()

    async def _accept_callback(self, request: web.Request, name: str) -> tuple[CallbackOutcome, web.Response]:
        spoke = self._authenticated(request, name)
        with self._admissions[name].slot(self._limits.retry_after):
            body = await self._read_body(request, spoke.limits.max_body_bytes)
            if not spoke.authenticator.accepts_body(request.headers, body):
                raise _unauthenticated(name, "unauthenticated")
            self._admissions[name].take()
            found = self._parse(request, spoke, name, body)
            stored = [event for event, outcome in found if outcome == "stored"]
            if stored:
                await self._publish(stored)
        self._count_reused_ids(name, stored)
        ids = [event.headers.id for event, _ in found]
        outcome: CallbackOutcome = "stored" if stored else "ignored"
        if spoke.success_status == 204:  # noqa: PLR2004 - the only other one
            return outcome, web.Response(status=204)
        more = {"ids": ids} if ids[1:] else {}
        # Not the path of the request, which may have a token in it.
        return outcome, json_response(201, {"id": ids[0], "callback": f"/{name}/listener", **more})

    def _count_reused_ids(self, name: str, stored: Sequence[Event]) -> None:
        for event in stored:
            found = event.data.event_id if isinstance(event.data, InboundReceived) else None
            if found and self._event_ids.is_reused(name, found, event.headers.id):
                self._count_reused_id(name)

    def _authenticated(self, request: web.Request, name: str) -> CallbackConfig:
        spoke = self._spokes.get(name)
        if spoke is None and not self._hides_names:
            raise CallbackRefusedError(404, "unknownSpoke", f"there is no spoke {name[:80]!r}: correct the URL")
        if spoke is None or not spoke.accepts(request):
            raise _unauthenticated(name, "unauthenticated" if spoke else "unknownSpoke")
        if self._in_progress > self._limits.max_concurrent:
            raise self._retry_later("overloaded", "too many callbacks are under way: send it again later")
        return spoke

    async def _read_body(self, request: web.Request, spoke_limit: int) -> bytes:
        limit = min(spoke_limit, self._limits.max_body_bytes)
        try:
            async with asyncio.timeout(self._limits.body_timeout):
                return await request.clone(client_max_size=limit).read()
        except web.HTTPRequestEntityTooLarge as error:
            sentence = f"the body is larger than {limit} bytes: send a thin event"
            raise CallbackRefusedError(413, "tooLarge", sentence) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            sentence = "the body did not arrive whole, or not as its headers say: send it again"
            raise CallbackRefusedError(400, "notACallback", sentence) from error
        except TimeoutError as error:
            sentence = f"the body did not arrive within {self._limits.body_timeout:g} s: send it again"
            raise CallbackRefusedError(408, "tooSlow", sentence, {"Connection": "close"}) from error

    def _parse(
        self, request: web.Request, spoke: CallbackConfig, name: str, body: bytes
    ) -> list[tuple[Event, CallbackOutcome]]:
        """Return every event of a request and what becomes of it; one that cannot be read refuses all of them."""
        limits, kind = spoke.limits, _content_type(request, spoke.charset)
        try:
            events = read_events(body, kind, request.headers, max_events=limits.max_events, max_depth=limits.max_depth)
        except EventsUnreadableError as error:
            raise CallbackRefusedError(400, "notACallback", str(error)) from error
        found = []
        for number, event in enumerate(events):
            try:
                found.append(self._parse_one(request, spoke, name, event))
            except CallbackRefusedError as refused:
                where = f"event {number} of the list: " if events[1:] else ""
                raise CallbackRefusedError(refused.status, refused.outcome, f"{where}{refused}") from refused
        return found

    def _parse_one(
        self, request: web.Request, spoke: CallbackConfig, name: str, event: OneEvent
    ) -> tuple[Event, CallbackOutcome]:
        in_path = request.match_info.get("event", "").rstrip("/").rpartition("/")[2]
        try:
            received = parse_callback(
                name, event.body, event_in_path=in_path, content_type=event.content_type, at=self._clock()
            )
        except NotACallbackError as error:
            raise CallbackRefusedError(400, "notACallback", str(error)) from error
        event_id = callback_event_id(received, self._new_id())
        received, outcome = _check(spoke, received)
        return _event(received, event_id, request), outcome

    async def _publish(self, events: Sequence[Event]) -> None:
        messages = []
        for event in events:
            value, headers = self._envelope.encode(event)
            key = key_of(event.data).encode()
            messages.append(Message(topic=self._topic, key=key, value=value, headers=headers))
        try:
            async with asyncio.timeout(self._limits.publish_timeout):
                await self._publisher.publish(messages)
        except (PublishError, TimeoutError) as error:
            raise self._retry_later("notStored", "the callback could not be stored: send it again later") from error

    def _retry_later(self, outcome: CallbackOutcome, sentence: str) -> CallbackRefusedError:
        return CallbackRefusedError(503, outcome, sentence, {"Retry-After": str(self._limits.retry_after)})


def _unauthenticated(name: str, outcome: CallbackOutcome) -> CallbackRefusedError:
    # The same response for all: it must not show which spokes there are.
    sentence = f"{name[:80]!r} is no spoke, or the credentials are not those agreed for its callbacks"
    return CallbackRefusedError(401, outcome, sentence, {"WWW-Authenticate": "Bearer"}, code="unauthenticated")


def _check(spoke: CallbackConfig, received: InboundReceived) -> tuple[InboundReceived, CallbackOutcome]:
    """Return a callback that can be parsed under the external id that its spoke reads, and its outcome."""
    try:
        external_id = spoke.check(received)
    except NotAboutARunError:
        return received, "ignored"  # acknowledged, or its sender would repeat it
    except NotUnderstoodError as error:
        raise CallbackRefusedError(400, "notACallback", f"the callback cannot be read: {error}") from error
    if external_id is None or external_id == received.external_id:
        return received, "stored"
    # Under no id, all callbacks of a system would wait for each other.
    return received.model_copy(update={"external_id": external_id[:MAX_ID_LENGTH]}), "stored"


def _content_type(request: web.Request, charset: str | None) -> str:
    """Return the header with its charset, which the reader needs."""
    written = request.headers.get("Content-Type", request.content_type)
    named = written.encode("ascii", "replace").decode()[:_MAX_CONTENT_TYPE]
    return with_charset(named, charset) if charset else named


def _event(received: InboundReceived, event_id: str, request: web.Request) -> Event:
    trace = request.headers.get("traceparent", "")
    headers = EventHeaders(
        id=event_id,
        time=received.received_at,
        subject=received.external_id or None,
        traceparent=trace if TRACEPARENT.fullmatch(trace) else None,
    )
    return Event(headers=headers, data=received)
