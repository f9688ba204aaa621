"""Keep a record that became a dead letter at the head of its key until a person redrives or drops it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from consumers.hold.held_letters import (
    HeldLetter,
    HeldLetters,
    place_of,
    redrives_before,
    released_record,
)
from consumers.runtime.handler import Done, RetryLater
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from consumers.hold.held_letters import HeldRelease, RecordPlace
    from consumers.runtime.dead_letters import DeadLetterSubject, Describe
    from consumers.runtime.handler import Attempt, Handler, Outcome, Record

    class HoldReader(Protocol):
        """Reads what is new about records that wait."""

        async def read_new(self) -> Iterable[tuple[RecordPlace, HeldLetter] | HeldRelease]:
            """Return dead letters and decisions since the last call, up to the present end of their topics.

            Raises:
                HoldUnreadableError: Kafka does not answer, or does not have a topic.
            """


_LOOK_EVERY = 1.0  # seconds between two readings, however many records wait
_WAIT_UNREADABLE = 2.0  # seconds until what is not readable is read again


class HoldUnreadableError(Exception):
    """The topics that say which records are held cannot be read; the message says why."""


@dataclass(slots=True, kw_only=True)
class HoldingHandler:
    """Calls a handler, except for records that wait until their dead letter is redriven or dropped.

    Nothing is moved: the record stays unfinished where it is, and so do the later records of its key. So their order is
    kept after a crash, and the next owner of the partition reads which records wait before it starts one.
    """

    inner: Handler
    describe_subject: Describe
    reader: HoldReader
    clock: Callable[[], float] = time.monotonic
    look_after: float = 5.0  # seconds until a record that waits is looked at again
    letters: HeldLetters = field(default_factory=HeldLetters)
    _known: dict[int, int] = field(default_factory=dict)  # the epoch of each partition when all of it was read
    _looked_at: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def handle_record(self, record: Record, attempt: Attempt) -> Outcome:
        """Handle a record, or let it wait."""
        try:
            await self._learn(record)
            place = place_of(record)
            if self.letters.letter_of(place) is None:
                return await self.inner(record, attempt)
            if self.letters.release_of(place) is None:
                await self._look()
        except HoldUnreadableError as error:
            problem = Problem(code="HOLD_UNREADABLE", sentence=f"It is not known whether this record waits: {error}")
            return RetryLater(_WAIT_UNREADABLE, problem, afresh=True)
        return await self._handle_held(record, place, attempt)

    async def describe(self, record: Record, problem: Problem) -> DeadLetterSubject:
        """Return what a dead letter is about, and that its key waits."""
        subject = await self.describe_subject(record, problem)
        before = self.letters.letter_of(place_of(record))
        return replace(
            subject,
            held=True,
            redrives=before.redrives + 1 if before else None,
            first_time=before.first_time or None if before else None,
        )

    def hold(self, record: Record) -> RetryLater:
        """Mark the dead letter of a record as published; return how the record waits."""
        place = place_of(record)
        before = self.letters.letter_of(place)
        count = before.redrives + 1 if before else redrives_before(record)
        self.letters.note_letter(place, HeldLetter(count, before.first_time if before else ""))
        return self._wait()

    async def _handle_held(self, record: Record, place: RecordPlace, attempt: Attempt) -> Outcome:
        release = self.letters.release_of(place)
        if release is None:
            return self._wait()
        # It is not forgotten when it is done: if its commit fails, it is read again.
        return Done() if release.is_dropped else await self.inner(released_record(record, release), attempt)

    async def _learn(self, record: Record) -> None:
        """Read which records wait before the first record of a partition that is newly owned."""
        partition = record.partition
        if self._known.get(partition.number) == partition.epoch:
            return
        async with self._reading:
            if self._known.get(partition.number) != partition.epoch:
                await self._read()
                self._known[partition.number] = partition.epoch

    async def _look(self) -> None:
        async with self._reading:
            if self.clock() - self._looked_at >= _LOOK_EVERY:
                await self._read()

    async def _read(self) -> None:
        for news in await self.reader.read_new():
            if isinstance(news, tuple):
                self.letters.note_letter(*news)
            else:
                self.letters.note_release(news)
        self._looked_at = self.clock()

    def _wait(self) -> RetryLater:
        sentence = (
            "It is a dead letter, and the later records of its key wait: redrive or drop it "
            "(`southbound dlq list --held` shows what waits)"
        )
        return RetryLater(self.look_after, Problem(code="HELD", sentence=sentence), afresh=True)
