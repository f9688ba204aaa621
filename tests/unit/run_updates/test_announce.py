"""A published event names its cause, its decision and its request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from consumers.run_updates.announce import Announcer
from producers.event_publisher import EventPublisher
from router.runs.notifications.build import build_result
from router.runs.request_result import request_result
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.lifecycle import RunRequested
from schemas.results import RunUpdate
from schemas.topics import TopicNames
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import NOON, SINGLE, a_document, a_run
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from schemas.commands import Command, PinnedDecision
    from schemas.results import RunNotification

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENVELOPE = Envelope(Codec(), source="/test")
PLAIN = Event(headers=EventHeaders(id="E1"), data=RunRequested(run=a_document()))
TRACED = PLAIN._replace(headers=PLAIN.headers._replace(traceparent=TRACE, replay="redrive-7"))
ENDED = a_run(phase=Phase.FULFILLED, state=RunState.COMPLETED, finished_at=NOON)
SENT = SendRun(run=a_document(), request_id="RQ0001", spoke="fibre-lab", decision=SINGLE)
UPDATE = RunUpdate(
    run_id="TR0001",
    root_run_id="TR0001",
    request_id="RQ0001",
    spoke="fibre-lab",
    kind=UpdateKind.ACCEPTED,
    phase=Phase.ACCEPTED,
    version=1,
    revision=2,
    occurred_at=NOON,
)
PUBLISHED_DATA: dict[str, Command | RunNotification | None] = {
    "SendRun": SENT,
    "ChangeRun": ChangeRun(run=a_document(), request_id="RQ0001", spoke="fibre-lab", decision=SINGLE),
    "CancelRun": CancelRun(
        run_id="TR0001", root_run_id="TR0001", request_id="RQ0001", spoke="fibre-lab", decision=SINGLE
    ),
    "RunUpdate": UPDATE,
    "RunResult": build_result(ENDED),
    "RequestResult": request_result((ENDED,)),
}


@dataclass(frozen=True, slots=True)
class AnnouncerHarness:
    """An announcer with a recording publisher."""

    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)

    async def announce(
        self, cause: Event, data: Command | RunNotification, decision: PinnedDecision | None
    ) -> EventHeaders:
        """Return the headers under which this message is published."""
        events = EventPublisher(publisher=self.publisher, envelope=ENVELOPE, topics=TopicNames(""))
        await Announcer(events=events, now=lambda: NOON).publish(cause, [data], decision)
        message = self.publisher.published[-1]
        event = ENVELOPE.decode(message.value, message.headers, fallback_id="none")
        assert event.data == data
        return event.headers


@pytest.mark.parametrize("data", PUBLISHED_DATA.values(), ids=PUBLISHED_DATA)
async def test_every_message_carries_trace_replay_decision_and_request(data: Command | RunNotification) -> None:
    headers = await AnnouncerHarness().announce(TRACED, data, SINGLE)
    assert (headers.traceparent, headers.replay) == (TRACE, "redrive-7")
    assert (headers.decision, headers.request_id) == (SINGLE.policy, "RQ0001")
    assert (headers.subject, headers.time) == ("TR0001", NOON)


async def test_attributes_that_the_cause_lacks_are_not_invented() -> None:
    headers = await AnnouncerHarness().announce(PLAIN, UPDATE, None)
    assert (headers.traceparent, headers.replay, headers.decision) == (None, None, None)
    assert headers.request_id == "RQ0001"


async def test_the_request_is_that_of_the_message_and_not_of_the_cause() -> None:
    cause = TRACED._replace(headers=TRACED.headers._replace(request_id="RQ0000", decision="old@1#R1"))
    headers = await AnnouncerHarness().announce(cause, SENT, SINGLE)
    assert (headers.request_id, headers.decision) == ("RQ0001", SINGLE.policy)


async def test_the_same_cause_gives_the_same_event_ids_and_another_cause_others() -> None:
    harness, other = AnnouncerHarness(), PLAIN._replace(headers=EventHeaders(id="E2"))
    first, again = [await harness.announce(PLAIN, UPDATE, SINGLE) for _ in range(2)]
    assert first.id == again.id
    assert (await harness.announce(other, UPDATE, SINGLE)).id != first.id
    assert (await harness.announce(other, SENT, SINGLE)).id == (await harness.announce(PLAIN, SENT, SINGLE)).id
