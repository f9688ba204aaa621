"""All handlers of the service over an in-memory store and in-memory topics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from consumers.dispatch.call import Caller
from consumers.dispatch.outage_notices import UntriedRunNotices
from consumers.dispatch.outages import OutageTracker
from consumers.event_handler import DecodingHandler
from consumers.failure_notices import FailureNotices
from consumers.inbound.checks.due_checks import DueCheckPublisher
from consumers.inbound.report_handler import ReportHandler
from consumers.inbound.unknown_ids import UnknownIds
from consumers.routing.commands import CommandPublisher
from consumers.routing.decide import Decider
from consumers.routing.route_request import RequestRouter
from consumers.routing.waiting.expire import PendingRequestExpiry
from consumers.routing.waiting.release import WaitingQueueReleaser
from consumers.routing.waiting.threshold_cache import ThresholdCache
from consumers.run_updates.acknowledgements import Acknowledgements
from consumers.run_updates.announce import Announcer
from consumers.run_updates.updater import RunUpdater
from consumers.runtime.handler import Attempt, DeadLetter, Done, Partition, Record, RetryLater
from consumers.specifications.run_specifications import NO_SPECIFICATIONS
from consumers.spokes.limits.circuit_breaker import Breakers
from consumers.spokes.profile import BreakerSettings, Profile
from consumers.spokes.registry import spoke_for
from producers.event_publisher import EventPublisher
from router.runs.hierarchy_limits import HierarchyLimits
from router.selection.load import RoutingTables
from router.selection.outbound_policy import load_policy
from router.selection.selector_file import load_selector
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.partition_keys import key_of
from schemas.results import RequestResult, RunResult, RunUpdate
from schemas.topics import TopicNames
from schemas.vocabulary import Channel
from southbound.service.composition.workers import command_handler, lifecycle_handler
from tests.builders.runs import NOON
from tests.fakes.external_system import FakeSystem
from tests.fakes.recording_publisher import RecordingPublisher
from tests.fakes.run_store import InMemoryRunStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from consumers.runtime.handler import Outcome
    from consumers.specifications.run_specifications import RunSpecifications
    from consumers.spokes.port import Call
    from producers.publisher import Message, Publisher
    from router.responses import Purpose
    from router.runs.run import RunRow
    from schemas.catalogue import EventData
    from schemas.problem import Problem
    from schemas.run_document import RunDocument
    from schemas.vocabulary import UpdateKind

POLICY = """
table: outbound-policy
policy: first
inputs: [{name: spec, path: test_specification.id, type: string}]
outputs:
  - {name: hierarchical, type: boolean}
  - {name: payload, type: string, values: [per-run, bundle]}
rows:
  - {id: R1, when: {spec: fibre-tree}, then: {hierarchical: true, payload: per-run}}
  - {id: R2, when: {spec: fibre-bundle}, then: {hierarchical: true, payload: bundle}}
  - {id: R3, when: {spec: "not(unplanned)"}, then: {hierarchical: false, payload: per-run}}
"""
SELECTOR = """
selector: spoke-selector
inputs: [{name: spec, path: test_specification.id, type: string}]
rows:
  - {id: S1, order: 1, when: {spec: "not(nowhere, moon-line)"}, then: {spoke: fibre-lab}}
  - {id: S2, order: 2, when: {spec: moon-line}, then: {spoke: moon-lab}}
"""
ENVELOPE = Envelope(Codec())  # shared: building a codec reads every schema
TOPIC_ORDER = ("testrun.lifecycle", "testrun.dispatch.fibre-lab", "testrun.inbound")
PARK_DELAY = 5.0  # seconds until a report about an unknown run is retried
MAX_ATTEMPTS = 80  # attempts at one record until the test fails
RETRY = {
    "initial_interval": 1.0,
    "backoff_coefficient": 2.0,
    "max_interval": 60.0,
    "max_attempts": 4,
    "max_elapsed": 600.0,
}


@cache
def a_decider(selector: str = SELECTOR) -> Decider:
    """Return a decider with the policy above and a selector."""
    tables = RoutingTables(policy=load_policy(POLICY, "policy"), selector=load_selector(selector, "selector", None))
    return Decider(tables=lambda: tables)


@dataclass(slots=True)
class ManualClock:
    """A clock that the test sets."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        """Return the time, a millisecond later with each call, so that all times differ."""
        self.at += timedelta(milliseconds=1)
        return self.at


@dataclass(slots=True)
class InMemoryGateway:
    """All handlers with their store, topics and external system, and everything that they produced.

    `run_until_idle` processes records until all topics are empty.
    """

    store: InMemoryRunStore = field(default_factory=InMemoryRunStore)
    system: FakeSystem = field(default_factory=FakeSystem)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)
    clock: ManualClock = field(default_factory=ManualClock)
    profile: dict[str, Any] = field(default_factory=dict)
    limits: HierarchyLimits = field(default_factory=HierarchyLimits)
    decide: Decider = field(default_factory=a_decider)
    specifications: RunSpecifications = NO_SPECIFICATIONS
    threshold_cache: ThresholdCache = field(default_factory=ThresholdCache)
    may_send: Callable[[], bool] = lambda: True
    may_repeat: Callable[[Record], bool] | None = None  # of lifecycle events that a lost store may have processed
    outages: OutageTracker = field(default_factory=OutageTracker)
    max_report_age: float = PARK_DELAY
    unknown_ids: UnknownIds = field(default_factory=UnknownIds)
    breakers: Breakers = field(init=False)  # of this process
    acknowledgements: Acknowledgements = field(
        default_factory=Acknowledgements
    )  # what one process knows; another process has others
    finished: list[Record] = field(default_factory=list)
    dead_lettered: list[tuple[Record, DeadLetter]] = field(default_factory=list)
    retries: list[RetryLater] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    wrong_keys: list[tuple[Record, Problem]] = field(default_factory=list)
    refuses_wrong_keys: bool = False
    unknown_states: list[str] = field(default_factory=list)
    names: TopicNames = field(default_factory=TopicNames)
    envelope: Envelope = field(default_factory=lambda: ENVELOPE)
    _topics: dict[str, deque[Record]] = field(default_factory=lambda: {name: deque() for name in TOPIC_ORDER})
    _seen: int = 0
    _offset: int = 0

    def __post_init__(self) -> None:
        """Begin as a process that knows nothing of its systems."""
        self.breakers = self.new_breakers()

    def new_breakers(self) -> Breakers:
        """Return the breakers of another process, which are closed."""
        policy = BreakerSettings(**self.profile.get("circuit_breaker", {})).policy()
        return Breakers({"fibre-lab": policy}, self.clock, lambda: 0.5)

    # Input

    async def process_request(self, run: RunDocument, event_id: str | None = None) -> None:
        """Process a `RunRequested` and everything that follows from it."""
        await self.process_lifecycle_event(RunRequested(run=run), event_id or f"request {run.run_id}")

    async def process_change(self, run: RunDocument, event_id: str | None = None) -> None:
        """Process a `RunChanged` and everything that follows from it."""
        await self.process_lifecycle_event(RunChanged(run=run), event_id or f"change {run.run_id} {run.version}")

    async def process_cancellation(self, run_id: str, root: str | None = None, event_id: str | None = None) -> None:
        """Process a `RunCancelled` and everything that follows from it."""
        event = RunCancelled(run_id=run_id, root_run_id=root or run_id)
        await self.process_lifecycle_event(event, event_id or f"cancel {run_id}")

    async def process_callback(self, external_id: str | None, event_id: str = "", **test: object) -> None:
        """Process a callback about a run and everything that follows from it."""
        self.produce(self.names.inbound, self.a_callback(external_id, **test), event_id or f"{external_id} {test}")
        await self.run_until_idle()

    async def process_lifecycle_event(self, event: EventData, event_id: str) -> None:
        """Process a lifecycle event and everything that follows from it."""
        self.produce(self.names.lifecycle, event, event_id)
        await self.run_until_idle()

    def a_callback(self, external_id: str | None, **test: object) -> InboundReceived:
        """Return a callback with a TMF653 event. `test` are the fields of the service test."""
        test = {"id": external_id, **test} if external_id is not None else test
        event = {"eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": test}}
        return InboundReceived(
            spoke="fibre-lab",
            external_id=external_id or "",
            channel=Channel.CALLBACK,
            received_at=self.clock(),
            body=orjson.dumps(event),
        )

    def produce(self, topic: str, event: EventData, event_id: str) -> Record:
        """Append an event to a topic."""
        value, headers = self.envelope.encode(Event(headers=EventHeaders(id=event_id), data=event))
        return self.produce_bytes(topic, value, headers, key=key_of(event).encode())

    def produce_bytes(
        self,
        topic: str,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] = (),
        *,
        key: bytes | None = b"k",
    ) -> Record:
        """Append raw bytes to a topic."""
        self._offset += 1
        partition = Partition(topic=topic, number=0, epoch=1)
        record = Record(partition, self._offset, key, value, tuple(headers), 0)
        self._topics.setdefault(topic, deque()).append(record)
        return record

    def take_back(self, record: Record) -> None:
        """Remove a record that was appended and is not processed yet."""
        self._topics[record.partition.topic].remove(record)

    async def advance(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass; checks of runs are published when they are due, and processed."""
        end = self.clock.at + timedelta(seconds=seconds)
        checker = DueCheckPublisher(store=self.store, events=self.events, now=self.clock, warn=self.problems.append)
        while self.clock.at < end:
            self.clock.at = min(end, self.clock.at + timedelta(seconds=step))
            await checker.publish_due()
            await self.run_until_idle()

    # Processing

    async def run_until_idle(self) -> None:
        """Process records of all topics until none is left."""
        self._loop_back_published()
        while topic := next((name for name, queue in self._topics.items() if queue), None):
            await self._finish(self._topics[topic][0])
            self.finished.append(self._topics[topic].popleft())
            self._loop_back_published()

    async def process_next(self, topic: str) -> None:
        """Process the next record of a topic to its end."""
        await self._finish(self._topics[topic].popleft())
        self._loop_back_published()

    def take_next(self, topic: str) -> Record:
        """Remove the next record of a topic."""
        self._loop_back_published()
        return self._topics[topic].popleft()

    async def attempt_next(self, topic: str) -> Outcome:
        """Make one attempt at the next record of a topic and leave the record there."""
        return await self.attempt(self._topics[topic][0])

    def waiting(self, topic: str) -> tuple[Record, ...]:
        """Return the records of a topic that were not processed to their end."""
        return tuple(self._topics[topic])

    async def _finish(self, record: Record) -> None:
        number = 0
        for _ in range(1, MAX_ATTEMPTS):
            number += 1
            outcome = await self.attempt(record, number)
            if isinstance(outcome, Done):
                return
            if isinstance(outcome, DeadLetter):
                await self.publish_dead_letter(record, outcome)
                return
            self.retries.append(outcome)
            number = outcome.counted.number if outcome.counted else number
            self.clock.at += timedelta(seconds=outcome.delay)
        raise AssertionError(f"no end after {MAX_ATTEMPTS} attempts: {self.retries[-1].problem}")

    async def publish_dead_letter(self, record: Record, verdict: DeadLetter) -> None:
        """Notify whoever waits for a record of lifecycle or dispatch, as a worker does, and keep its dead letter."""
        if record.partition.topic != self.names.inbound:
            notices = FailureNotices(updater=self.updater, envelope=self.envelope, warn=self._note_problem)
            assert await notices.notify(record, verdict.problem) is None
        self.dead_lettered.append((record, verdict))

    def _note_problem(self, problem: Problem) -> None:
        self.problems.append(f"{problem.sentence} {problem.detail}")

    async def attempt(self, record: Record, number: int = 1) -> Outcome:
        """Make one attempt at a record with new handlers, which share the store, the topics and acknowledgements."""
        return await self.attempt_with(record, Attempt(number))

    async def attempt_with(self, record: Record, attempt: Attempt) -> Outcome:
        """Make this attempt at a record with new handlers."""
        return await self._event_handler(record.partition.topic).handle_record(record, attempt)

    async def end_during_call(self, call: Call, purpose: Purpose, state: str) -> None:
        """If the call has this purpose, process a callback with this state before its response arrives."""
        if call.purpose is purpose:
            self.system.on_call = None
            partition = Partition(topic=self.names.inbound, number=0, epoch=1)
            callback = self.a_callback("ext-TR0001", state=state, testMeasure=[])
            value, headers = self.envelope.encode(
                Event(headers=EventHeaders(id="callback during the call"), data=callback)
            )
            await self.attempt(Record(partition, 0, b"k", value, headers, 0))

    def reread(self, records: Iterable[Record]) -> None:
        """Put records back at the front of their topics, in order, as after a crash before their commit."""
        for record in reversed([*records]):
            self._topics[record.partition.topic].appendleft(record)

    def redeliver(self, record: Record) -> None:
        """Append a record to its topic again, as after a crash."""
        self._topics.setdefault(record.partition.topic, deque()).append(record)

    def _loop_back_published(self) -> None:
        """Append what was published to the gateway's own topics to those topics."""
        for message in self.publisher.published[self._seen :]:
            self._seen += 1
            own = (self.names.inbound, self.names.lifecycle)
            if self.names.spoke_of(message.topic) is not None or message.topic in own:
                self.produce_bytes(message.topic, message.value, message.headers, key=message.key)

    # Handlers

    @property
    def updater(self) -> RunUpdater:
        """A new run updater."""
        announcer = Announcer(events=self.events, now=self.clock)
        return RunUpdater(store=self.store, announcer=announcer, now=self.clock, acknowledgements=self.acknowledgements)

    @property
    def events(self) -> EventPublisher:
        """A publisher of events."""
        publisher: Publisher = self.publisher
        return EventPublisher(publisher=publisher, envelope=self.envelope, topics=self.names)

    @property
    def caller(self) -> Caller:
        """A new caller of external systems."""
        settings: dict[str, Any] = {
            "base_url": "http://127.0.0.1:9",
            "retry": RETRY,
            "callback_auth": {"kind": "token", "token": "env:CALLBACK_TOKEN"},  # no listener reads it
            **self.profile,
        }
        spokes = {"fibre-lab": spoke_for(Profile(name="fibre-lab", **settings))}
        return Caller(
            spokes=spokes,
            client=self.system,
            now=self.clock,
            random=lambda: 0.5,
            may_send=self.may_send,
            outages=self.outages,
            breakers=self.breakers,
        )

    @property
    def untried_run_notices(self) -> UntriedRunNotices:
        """The task that tells of runs which wait for a system that is down."""
        return UntriedRunNotices(updater=self.updater, caller=self.caller, warn=self.problems.append)

    @property
    def route(self) -> RequestRouter:
        """A new request router."""
        updater = self.updater
        return RequestRouter(
            updater=updater,
            commands=CommandPublisher(updater.announcer),
            decider=self.decide,
            limits=self.limits,
            threshold_cache=self.threshold_cache,
            specifications=self.specifications,
        )

    @property
    def waiting_release(self) -> WaitingQueueReleaser:
        """A new releaser of waiting requests."""
        route = self.route
        return WaitingQueueReleaser(
            updater=route.updater,
            commands=route.commands,
            router=route,
            decider=self.decide,
            threshold_cache=self.threshold_cache,
            warn=self.problems.append,
        )

    @property
    def waiting_expiry(self) -> PendingRequestExpiry:
        """A new expiry of pending requests."""
        return PendingRequestExpiry(
            updater=self.updater,
            deadline=300,
            every=15,
            warn=self.problems.append,
        )

    def _event_handler(self, topic: str) -> DecodingHandler:
        if topic == self.names.lifecycle:
            route = self.route
            return DecodingHandler(
                lifecycle_handler(route.updater, route.commands, route, self.limits).handle,
                self.envelope,
                may_repeat=self._may_repeat if self.may_repeat else None,
                on_wrong_key=self._note_wrong_key,
                refuses_wrong_keys=self.refuses_wrong_keys,
            )
        if topic == self.names.inbound:
            inbound = ReportHandler(
                updater=self.updater,
                caller=self.caller,
                max_report_age=self.max_report_age,
                unknown_ids=self.unknown_ids,
                on_unknown_state=self.unknown_states.append,
            )
            return DecodingHandler(inbound.handle, self.envelope)
        return DecodingHandler(
            command_handler(self.updater, self.caller).handle, self.envelope, on_wrong_key=self._note_wrong_key
        )

    async def _may_repeat(self, record: Record) -> bool:
        return self.may_repeat is not None and self.may_repeat(record)

    def _note_wrong_key(self, record: Record, problem: Problem) -> None:
        self.wrong_keys.append((record, problem))

    # Results

    def row(self, run_id: str = "TR0001") -> RunRow:
        """Return a run's row."""
        return self.store.runs[run_id]

    def published_events(self) -> list[Event]:
        """Return every event that was published, in order."""
        return [self._event(message) for message in self.publisher.published]

    def updates(self, run_id: str = "TR0001") -> list[UpdateKind]:
        """Return the kinds of a run's updates, in order."""
        return [data.kind for data in self._published_data() if isinstance(data, RunUpdate) and data.run_id == run_id]

    def distinct_updates(self, run_id: str = "TR0001") -> list[UpdateKind]:
        """Return the kinds of a run's updates, each id once: a process repeats the last update of another one."""
        events = {event.id: event.data for event in self.published_events()}
        return [data.kind for data in events.values() if isinstance(data, RunUpdate) and data.run_id == run_id]

    def last_update(self, run_id: str = "TR0001") -> RunUpdate:
        """Return a run's last update."""
        return [data for data in self._published_data() if isinstance(data, RunUpdate) and data.run_id == run_id][-1]

    def results(self, run_id: str = "TR0001") -> list[RunResult]:
        """Return a run's results."""
        return [data for data in self._published_data() if isinstance(data, RunResult) and data.run_id == run_id]

    def request_results(self) -> list[RequestResult]:
        """Return the results of requests."""
        return [data for data in self._published_data() if isinstance(data, RequestResult)]

    def dead_letter_codes(self) -> list[str]:
        """Return the codes of the dead letters."""
        return [letter.problem.code for _, letter in self.dead_lettered]

    def _published_data(self) -> list[EventData]:
        return [event.data for event in self.published_events()]

    def _event(self, message: Message) -> Event:
        return self.envelope.decode(message.value, message.headers, fallback_id="none")
