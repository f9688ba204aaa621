"""A callback that the listener acknowledges is stored on Kafka."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from consumers.inbound.callback_auth import AllowAnyone, TokenAuthenticator, authenticator_for, headers_for
from consumers.inbound.connection_gate import ConnectionLimits
from consumers.inbound.listen_socket import CannotListenError
from consumers.inbound.listener import CallbackConfig, Listener, ListenerLimits, accept_any
from consumers.spokes.security.callback_credentials import CallbackCertificate, CallbackSignature
from consumers.spokes.tmf653.spoke import Tmf653Spoke
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from southbound.service.composition.role_builders import callback_config
from tests.builders.spokes import a_spoke
from tests.fakes.recording_inbound_publisher import RecordingInboundPublisher
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from consumers.inbound.callback_responses import CallbackOutcome
    from producers.publisher import Message
    from schemas.inbound import InboundReceived

DEFAULTS = ListenerLimits()
TOPIC = "testrun.inbound"
TOKEN = "s3cret"  # noqa: S105 - a test value
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "eventId": "e-1",
    "eventType": "ServiceTestStateChangeEvent",
    "event": {"serviceTest": {"id": "89757", "state": "completed"}},
}


OPEN_SPOKES = {"fibre-lab": CallbackConfig(authenticator=AllowAnyone())}
SPOKES = OPEN_SPOKES | {"copper-lab": CallbackConfig(success_status=204, authenticator=TokenAuthenticator(token=TOKEN))}


@dataclass(slots=True, kw_only=True)
class ListenerRig:
    """A running listener, its publisher and a client session."""

    listener: Listener
    publisher: RecordingInboundPublisher
    session: aiohttp.ClientSession
    counts: list[tuple[str, CallbackOutcome]]
    reused_event_ids: list[str]

    async def post(self, path: str, body: object = EVENT, **headers: str) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        kind = {"content-type": "application/json"}
        url = f"http://127.0.0.1:{self.listener.port}{path}"
        async with self.session.post(url, data=data, headers=kind | headers) as answer:
            text = await answer.read()
            return answer.status, {**(orjson.loads(text) if text else {}), "headers": answer.headers}


@asynccontextmanager
async def a_listener(
    publisher: RecordingInboundPublisher | None = None,
    port: int = 0,
    limits: ListenerLimits = DEFAULTS,
    spokes: Mapping[str, CallbackConfig] | None = None,
    check: Callable[[InboundReceived], str | None] = accept_any,
) -> AsyncIterator[ListenerRig]:
    counts: list[tuple[str, CallbackOutcome]] = []
    reused: list[str] = []
    publisher = publisher or RecordingInboundPublisher()
    listener = Listener(
        host="127.0.0.1",
        port=port,
        spokes=spokes or SPOKES | {"fibre-lab": CallbackConfig(authenticator=AllowAnyone(), check=check)},
        publisher=publisher,
        topic=TOPIC,
        envelope=Envelope(Codec()),
        clock=lambda: NOW,
        limits=limits,
        on_callback=lambda spoke, what: counts.append((spoke, what)),
        on_reused_event_id=reused.append,
    )
    async with listener, aiohttp.ClientSession() as session:
        yield ListenerRig(
            listener=listener, publisher=publisher, session=session, counts=counts, reused_event_ids=reused
        )


async def test_a_callback_is_stored_as_it_came() -> None:
    async with a_listener() as rig:
        status, answer = await rig.post("/fibre-lab/listener")
        assert status == 201
        (received,) = rig.publisher.callbacks()
    assert received.body == orjson.dumps(EVENT)
    assert (received.spoke, received.external_id, received.event_id) == ("fibre-lab", "89757", "e-1")
    assert (received.received_at, received.content_type) == (NOW, "application/json")
    (message,) = rig.publisher.published
    assert (message.topic, message.key) == (TOPIC, b"fibre-lab:89757")
    assert answer["id"] == rig.publisher.events()[0].id
    assert answer["callback"] == "/fibre-lab/listener"


async def test_a_callback_is_answered_only_after_it_is_stored() -> None:
    publisher = RecordingInboundPublisher()
    publisher.block()
    async with a_listener(publisher) as rig:
        posting = asyncio.create_task(rig.post("/fibre-lab/listener"))
        await publisher.publish_called.wait()
        assert not (await asyncio.wait([posting], timeout=0.1))[0]
        publisher.unblock()
        assert (await posting)[0] == 201


async def test_a_callback_that_cannot_be_stored_is_answered_503_and_accepted_when_it_is_repeated() -> None:
    publisher = RecordingInboundPublisher()
    publisher.fail_topic(TOPIC)
    async with a_listener(publisher, limits=ListenerLimits(retry_after=7)) as rig:
        status, answer = await rig.post("/fibre-lab/listener")
        assert (status, answer["headers"]["Retry-After"]) == (503, "7")
        assert "send it again" in answer["reason"]
        publisher.restore_topic(TOPIC)
        assert (await rig.post("/fibre-lab/listener"))[0] == 201
    assert len(publisher.published) == 1
    assert rig.counts == [("fibre-lab", "notStored"), ("fibre-lab", "stored")]


async def test_a_store_that_hangs_is_answered_503_in_time() -> None:
    publisher = RecordingInboundPublisher()
    publisher.block()
    async with a_listener(publisher, limits=ListenerLimits(publish_timeout=0.05)) as rig:
        assert (await rig.post("/fibre-lab/listener"))[0] == 503


async def test_a_v5_system_is_answered_204_without_a_body() -> None:
    async with a_listener() as rig:
        status, answer = await rig.post("/copper-lab/listener", Authorization="Bearer s3cret")
    assert status == 204
    assert set(answer) == {"headers"}


@pytest.mark.parametrize("credentials", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}])
async def test_a_callback_without_valid_credentials_is_not_stored(credentials: dict[str, str]) -> None:
    async with a_listener() as rig:
        status, answer = await rig.post("/copper-lab/listener", **credentials)
        assert status == 401
        assert "s3cret" not in str(answer)
        assert rig.publisher.published == []
    assert rig.counts == [("copper-lab", "unauthenticated")]


async def test_an_unknown_spoke_is_named_in_the_answer_but_not_in_the_metric() -> None:
    async with a_listener(spokes=OPEN_SPOKES) as rig:
        status, answer = await rig.post("/nobody/listener")
    assert status == 404
    assert "'nobody'" in answer["reason"]
    assert rig.counts == [("", "unknownSpoke")]


async def test_responses_do_not_show_which_spokes_there_are() -> None:
    async with a_listener() as rig:
        known = await rig.post("/copper-lab/listener")
        unknown = await rig.post("/copper-lib/listener")
    assert known[0] == unknown[0] == 401
    for _, answer in (known, unknown):
        answer["headers"] = {name: value for name, value in answer["headers"].items() if name != "Date"}
        answer["reason"] = answer["reason"].replace("copper-lib", "copper-lab")
    assert known == unknown
    assert rig.counts == [("copper-lab", "unauthenticated"), ("", "unknownSpoke")]


@pytest.mark.parametrize("path", ["/fibre-lab/listener", "/copper-lab/listener", "/elsewhere"])
async def test_responses_do_not_name_the_software(path: str) -> None:
    async with a_listener() as rig:
        _, answer = await rig.post(path)
        raw = await send_raw(rig.listener.port, b"NOT HTTP AT ALL\r\n\r\n")
    assert "Server" not in answer["headers"]
    assert raw.startswith(b"HTTP/1.0 400")
    assert b"server:" not in raw.lower()


async def test_requests_that_are_not_http_are_counted_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with a_listener() as rig:
        for sent in (b"\x16\x03\x01\x02\x00", b"POST / HTTP/9.9\r\n\r\n", b"POST /x HTTP/1.1\r\nbad header\r\n\r\n"):
            answer = await send_raw(rig.listener.port, sent + b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.0 400")
            assert sent.strip() not in answer
    assert rig.counts == [("", "notHttp")] * 3
    assert [record.getMessage() for record in caplog.records] == []


HALF_REQUEST = b"POST /fibre-lab/listener HTTP/1.1\r\nHost: x\r\nX: "
FEW = ConnectionLimits(total=20, per_peer=10, head_timeout=0.5)


@asynccontextmanager
async def half_requests(port: int, number: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(number)]
    for _, writer in opened:
        writer.write(HALF_REQUEST)
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def test_slow_half_requests_keep_nobody_out_and_are_closed() -> None:
    async with a_listener(limits=ListenerLimits(connections=FEW)) as rig, half_requests(rig.listener.port, 60) as held:
        assert (await rig.post("/fibre-lab/listener"))[0] == 201
        async with asyncio.timeout(60):
            ends = await asyncio.gather(*(reader.read() for reader in held), return_exceptions=True)
        assert all(end == b"" or isinstance(end, ConnectionError) for end in ends)
        assert (await rig.post("/fibre-lab/listener"))[0] == 201
    closed = [reason for spoke, reason in rig.counts if not spoke]
    assert len(closed) == 60
    assert set(closed) == {"tooSlow", "tooManyConnections"}


async def test_a_head_that_arrives_byte_by_byte_is_closed_in_time() -> None:
    async with a_listener(limits=ListenerLimits(connections=FEW)) as rig, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.listener.port)
        ending = asyncio.ensure_future(reader.read())
        for sign in HALF_REQUEST * 10:
            writer.write(bytes([sign]))
            done, _ = await asyncio.wait([ending], timeout=0.05)
            if done:
                break
        writer.transport.abort()
    assert [reason for _, reason in rig.counts] == ["tooSlow"]


async def test_a_second_head_on_a_kept_connection_has_the_same_time() -> None:
    async with a_listener(limits=ListenerLimits(connections=FEW)) as rig, asyncio.timeout(60):
        body = orjson.dumps(EVENT)
        whole = b"POST /fibre-lab/listener HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.listener.port)
        writer.write(whole + body)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 201")
        writer.write(HALF_REQUEST)
        await reader.read()
        writer.transport.abort()
    assert rig.counts == [("fibre-lab", "stored"), ("", "tooSlow")]


@asynccontextmanager
async def clients_that_read_nothing(port: int, number: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Send so many requests that their answers fill every buffer; none of them is read."""
    writers: list[asyncio.StreamWriter] = []
    for _ in range(number):
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        opened.setblocking(False)  # noqa: FBT003 - as the method of sockets is called
        await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=opened)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" * 100_000)
        writers.append(writer)
    try:
        yield writers
    finally:
        for writer in writers:
            writer.transport.abort()


async def test_clients_that_take_no_answers_keep_nobody_out_and_are_closed() -> None:
    few = ConnectionLimits(total=4, per_peer=4, head_timeout=0.5)
    async with a_listener(limits=ListenerLimits(connections=few)) as rig:
        async with clients_that_read_nothing(rig.listener.port, 2):
            await wait_until(lambda: rig.counts.count(("", "tooSlow")) == 2)
        assert (await rig.post("/fibre-lab/listener"))[0] == 201


async def test_a_client_that_takes_no_answers_makes_room_for_another_one() -> None:
    few = ConnectionLimits(total=2, per_peer=2, head_timeout=600)
    async with (
        a_listener(limits=ListenerLimits(connections=few)) as rig,
        clients_that_read_nothing(rig.listener.port, 2),
        asyncio.timeout(60),
    ):
        # Until both are stuck, each answers on and is busy: a new connection is closed, and its sender comes again.
        status = 0
        while status != 201:
            with suppress(aiohttp.ClientError):
                status, _ = await rig.post("/fibre-lab/listener")
    assert ("", "tooManyConnections") in rig.counts


async def test_connections_that_are_busy_are_not_closed_for_new_ones() -> None:
    publisher = RecordingInboundPublisher()
    publisher.block()
    async with a_listener(publisher, limits=ListenerLimits(connections=FEW)) as rig:
        busy = [asyncio.create_task(rig.post("/fibre-lab/listener")) for _ in range(10)]
        await wait_until(lambda: len(publisher.waiting) == 10)
        with pytest.raises(aiohttp.ClientError):
            await rig.post("/fibre-lab/listener")
        publisher.unblock()
        assert [status for status, _ in await asyncio.gather(*busy)] == [201] * 10


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"\xff\xfe", b'{"eventId": "\\ud800"}'])
async def test_what_is_no_json_object_is_refused_with_a_sentence(body: bytes) -> None:
    async with a_listener() as rig:
        status, answer = await rig.post("/fibre-lab/listener", body)
        assert (status, rig.publisher.published) == (400, [])
    assert answer["reason"].startswith("the body is")


async def test_a_body_that_is_too_large_is_refused_with_the_limit() -> None:
    async with a_listener(limits=ListenerLimits(max_body_bytes=100)) as rig:
        status, answer = await rig.post("/fibre-lab/listener", EVENT | {"title": "x" * 200})
        assert (status, rig.publisher.published) == (413, [])
        assert "100 bytes" in answer["reason"]
        assert (await rig.post("/fibre-lab/listener", {}))[0] == 201


async def test_a_small_body_that_unpacks_into_a_large_one_is_refused() -> None:
    async with a_listener(limits=ListenerLimits(max_body_bytes=10_000)) as rig:
        bomb = gzip.compress(orjson.dumps({"title": "x" * 1_000_000}))
        assert len(bomb) < 10_000
        status, _ = await rig.post("/fibre-lab/listener", bomb, **{"content-encoding": "gzip"})
        assert (status, rig.publisher.published) == (413, [])


async def test_a_body_with_content_encoding_gzip_that_is_not_gzip_is_refused() -> None:
    async with a_listener() as rig:
        status, _ = await rig.post("/fibre-lab/listener", b"{}", **{"content-encoding": "gzip"})
        assert (status, rig.publisher.published) == (400, [])


@pytest.mark.parametrize(
    "path",
    [
        "/fibre-lab/listener/ServiceTestStateChangeEvent",
        "/fibre-lab/listener/serviceTestStateChangeEvent",
        "/fibre-lab/listener/mef/v1/listener/serviceTestStateChangeEvent",
        "/fibre-lab/listener/serviceTestStateChangeEvent/",
    ],
)
async def test_the_event_type_is_read_from_the_path_where_the_body_has_none(path: str) -> None:
    async with a_listener() as rig:
        assert (await rig.post(path, {"event": EVENT["event"]}))[0] == 201
        (received,) = rig.publisher.callbacks()
    assert received.event_type == "ServiceTestStateChangeEvent"


async def test_the_event_type_of_the_body_wins_over_the_path() -> None:
    async with a_listener() as rig:
        await rig.post("/fibre-lab/listener/serviceTestCreateEvent")
        (received,) = rig.publisher.callbacks()
    assert received.event_type == "ServiceTestStateChangeEvent"


async def test_a_notification_that_is_delivered_again_has_the_same_id() -> None:
    async with a_listener() as rig:
        _, first = await rig.post("/fibre-lab/listener")
        _, again = await rig.post("/fibre-lab/listener", dict(reversed(EVENT.items())))
        assert len(rig.publisher.published) == 2
    assert first["id"] == again["id"]
    assert rig.reused_event_ids == []


async def test_two_notifications_with_one_event_id_and_different_content_are_both_stored_and_counted() -> None:
    async with a_listener() as rig:
        _, first = await rig.post("/fibre-lab/listener")
        _, other = await rig.post("/fibre-lab/listener", EVENT | {"title": "another one"})
        assert {event.id for event in rig.publisher.events()} == {first["id"], other["id"]}
    assert first["id"] != other["id"]
    assert rig.reused_event_ids == ["fibre-lab"]


async def test_two_systems_may_use_the_same_event_id() -> None:
    async with a_listener() as rig:
        await rig.post("/fibre-lab/listener")
        await rig.post("/copper-lab/listener", Authorization="Bearer s3cret")
        ids = {event.id for event in rig.publisher.events()}
    assert len(ids) == 2


async def test_the_traceparent_of_the_caller_is_stored_with_the_callback() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with a_listener() as rig:
        await rig.post("/fibre-lab/listener", traceparent=trace)
        await rig.post("/fibre-lab/listener", traceparent="nonsense")
        assert [event.headers.traceparent for event in rig.publisher.events()] == [trace, None]


async def send_raw(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await writer.drain()
    answer = await reader.read(4096)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_body_that_does_not_arrive_ends_with_a_timeout() -> None:
    async with a_listener(limits=ListenerLimits(body_timeout=0.05)) as rig:
        head = b"POST /fibre-lab/listener HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
        answer = await send_raw(rig.listener.port, head)
        assert answer.startswith(b"HTTP/1.1 408")
        assert rig.publisher.published == []


async def test_headers_that_are_not_text_are_ignored() -> None:
    async with a_listener() as rig:
        body = orjson.dumps(EVENT)
        head = b"POST /fibre-lab/listener/%%FF%%00 HTTP/1.1\r\nHost: x\r\nContent-Type: \xff/\xfe\r\n"
        trace = b"Authorization: \xff\r\ntraceparent: \xff\r\nContent-Length: %d\r\n\r\n" % len(body)
        answer = await send_raw(rig.listener.port, head.replace(b"%%", b"%") + trace + body)
        assert answer.startswith(b"HTTP/1.1 201")
        assert len(rig.publisher.callbacks()) == 1


async def test_a_caller_that_hangs_up_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_listener() as rig:
        _, writer = await asyncio.open_connection("127.0.0.1", rig.listener.port)
        writer.write(b"POST /fibre-lab/listener HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        await writer.drain()
        writer.close()
        assert (await rig.post("/fibre-lab/listener"))[0] == 201
        assert len(rig.publisher.published) == 1
    assert [record.getMessage() for record in caplog.records] == []


async def test_concurrent_callbacks_are_each_stored_once() -> None:
    async with a_listener() as rig:
        bodies = [EVENT | {"eventId": f"e-{number}"} for number in range(200)]
        answers = await asyncio.gather(*(rig.post("/fibre-lab/listener", body) for body in bodies))
        assert {status for status, _ in answers} == {201}
        assert len({event.id for event in rig.publisher.events()}) == 200


async def test_callbacks_above_the_concurrency_limit_are_asked_to_retry_later() -> None:
    publisher = RecordingInboundPublisher()
    publisher.block()
    async with a_listener(publisher, limits=ListenerLimits(max_concurrent=1)) as rig:
        first = asyncio.create_task(rig.post("/fibre-lab/listener"))
        await publisher.publish_called.wait()
        assert (await rig.post("/fibre-lab/listener"))[0] == 503
        publisher.unblock()
        assert (await first)[0] == 201
        assert (await rig.post("/fibre-lab/listener"))[0] == 201


async def test_a_stop_finishes_what_is_being_stored() -> None:
    publisher = RecordingInboundPublisher()
    publisher.block()
    async with a_listener(publisher) as rig:
        posting = asyncio.create_task(rig.post("/fibre-lab/listener"))
        await publisher.publish_called.wait()
        stopping = asyncio.create_task(rig.listener.stop())
        await asyncio.sleep(0)
        publisher.unblock()
        await stopping
        assert (await posting)[0] == 201
    assert len(publisher.published) == 1


async def test_a_stop_does_not_wait_for_a_store_that_hangs() -> None:
    publisher = RecordingInboundPublisher()
    publisher.block()
    async with a_listener(publisher, limits=ListenerLimits(publish_timeout=60, shutdown_timeout=0.05)) as rig:
        posting = asyncio.create_task(rig.post("/fibre-lab/listener"))
        await publisher.publish_called.wait()
        async with asyncio.timeout(60):
            await rig.listener.stop()
        with pytest.raises(aiohttp.ClientError):
            await posting
    assert publisher.published == []


async def test_a_taken_port_is_named_in_a_sentence() -> None:
    async with a_listener() as rig:
        port = rig.listener.port
        with pytest.raises(CannotListenError, match=f"port {port} is taken"):
            async with a_listener(port=port):
                pass


async def test_the_port_is_free_again_after_a_stop() -> None:
    async with a_listener() as rig:
        port = rig.listener.port
        await rig.post("/fibre-lab/listener")
    async with a_listener(port=port) as again:
        assert (await again.post("/fibre-lab/listener"))[0] == 201


async def test_methods_other_than_post_are_refused() -> None:
    async with a_listener() as rig:
        url = f"http://127.0.0.1:{rig.listener.port}/fibre-lab/listener"
        async with rig.session.get(url) as answer:
            assert answer.status == 405


class FailingInboundPublisher(RecordingInboundPublisher):
    async def publish(self, messages: Sequence[Message]) -> None:
        raise RuntimeError(f"a fault of ours, with {messages!r} in its words")


async def test_an_internal_error_asks_the_sender_to_retry_and_is_counted() -> None:
    async with a_listener(FailingInboundPublisher()) as rig:
        status, body = await rig.post("/fibre-lab/listener")
        assert (status, body["code"]) == (503, "notStored")
        assert body["headers"]["Retry-After"]
        assert rig.counts == [("fibre-lab", "notStored")]


async def test_a_wrong_path_is_answered_with_the_right_one_and_counted() -> None:
    async with a_listener() as rig:
        status, body = await rig.post("/listener")
        assert (status, body["code"]) == (404, "unknownPath")
        assert "/{spoke}/listener" in body["reason"]
        assert rig.counts == [("", "unknownPath")]
        async with rig.session.get(f"http://127.0.0.1:{rig.listener.port}/fibre-lab/listener") as answer:
            assert answer.status == 405


async def test_flood_of_callbacks_that_no_run_can_be_found_for_is_refused_and_not_stored() -> None:
    async with a_listener(check=a_spoke().check_callback) as rig:
        status, body = await rig.post("/fibre-lab/listener", {"eventType": "x", "event": {"nothing": 1}})
        assert (status, body["code"]) == (400, "notACallback")
        assert body["reason"] == "the callback cannot be read: x is about nothing, not about a run"
        assert rig.publisher.published == []
        assert (await rig.post("/fibre-lab/listener"))[0] == 201


async def test_an_event_about_no_run_is_acknowledged_counted_and_not_stored() -> None:
    event = {"eventId": "e", "eventType": "ServiceTestSpecificationCreateEvent", "event": {"id": "S1"}}
    async with a_listener(check=a_spoke().check_callback) as rig:
        assert (await rig.post("/fibre-lab/listener", event))[0] == 201
        assert rig.publisher.published == []
        assert rig.counts == [("fibre-lab", "ignored")]


async def test_a_callback_with_a_signature_is_stored_and_one_with_another_body_is_not() -> None:
    auth = CallbackSignature(secret="env:HMAC", timestamp_header="X-Time")  # noqa: S106 - where it is
    spokes = {"signed-lab": CallbackConfig(authenticator=authenticator_for(auth, {"HMAC": TOKEN}))}
    async with a_listener(spokes=spokes) as rig:
        headers = headers_for(auth, {"HMAC": TOKEN}, orjson.dumps(EVENT))
        assert (await rig.post("/signed-lab/listener", EVENT, **headers))[0] == 201
        status, answer = await rig.post("/signed-lab/listener", EVENT | {"eventId": "e-2"}, **headers)
        assert (status, answer["code"]) == (401, "unauthenticated")
        assert (await rig.post("/signed-lab/listener", EVENT))[0] == 401
    assert len(rig.publisher.published) == 1
    assert rig.counts == [
        ("signed-lab", "stored"),
        ("signed-lab", "unauthenticated"),
        ("signed-lab", "unauthenticated"),
    ]


async def test_a_certificate_in_a_header_counts_only_from_a_proxy_of_the_profile() -> None:
    certificates = {
        name: CallbackCertificate(header="X-Subject", proxies=(proxy,), subjects=("CN=lab",))
        for name, proxy in {"near-lab": "127.0.0.1", "far-lab": "10.0.0.0/8"}.items()
    }
    spokes = {name: CallbackConfig(authenticator=authenticator_for(one, {})) for name, one in certificates.items()}
    async with a_listener(spokes=spokes) as rig:
        statuses = [(await rig.post(f"/{name}/listener", EVENT, **{"X-Subject": "CN=lab"}))[0] for name in spokes]
    assert statuses == [201, 401]


@pytest.mark.parametrize("as_list", [False, True], ids=["one event", "list"])
async def test_fault_a_callback_in_a_charset_that_only_the_profile_names_is_refused(as_list: bool) -> None:  # noqa: FBT001
    spoke = a_spoke(media_types={"charset": "iso-8859-1"}, state_spellings={"läuft": "inProgress"})
    config = callback_config(spoke.profile, {}, spoke.check_callback)
    event = EVENT | {"event": {"serviceTest": {"id": "Prüfung-1", "state": "läuft"}}}
    text = json.dumps([event, event | {"eventId": "e-2"}] if as_list else event, ensure_ascii=False)
    async with a_listener(spokes={"fibre-lab": config}) as rig:
        assert (await rig.post("/fibre-lab/listener", text.encode("iso-8859-1")))[0] == 201
        received, *_ = rig.publisher.callbacks()
    # What reads the topic knows nothing of the profile.
    assert received.external_id == "Prüfung-1"
    assert Tmf653Spoke(spoke.profile).read_callback(received).state == "inProgress"
