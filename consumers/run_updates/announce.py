"""Publish what follows from an event, in events whose ids are derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, assert_never

from router.runs.ids import derive_event_id
from router.runs.watching import LOST
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.results import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from producers.event_publisher import EventPublisher
    from schemas.commands import Command, PinnedDecision
    from schemas.results import RunNotification


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Publishes what an event led to. Publishing it again for the same cause gives the same ids."""

    events: EventPublisher
    now: Callable[[], datetime]

    def publish(
        self, cause: Event, messages: Sequence[Command | RunNotification], decision: PinnedDecision | None
    ) -> Awaitable[None]:
        """Start to publish the messages; the returned awaitable ends when Kafka has acknowledged all of them.

        Raises:
            PublishError: Kafka did not acknowledge; nothing is finished until it does.
        """
        moment = self.now()
        decision_text = decision.policy if decision else None
        return self.events.publish([_build_event(cause, message, decision_text, moment) for message in messages])


def _build_event(cause: Event, message: Command | RunNotification, decision: str | None, moment: datetime) -> Event:
    headers = EventHeaders(
        id=_derive_id(cause.id, message),
        time=moment,
        subject=_subject(message),
        traceparent=cause.headers.traceparent,
        decision=decision,
        request_id=message.request_id,
        replay=cause.headers.replay,
        wrong_key=cause.headers.wrong_key,
    )
    return Event(headers=headers, data=message)


def _subject(message: Command | RunNotification) -> str:
    match message:
        case SendRun() | ChangeRun():
            return message.run.run_id
        case RequestResult():
            return message.root_run_id
        case _:
            return message.run_id


def _derive_id(cause: str, message: Command | RunNotification) -> str:
    match message:
        # A run is sent once, and each of its results has one id, whichever record led to it.
        case SendRun():
            return derive_event_id(message.request_id, f"send:{message.run.run_id}")
        case RunResult():
            return derive_event_id(message.request_id, f"result:{message.run_id}:{_digest_of_run(message)}")
        case RequestResult():
            return derive_event_id(message.request_id, f"result:{_digest_of_request(message)}")
        case ChangeRun():
            return derive_event_id(cause, f"change:{message.run.run_id}")
        case CancelRun():
            return derive_event_id(cause, f"cancel:{message.run_id}")
        case RunUpdate():
            return derive_event_id(cause, f"{message.kind}:{message.run_id}")
        case _:
            assert_never(message)


def _digest_of_run(message: RunResult) -> str:
    """Return what distinguishes a result from the one that was told before late measures, or a return, changed it."""
    measures = [measure.model_dump_json() for measure in message.test_measure]
    lost = any(reason.code == LOST for reason in message.reasons)
    return _digest(f"{message.state}", f"{message.result}", f"{lost}", *measures)


def _digest_of_request(message: RequestResult) -> str:
    return _digest(f"{message.state}", *[f"{run.run_id} {run.state} {run.result}" for run in message.runs])


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
