"""Decode records, call the handler of their events, and turn its exceptions into outcomes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from consumers.dispatch.call import MembershipUncertainError
from consumers.problems import wrong_key, wrong_key_refused
from consumers.runtime.backoff import Backoff
from consumers.runtime.handler import DeadLetter, RetryLater
from consumers.spokes.port import UnknownSpokeError
from consumers.store.port import (
    ConflictError,
    ExternalIdTakenError,
    StoreUnavailableError,
    UnstorableError,
)
from producers.publisher import PublishError, RecordTooLargeError
from router.runs.ids import event_id_at
from schemas.codec.errors import UndecodableError
from schemas.codec.printable import excerpt
from schemas.partition_keys import root_run_key
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Protocol

    from consumers.runtime.handler import Attempt, Outcome, Record
    from schemas.codec.envelope import Envelope, Event

    class EventHandler(Protocol):
        """Handles one decoded event."""

        async def __call__(self, event: Event, attempt: Attempt) -> Outcome:
            """Handle the event and return its outcome."""


T = TypeVar("T")
P = TypeVar("P")
# Errors that no retry can correct, with their code.
PERMANENT_ERRORS: Mapping[type[Exception], str] = {
    UnknownSpokeError: "UNKNOWN_SPOKE",
    UnstorableError: "UNSTORABLE",
    ExternalIdTakenError: "EXTERNAL_ID_TAKEN",
    RecordTooLargeError: "MESSAGE_TOO_LARGE",
}
# Errors that pass by themselves, with their code and the backoff between attempts. All lanes use the same store
# and the same Kafka, so their retries are spread out after an outage.
TRANSIENT_ERRORS: Mapping[type[Exception], tuple[str, Backoff]] = {
    ConflictError: (
        "CONFLICT",
        Backoff(initial_interval=0.02, max_interval=5.0),
    ),  # another consumer updated the run a moment ago
    MembershipUncertainError: ("MEMBERSHIP_UNCERTAIN", Backoff(initial_interval=1.0, max_interval=5.0)),
    StoreUnavailableError: ("STORE_UNAVAILABLE", Backoff(initial_interval=1.0, max_interval=30.0)),
    PublishError: ("PUBLISH_FAILED", Backoff(initial_interval=1.0, max_interval=30.0)),
}
NO_KEY = "(no key)"  # the header of what follows from a record without a key
_PERMANENT, TRANSIENT = tuple(PERMANENT_ERRORS), tuple(TRANSIENT_ERRORS)
KNOWN = (*_PERMANENT, *TRANSIENT)


@dataclass(frozen=True, slots=True)
class DecodingHandler:
    """Adapts a handler of events to the runtime's handler of records."""

    handle: EventHandler
    envelope: Envelope
    random: Callable[[], float] = random.random  # jitter, not a secret
    may_repeat: Callable[[Record], Awaitable[bool]] | None = None  # of records that a lost run store may have processed
    on_wrong_key: Callable[[Record, Problem], None] = lambda *_: None  # once for each record
    refuses_wrong_keys: bool = False

    async def handle_record(self, record: Record, attempt: Attempt) -> Outcome:
        """Decode the record, handle its event, and turn an exception into an outcome."""
        try:
            event = self._decode(record)
            if (key := _wrong_key_of(record, event)) is not None:
                if self.refuses_wrong_keys:
                    return DeadLetter(wrong_key_refused(event, key))
                event = self._with_wrong_key(record, event, key, attempt)
            # The store may have been lost, or the run deleted from it, since the event was processed first.
            if event.headers.is_replayed or (self.may_repeat is not None and await self.may_repeat(record)):
                event = event._replace(may_repeat=True)
            await asyncio.sleep(0)  # so that records which start together are decoded in a row: ADR-0021
            outcome = await settle_known(self.handle(event, attempt), partial(self._later, attempt))
        except UndecodableError as error:
            return DeadLetter(Problem(code=error.code, sentence=error.sentence, detail=error.detail))
        return DeadLetter(outcome) if isinstance(outcome, Problem) else outcome

    def _later(self, attempt: Attempt, error: Exception) -> RetryLater:
        return retry_after(error, attempt, self.random())

    def _with_wrong_key(self, record: Record, event: Event, key: str, attempt: Attempt) -> Event:
        """Mark what follows from a record whose key is not its root run's id: it may have overtaken other events."""
        if attempt.number == 1:
            self.on_wrong_key(record, wrong_key(event, key))
        return event._replace(headers=event.headers._replace(wrong_key=key))

    def _decode(self, record: Record) -> Event:
        # A producer that sets no ce_id still gets the same derived ids when its record is read again.
        partition = record.partition
        return self.envelope.decode(
            record.value,
            record.headers,
            fallback_id=lambda: event_id_at(partition.topic, partition.number, record.offset),
        )


def _wrong_key_of(record: Record, event: Event) -> str | None:
    """Return the key of a record, as text, if it is not the id of its root run."""
    root = root_run_key(event.data)
    if root is None or record.key == root.encode():
        return None
    return excerpt(record.key) if record.key else NO_KEY


async def settle_known(work: Awaitable[T], on_transient: Callable[[Exception], P]) -> T | P | Problem:
    """Return what the work returns; for a known exception, the result of `on_transient` or a `Problem`.

    Raises:
        Exception: one that neither `PERMANENT_ERRORS` nor `TRANSIENT_ERRORS` has, or one that `on_transient` raises.
    """
    try:
        return await work
    except _PERMANENT as error:
        return Problem(code=_entry_of(PERMANENT_ERRORS, error), sentence=str(error))
    except TRANSIENT as error:
        return on_transient(error)


def retry_after(error: Exception, attempt: Attempt, jitter: float) -> RetryLater:
    """Return when a record is attempted again after one of the `TRANSIENT_ERRORS`."""
    code, backoff = _entry_of(TRANSIENT_ERRORS, error)
    return RetryLater(backoff.delay(attempt.number, jitter), Problem(code=code, sentence=str(error)))


def _entry_of(table: Mapping[type[Exception], T], error: Exception) -> T:
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
