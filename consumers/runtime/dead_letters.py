"""Write dead letters: the original key, value and headers untouched, and why the record could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.runtime.faults import stack_frames
from consumers.runtime.handler import RetryLater
from producers.publisher import Message, PublishError
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from consumers.runtime.config import WorkerConfig
    from consumers.runtime.handler import DeadLetter, Outcome, Record
    from producers.publisher import Publisher

    # Publishes updates about a record that becomes a dead letter; returns the problem if that has to be repeated.
    Notify = Callable[[Record, Problem], Awaitable[Problem | None]]

HEADER_PREFIX = "southbound-dlq-"
MAX_SENTENCE_LENGTH = 4_000  # characters
MAX_DETAIL_LENGTH = 8_000  # characters; the original must still fit beside it


def build_dead_letter(
    record: Record, problem: Problem, *, attempts: int, at: datetime, config: WorkerConfig
) -> Message:
    """Return the message for the dead-letter topic; headers of an earlier dead letter of the record are replaced."""
    why = {
        "code": problem.code,
        "reason": problem.sentence[:MAX_SENTENCE_LENGTH],
        "detail": problem.detail[:MAX_DETAIL_LENGTH],
        "topic": record.partition.topic,
        "partition": str(record.partition.number),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "attempts": str(attempts),
        "group": config.group,
        "role": config.role,
        "time": at.isoformat(timespec="milliseconds"),
    }
    ours = tuple((HEADER_PREFIX + name, text.encode()) for name, text in why.items())
    original = tuple([header for header in record.headers if not header[0].startswith(HEADER_PREFIX)])
    return Message(config.dead_letter_topic, record.key, record.value, original + ours)


class DeadLetterPublisher:
    """Publishes dead letters; one that Kafka refuses is retried without calling the handler again."""

    def __init__(
        self,
        publisher: Publisher,
        policy: WorkerConfig,
        now: Callable[[], datetime],
        dice: Callable[[], float],
        notify: Notify | None = None,
    ) -> None:
        self._publisher = publisher
        self._policy = policy
        self._now = now
        self._dice = dice
        self._notify = notify
        self._undelivered: dict[Record, _Undelivered] = {}

    def undelivered(self, record: Record) -> DeadLetter | None:
        """Return the outcome of a record whose dead letter is still to be published."""
        kept = self._undelivered.get(record) if self._undelivered else None
        return kept[0] if kept else None

    async def deliver(self, record: Record, attempt: int, verdict: DeadLetter) -> Outcome:
        """Publish a record's dead letter; return `verdict` once Kafka acknowledged it, else when to try again."""
        _, attempts, failures, notified = self._undelivered.get(record, (verdict, attempt, 0, self._notify is None))
        if self._notify and not notified and (trouble := await self._notify(record, verdict.problem)):
            return self._keep(record, (verdict, attempts, failures + 1, False), trouble.sentence)
        message = build_dead_letter(record, verdict.problem, attempts=attempts, at=self._now(), config=self._policy)
        try:
            await self._publisher.publish([message])
        except PublishError as error:
            why, where = str(error), ""
        except Exception as error:  # noqa: BLE001 - whatever a publisher does, a record is never dropped
            why, where = f"the publisher raised {type(error).__name__}", stack_frames(error)
        else:
            self.forget(record)
            return verdict
        return self._keep(record, (verdict, attempts, failures + 1, True), why, where)

    def forget(self, record: Record) -> None:
        """Forget a record that left its lane."""
        if self._undelivered:
            self._undelivered.pop(record, None)

    def _keep(self, record: Record, kept: _Undelivered, why: str, where_raised: str = "") -> RetryLater:
        self._undelivered[record] = kept
        where = f"{record.partition.topic}[{record.partition.number}] offset {record.offset}"
        problem = Problem(
            code="DEAD_LETTER_UNDELIVERED",
            sentence=f"The dead letter for {where} was not delivered, so its key waits: {why}",
            detail=f"{kept[0].problem.sentence}\n{where_raised}".strip(),
        )
        return RetryLater(self._policy.backoff.delay(kept[2], self._dice()), problem)


# The outcome, the handler's attempts, failed deliveries, and whether updates about it were published.
_Undelivered = tuple["DeadLetter", int, int, bool]
