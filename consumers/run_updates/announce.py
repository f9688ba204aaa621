"""Publish what follows from an event, in events whose ids are derived from it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from producers.publisher import RecordTooLargeError
from router.runs.message_ids import derive_message_id
from router.runs.reports.shorten_notification import STEPS, shortened
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import ChangeRun, Command, SendRun
from schemas.results import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence
    from datetime import datetime

    from producers.event_publisher import EventPublisher
    from schemas.commands import PinnedDecision
    from schemas.results import RunNotification

_SHORTENABLE = (RunUpdate, RunResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Publishes what an event led to. Publishing it again for the same cause gives the same ids."""

    events: EventPublisher
    now: Callable[[], datetime]

    def publish(
        self, cause: Event, messages: Sequence[Command | RunNotification], decision: PinnedDecision | None
    ) -> Awaitable[None]:
        """Start to publish the messages; the returned awaitable ends when Kafka has acknowledged all of them.

        A notification that its topic does not take is published without some of its reasons and details.

        Raises:
            PublishError: Kafka did not acknowledge; nothing is finished until it does.
        """
        moment = self.now()
        decision_text = decision.policy if decision else None
        events = [build_event(cause, message, decision_text, moment) for message in messages]
        published = self.events.publish(events)
        return _FittingPublication(self.events, events, published) if _may_be_shortened(messages) else published


class _FittingPublication:
    """Events that are published again with shorter notifications if Kafka refuses one for its size."""

    __slots__ = ("_events", "_first", "_publisher")

    def __init__(self, publisher: EventPublisher, events: Sequence[Event], first: Awaitable[None]) -> None:
        self._publisher = publisher
        self._events = events
        self._first = first

    def __await__(self) -> Generator[Any, None, None]:
        try:
            yield from self._first.__await__()
        except RecordTooLargeError:
            yield from self._publish_shorter().__await__()

    async def _publish_shorter(self) -> None:
        for step in range(1, STEPS):
            with suppress(RecordTooLargeError):
                await self._publisher.publish([_shorter(event, step) for event in self._events])
                return
        await self._publisher.publish([_shorter(event, STEPS) for event in self._events])


def _may_be_shortened(messages: Sequence[Command | RunNotification]) -> bool:
    return any(isinstance(message, _SHORTENABLE) for message in messages)


def _shorter(event: Event, step: int) -> Event:
    # The id stays that of the whole message, so that a message which is published again is recognised.
    return event._replace(data=shortened(event.data, step)) if isinstance(event.data, _SHORTENABLE) else event


def build_event(cause: Event, message: Command | RunNotification, decision: str | None, moment: datetime) -> Event:
    """Return the event of a message that `cause` led to. `moment` is the time of a command."""
    headers = EventHeaders(
        id=derive_message_id(cause.id, message),
        time=moment if isinstance(message, Command) else message.occurred_at,
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
