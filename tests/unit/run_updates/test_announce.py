"""What follows from an event says from which, by which decision, and for which request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from consumers.run_updates.announce import Announcer
from producers.event_publisher import EventPublisher
from router.runs.notifications import build_result
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
    """A voice with what it said."""

    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)

    async def announce(
        self, cause: Event, data: Command | RunNotification, decision: PinnedDecision | None
    ) -> EventHeaders:
        """Return the headers under which this word is published."""
        events = EventPublisher(publisher=self.publisher, envelope=ENVELOPE, topics=TopicNames(""))
        await Announcer(events=events, now=lambda: NOON).publish(cause, [data], decision)
        message = self.publisher.published[-1]
        event = ENVELOPE.decode(message.value, message.headers, fallback_id="none")
        assert event.data == data
        return event.headers


@pytest.mark.parametrize("word", PUBLISHED_DATA.values(), ids=PUBLISHED_DATA)
async def test_every_word_carries_trace_replay_decision_and_request_on(word: Command | RunNotification) -> None:
    said = await AnnouncerHarness().announce(TRACED, word, SINGLE)
    assert (said.traceparent, said.replay) == (TRACE, "redrive-7")
    assert (said.decision, said.request_id) == (SINGLE.policy, "RQ0001")
    assert (said.subject, said.time) == ("TR0001", NOON)


async def test_what_the_cause_does_not_say_is_not_made_up() -> None:
    said = await AnnouncerHarness().announce(PLAIN, UPDATE, None)
    assert (said.traceparent, said.replay, said.decision) == (None, None, None)
    assert said.request_id == "RQ0001"


async def test_the_request_is_that_of_the_word_and_not_of_the_cause() -> None:
    cause = TRACED._replace(headers=TRACED.headers._replace(request_id="RQ0000", decision="old@1#R1"))
    said = await AnnouncerHarness().announce(cause, SENT, SINGLE)
    assert (said.request_id, said.decision) == ("RQ0001", SINGLE.policy)


async def test_the_same_cause_gives_the_same_ids_and_another_one_other_ids_of_news() -> None:
    mouth, other = AnnouncerHarness(), PLAIN._replace(headers=EventHeaders(id="E2"))
    first, again = [await mouth.announce(PLAIN, UPDATE, SINGLE) for _ in range(2)]
    assert first.id == again.id
    assert (await mouth.announce(other, UPDATE, SINGLE)).id != first.id
    assert (await mouth.announce(other, SENT, SINGLE)).id == (await mouth.announce(PLAIN, SENT, SINGLE)).id
