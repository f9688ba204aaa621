"""Write dead letters: the original key, value and headers untouched, and why the record could not be processed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
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
    # Returns what a dead letter is about; it does not raise.
    Describe = Callable[[Record, Problem], Awaitable["DeadLetterSubject"]]
    # Returns how a record waits although its dead letter is published; None if its key goes on.
    Hold = Callable[[Record], RetryLater | None]
    RawHeaders = tuple[tuple[str, bytes | None], ...]

HEADER_PREFIX = "southbound-dlq-"
# Headers of a record that was redriven. They return with it, so that the next dead letter of it counts on.
REDRIVE_PREFIX = "southbound-redrive-"
REDRIVE_COUNT = f"{REDRIVE_PREFIX}count"
FIRST_FAILED_AT = f"{REDRIVE_PREFIX}first-time"  # when the record was attempted first, before all redrives
MAX_SENTENCE_LENGTH = 4_000  # characters
MAX_DETAIL_LENGTH = 8_000  # characters; the original must still fit beside it
MAX_SUBJECT_LENGTH = 500  # characters of a name in a header: whoever produced the record may have chosen it
_MAX_COUNT_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterSubject:
    """What the runtime does not know about a dead letter; a field that does not apply is empty.

    `error_class` is the class of the failure, `run` and `spoke` are what the record is about, and `decision` is the one
    that led to it. `held`: later records of the key wait until the dead letter is redriven or dropped. `redrives` and
    `first_time` are None if the headers of the record say them.
    """

    error_class: str = ""
    run: str = ""
    spoke: str = ""
    decision: str = ""
    held: bool = False
    redrives: int | None = None
    first_time: str | None = None


NO_SUBJECT = DeadLetterSubject()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterHooks:
    """Functions of the application that are called for each dead letter.

    `notify` and `describe` are awaited before it is published. `hold` is called when Kafka has acknowledged it, and may
    return an outcome that keeps its record waiting.
    """

    notify: Notify | None = None
    describe: Describe | None = None
    hold: Hold | None = None


NO_HOOKS = DeadLetterHooks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The number of failed attempts at a record, between `first_at` and `last_at`."""

    count: int
    first_at: datetime
    last_at: datetime


def build_dead_letter(
    record: Record, problem: Problem, attempts: Attempts, config: WorkerConfig, subject: DeadLetterSubject = NO_SUBJECT
) -> Message:
    """Return the message for the dead-letter topic; headers of an earlier dead letter of the record are replaced."""
    why = {
        "class": subject.error_class,
        "code": problem.code,
        "reason": problem.sentence[:MAX_SENTENCE_LENGTH],
        "detail": problem.detail[:MAX_DETAIL_LENGTH],
        "run": subject.run,
        "spoke": subject.spoke,
        "decision": subject.decision,
        "topic": record.partition.topic,
        "partition": str(record.partition.number),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "attempts": str(attempts.count),
        "first-time": subject.first_time or _last_header(record, FIRST_FAILED_AT) or _moment(attempts.first_at),
        "time": _moment(attempts.last_at),
        "redrives": str(redrive_count(record.headers) if subject.redrives is None else subject.redrives),
        "hold": "yes" if subject.held else "",
        "group": config.group,
        "role": config.role,
    }
    ours = tuple((HEADER_PREFIX + name, text.encode(errors="replace")) for name, text in why.items() if text)
    original = tuple([header for header in record.headers if not header[0].startswith(HEADER_PREFIX)])
    return Message(config.dead_letter_topic, record.key, record.value, original + ours)


def redrive_count(headers: RawHeaders) -> int:
    """Return how often a record was redriven. A header that is no count is one of another program, and counts 0."""
    text = next((value or b"" for name, value in reversed(headers) if name == REDRIVE_COUNT), b"")
    return int(text) if text.isdigit() and len(text) <= _MAX_COUNT_DIGITS else 0


def _last_header(record: Record, name: str) -> str:
    value = next((value or b"" for header, value in reversed(record.headers) if header == name), b"")
    return value[:MAX_SUBJECT_LENGTH].decode(errors="replace")


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Undelivered:
    """A dead letter that is still to be published, and what was done for it."""

    verdict: DeadLetter
    attempts: Attempts
    failures: int = 0  # deliveries
    notified: bool = False  # whether whoever waits for the record was


class DeadLetterPublisher:
    """Publishes dead letters; one that Kafka refuses is retried without calling the handler again."""

    def __init__(
        self,
        publisher: Publisher,
        policy: WorkerConfig,
        now: Callable[[], datetime],
        dice: Callable[[], float],
        notify: Notify | None = None,
        describe: Describe | None = None,
        hold: Hold | None = None,
    ) -> None:
        self._publisher = publisher
        self._policy = policy
        self._now = now
        self._dice = dice
        self._notify = notify
        self._describe = describe
        self._hold = hold
        self._undelivered: dict[Record, _Undelivered] = {}

    def undelivered(self, record: Record) -> DeadLetter | None:
        """Return the outcome of a record whose dead letter is still to be published."""
        kept = self._undelivered.get(record) if self._undelivered else None
        return kept.verdict if kept else None

    async def deliver(
        self,
        record: Record,
        attempt: int,
        verdict: DeadLetter,
        elapsed: float = 0.0,
        first_at: datetime | None = None,
    ) -> Outcome:
        """Publish a record's dead letter; return `verdict` once Kafka acknowledged it, else when to try again.

        `elapsed`: seconds since the first attempt at the record, unless its time is known (`first_at`).
        """
        kept = self._undelivered.get(record) or self._begin(attempt, verdict, elapsed, first_at)
        if self._notify and not kept.notified and (failure := await self._notify(record, verdict.problem)):
            return self._keep(record, kept, failure.sentence)
        kept = replace(kept, notified=True)
        subject = await self._describe(record, verdict.problem) if self._describe else NO_SUBJECT
        message = build_dead_letter(record, verdict.problem, kept.attempts, self._policy, subject)
        try:
            await self._publisher.publish([message])
        except PublishError as error:
            why, where = str(error), ""
        except Exception as error:  # noqa: BLE001 - whatever a publisher does, a record is never dropped
            why, where = f"the publisher raised {type(error).__name__}", stack_frames(error)
        else:
            self.forget(record)
            return (self._hold(record) if self._hold else None) or verdict
        return self._keep(record, kept, why, where)

    def forget(self, record: Record) -> None:
        """Forget the undelivered dead letter of a record that was removed from its lane."""
        if self._undelivered:
            self._undelivered.pop(record, None)

    def _begin(self, attempt: int, verdict: DeadLetter, elapsed: float, first_at: datetime | None) -> _Undelivered:
        now = self._now()
        attempts = Attempts(count=attempt, first_at=first_at or now - timedelta(seconds=elapsed), last_at=now)
        return _Undelivered(verdict=verdict, attempts=attempts)

    def _keep(self, record: Record, kept: _Undelivered, why: str, where_raised: str = "") -> RetryLater:
        kept = self._undelivered[record] = replace(kept, failures=kept.failures + 1)
        where = f"{record.partition.topic}[{record.partition.number}] offset {record.offset}"
        problem = Problem(
            code="DEAD_LETTER_UNDELIVERED",
            sentence=f"The dead letter for {where} was not delivered, so its key waits: {why}",
            detail=f"{kept.verdict.problem.sentence}\n{where_raised}".strip(),
        )
        return RetryLater(self._policy.backoff.delay(kept.failures, self._dice()), problem)
