"""The one place where exceptions of a handler become outcomes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from consumers.dispatch.call import MayNotSendError
from consumers.runtime.backoff import Backoff
from consumers.runtime.handler import DeadLetter, RetryLater
from consumers.spokes.port import UnknownSpokeError
from consumers.store.port import (
    ConflictError,
    ExternalIdTakenError,
    StoreUnavailableError,
    UnstorableError,
)
from producers.publisher import PublishError, TooLargeError
from router.runs.ids import event_id_at
from schemas.codec.errors import UndecodableError
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from consumers.runtime.handler import Attempt, Outcome, Record
    from schemas.codec.envelope import Envelope, Event

    class EventHandler(Protocol):
        """Work on one decoded event."""

        async def __call__(self, event: Event, attempt: Attempt) -> Outcome:
            """Say what became of it."""


T = TypeVar("T")
# What no repetition will mend: its code.
FINAL: Mapping[type[Exception], str] = {
    UnknownSpokeError: "UNKNOWN_SPOKE",
    UnstorableError: "UNSTORABLE",
    ExternalIdTakenError: "EXTERNAL_ID_TAKEN",
    TooLargeError: "MESSAGE_TOO_LARGE",
}
# What passes by itself: its code, and the waits until the next attempts. All lanes meet the same store and
# the same Kafka, so after an outage they must not come back together.
PASSING: Mapping[type[Exception], tuple[str, Backoff]] = {
    ConflictError: ("CONFLICT", Backoff(first=0.02, ceiling=5.0)),  # somebody else moved the run a moment ago
    MayNotSendError: ("MAY_NOT_SEND", Backoff(first=1.0, ceiling=5.0)),
    StoreUnavailableError: ("STORE_UNAVAILABLE", Backoff(first=1.0, ceiling=30.0)),
    PublishError: ("PUBLISH_FAILED", Backoff(first=1.0, ceiling=30.0)),
}


@dataclass(frozen=True, slots=True)
class DecodingHandler:
    """A handler of raw records around a handler of events."""

    handle: EventHandler
    envelope: Envelope
    random: Callable[[], float] = random.random  # jitter, not a secret

    async def __call__(self, record: Record, attempt: Attempt) -> Outcome:
        """Decode, handle, and turn what went wrong into what to do about it."""
        try:
            event = self._decode(record)
            await asyncio.sleep(0)  # so that records which start together are decoded in a row: ADR-0021
            return await self.handle(event, attempt)
        except UndecodableError as error:
            return DeadLetter(Problem(code=error.code, sentence=error.sentence, detail=error.detail))
        except tuple(FINAL) as error:
            return DeadLetter(final_problem(error))
        except tuple(PASSING) as error:
            code, backoff = _entry_of(PASSING, error)
            return RetryLater(backoff.delay(attempt.number, self.random()), Problem(code=code, sentence=str(error)))

    def _decode(self, record: Record) -> Event:
        # A producer that sets no ce_id still gets the same derived ids when its record is read again.
        place = record.partition
        return self.envelope.decode(
            record.value, record.headers, fallback_id=lambda: event_id_at(place.topic, place.number, record.offset)
        )


def final_problem(error: Exception) -> Problem:
    """Tell what no repetition will mend; the error is one of `FINAL`."""
    return Problem(code=_entry_of(FINAL, error), sentence=str(error))


def _entry_of(table: Mapping[type[Exception], T], error: Exception) -> T:
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
