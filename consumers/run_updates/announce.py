"""Publish what follows from an event, in events whose ids are derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from router.runs.ids import derived_id
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.results import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from producers.event_publisher import EventPublisher
    from schemas.commands import Command, PinnedDecision
    from schemas.results import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Publishes what an event led to. Publishing it again for the same cause gives the same ids."""

    events: EventPublisher
    now: Callable[[], datetime]

    def publish(
        self, cause: Event, messages: Sequence[Command | Outcome], decision: PinnedDecision | None
    ) -> Awaitable[None]:
        """Hand the messages to the publisher; awaiting the result returns when Kafka has acknowledged all of them.

        Raises:
            PublishError: Kafka did not acknowledge; nothing is finished until it does.
        """
        moment = self.now()
        pinned = decision.policy if decision else None
        return self.events.publish([_event(cause, word, pinned, moment) for word in messages])


def _event(cause: Event, word: Command | Outcome, pinned: str | None, moment: datetime) -> Event:
    headers = EventHeaders(
        id=_id(cause.id, word),
        time=moment,
        subject=_subject(word),
        traceparent=cause.headers.traceparent,
        decision=pinned,
        request_id=word.request_id,
        replay=cause.headers.replay,
    )
    return Event(headers=headers, data=word)


def _subject(word: Command | Outcome) -> str:
    match word:
        case SendRun() | ChangeRun():
            return word.run.run_id
        case RequestResult():
            return word.root_run_id
        case _:
            return word.run_id


def _id(cause: str, word: Command | Outcome) -> str:
    match word:
        # A run is sent once and ends once per request, whichever record led to it.
        case SendRun():
            return derived_id(word.request_id, f"send:{word.run.run_id}")
        case RunResult():
            return derived_id(word.request_id, f"result:{word.run_id}")
        case RequestResult():
            return derived_id(word.request_id, "result")
        case ChangeRun():
            return derived_id(cause, f"change:{word.run.run_id}")
        case CancelRun():
            return derived_id(cause, f"cancel:{word.run_id}")
        case RunUpdate():
            return derived_id(cause, f"{word.kind}:{word.run_id}")
        case _:
            assert_never(word)
