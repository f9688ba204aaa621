"""One source with its handlers, one for each cluster, over a store in a file and a publisher that records."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from consumers.failure_notices import FailureNotices
from consumers.northbound.orders.order_book import OrderBook
from consumers.northbound.streams.handler import SourceHandler
from consumers.northbound.streams.notices import SourceNotices
from consumers.northbound.streams.profile import StreamSource
from consumers.northbound.streams.read_run import ChangedRunReader
from consumers.northbound.streams.take_arrival import ArrivalTaker
from consumers.northbound.writeback.target import WritebackTarget
from consumers.northbound.writeback.target_caller import TargetCaller
from consumers.run_updates.announce import Announcer
from consumers.run_updates.updater import RunUpdater
from consumers.runtime.handler import Attempt, DeadLetter, Partition, Record
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.limits.circuit_breaker import Breakers
from consumers.store.sql_store import open_store
from producers.event_publisher import EventPublisher
from router.runs.hierarchy_limits import HierarchyLimits
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.results import RunUpdate
from schemas.topics import TopicNames
from tests.builders.runs import NOON
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from consumers.runtime.handler import Outcome
    from consumers.spokes.transport import Transport
    from consumers.store.sql_store import SqlRunStore
    from schemas.codec.registered_avro import RegisteredAvroReader
    from schemas.problem import Problem

LIFECYCLE = TopicNames().lifecycle
NOON_MS = int(NOON.timestamp() * 1000)


def a_service_test(run_id: str | None = "TR1", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any attribute
    """Return a `ServiceTest` that orders a run."""
    own = {} if run_id is None else {"id": run_id}
    references = {"relatedService": {"id": "PI0001"}, "testSpecification": {"id": "fibre-line"}}
    return {**own, "name": "Line test", **references, "state": "acknowledged", **more}


@dataclass(slots=True, kw_only=True)
class StreamHarness:
    """A source under test."""

    store: SqlRunStore
    source: StreamSource
    publisher: RecordingPublisher
    handlers: list[SourceHandler]
    notices: SourceNotices
    outcomes: list[str] = field(default_factory=list)
    _offsets: count[int] = field(default_factory=count)

    async def take(
        self,
        body: object,
        *,
        key: bytes = b"k",
        at_ms: int = 0,
        cluster: int = 0,
        elapsed: float = 0.0,
        **headers: str,
    ) -> Outcome:
        """Make one attempt at a record, and tell of a dead letter; `at_ms` are milliseconds after noon."""
        record = Record(
            partition=Partition(topic=self.source.topic, number=0, epoch=1),
            offset=next(self._offsets),
            key=key,
            value=body if isinstance(body, bytes | None) else orjson.dumps(body),
            headers=tuple((name, value.encode()) for name, value in headers.items()),
            timestamp_ms=NOON_MS + at_ms,
        )
        outcome = await self.handlers[cluster].handle_record(record, Attempt(1, elapsed=elapsed))
        if isinstance(outcome, DeadLetter):
            assert await self.notices.notify(record, outcome.problem) is None
        return outcome

    @property
    def updates(self) -> list[RunUpdate]:
        """The updates that were published."""
        envelope = Envelope(Codec())
        messages = self.publisher.messages_on(TopicNames().inflight)
        events = [envelope.decode(message.value, message.headers, fallback_id="none") for message in messages]
        return [event.data for event in events if isinstance(event.data, RunUpdate)]

    @property
    def events(self) -> list[Event]:
        """The lifecycle events that were published."""
        envelope = Envelope(Codec())
        messages = self.publisher.messages_on(LIFECYCLE)
        return [envelope.decode(message.value, message.headers, fallback_id="none") for message in messages]

    @property
    def kinds(self) -> list[str]:
        """The types of the events that were published."""
        return [type(event.data).__name__ for event in self.events]


@asynccontextmanager
async def a_stream(
    folder: Path,
    transport: Transport | None = None,
    *,
    avro: RegisteredAvroReader | None = None,
    **profile: object,
) -> AsyncIterator[StreamHarness]:
    """Open a source with this profile; `transport` is that of the target of change data."""
    source = StreamSource.model_validate({"name": "desk", "topic": "runs", **profile})
    store, publisher = await open_store(f"sqlite:///{folder}/runs.db"), RecordingPublisher()
    book = OrderBook(
        store=store.orders,
        events=EventPublisher(publisher=publisher, envelope=Envelope(Codec()), topics=TopicNames()),
        now=lambda: datetime.now(UTC),
        new_id=lambda: "never used",
        limits=HierarchyLimits(max_runs=20, max_depth=4),
        publish_timeout=0.2,
    )
    updater = RunUpdater(
        store=store,
        announcer=Announcer(events=book.events, now=lambda: datetime.now(UTC)),
        now=lambda: datetime.now(UTC),
    )
    failures = FailureNotices(updater=updater, envelope=Envelope(Codec()), warn=_must_not_fail, orders=store.orders)
    notices = SourceNotices(
        notices=failures, orders=store.orders, sources={source.name: source}, name=source.name, avro=avro
    )
    stream = StreamHarness(store=store, source=source, publisher=publisher, handlers=[], notices=notices)
    handler = SourceHandler(
        source=source,
        taker=ArrivalTaker(book=book, source=source, parent_patience=10.0),
        publisher=publisher,
        lifecycle=LIFECYCLE,
        on_record=lambda _, outcome: stream.outcomes.append(outcome),
        runs=None if transport is None else _run_reader(transport),
        avro=avro,
    )
    clusters = max(1, len(source.bootstrap))
    stream.handlers = [replace(handler, way=number) for number in range(1, clusters + 1)]
    try:
        yield stream
    finally:
        await store.close()


def _must_not_fail(problem: Problem) -> None:
    raise AssertionError(problem.sentence)


def _run_reader(transport: Transport) -> ChangedRunReader:
    target = WritebackTarget(name="instance", base_url="https://acme.example/api", time_zone="Europe/Berlin")
    caller = TargetCaller(
        targets={"instance": target},
        client=SpokeClient([target], {}, lambda _: transport),
        now=lambda: NOON,
        random=lambda: 0.5,
        may_send=lambda: True,
        breakers=Breakers({}, lambda: NOON, lambda: 0.5),
    )
    return ChangedRunReader(target=target, caller=caller)
