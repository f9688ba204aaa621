"""Decide which records may run by the source that they come from, so that no source stops the records of the others.

Two things are held back: a source whose records become dead letters in a row, and a source whose handlers hang.
A handler that hangs takes no place of others; and while a source has as many of them as it may, none of its other
records start.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from consumers.runtime.dead_letter_limit import DeadLetterLimit
from consumers.runtime.handler import NO_SOURCE, DeadLetter, Done

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from consumers.runtime.config import WorkerConfig
    from consumers.runtime.handler import Outcome, Partition, Record
    from schemas.problem import Problem

_MAX_HANGING = 3  # so many times `max_in_flight` handlers that hang take no place of others


class Sources:
    """The sources of a worker's records. Costs nothing per record while no source is limited."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._limit = DeadLetterLimit(config.dead_letter_limit)
        self._held: dict[tuple[str, Partition], deque[Record]] = {}
        self._counted: dict[Record, str] = {}  # records that run although their source is limited
        self._running: Counter[str] = Counter()  # how many of these there are, by source
        self._checks: dict[Record, int] = {}  # records that run, and at how many checks in a row they did
        self._hanging: dict[Record, str] = {}
        self._hanging_by_source: Counter[str] = Counter()
        self.crowded: Collection[Partition] = frozenset()  # partitions that have no room for more records

    @property
    def in_a_row(self) -> int:
        """The largest number of dead letters that one source has had since its last finished record."""
        return self._limit.in_a_row

    @property
    def holds_any(self) -> bool:
        """Whether records are held back."""
        return bool(self._held)

    @property
    def held(self) -> int:
        """About how many records are held back."""
        return sum([len(records) for records in self._held.values()])

    @property
    def hanging(self) -> int:
        """The number of running records that take no place of others."""
        return min(len(self._hanging), _MAX_HANGING * self._config.max_in_flight)

    def admits(self, record: Record, now: float) -> bool:
        """Return whether a record may run now; if not, it is among those that `releasable` returns later."""
        if not (self._limit.counts_any or self._hanging):
            return True
        source = self._source_of(record)
        may_run = self._may_run(source, now, crowded=record.partition in self.crowded)
        if may_run is None:
            return True
        if self._running[source] >= may_run:
            self._held.setdefault((source, record.partition), deque()).append(record)
            return False
        self._counted[record] = source
        self._running[source] += 1
        return True

    def ended(self, record: Record) -> None:
        """Mark the handler of a record as ended."""
        self._uncount(record)
        if self._hanging and (source := self._hanging.pop(record, None)) is not None:
            _decrease(self._hanging_by_source, source)

    def settled(self, record: Record, outcome: Outcome, now: float) -> Problem | None:
        """Count how a record ended; return the problem if its source is stopped by that."""
        match outcome:
            case Done() if self._limit.counts_any:
                self._limit.finished(self._source_of(record))
            case DeadLetter(problem, is_consequence=False):
                source = self._source_of(record)
                if self._limit.dead_lettered(source, problem, now):
                    return self._limit.problem(source, self._config.role, self._config.dead_letter_topic)
        return None

    def releasable(self, now: float) -> list[Record]:
        """Remove and return the held records that may start now."""
        released: list[Record] = []
        for (source, partition), records in tuple(self._held.items()):
            may_run = self._may_run(source, now, crowded=partition in self.crowded)
            free = len(records) if may_run is None else max(0, may_run - self._running[source])
            released += [records.popleft() for _ in range(min(free, len(records)))]
            if not records:
                del self._held[source, partition]
        return released

    def check_hanging(self, running: Iterable[Record]) -> None:
        """Find the handlers that hang; called every `commit_every` seconds with the records that run."""
        if self._config.hanging_after is None:
            return
        checks = max(1, round(self._config.hanging_after / self._config.commit_every))
        self._checks = {record: self._checks.get(record, 0) + 1 for record in running}
        for record, count in self._checks.items():
            if count > checks and record not in self._hanging:
                self._hanging[record] = source = self._source_of(record)
                self._hanging_by_source[source] += 1
                self._uncount(record)

    def warnings(self, now: float) -> dict[str, str]:
        """Return a sentence for each source that is limited because of dead letters."""
        return self._limit.warnings(now)

    def _may_run(self, source: str, now: float, *, crowded: bool) -> int | None:
        by_dead_letters = self._limit.may_run(source, now, crowded=crowded)
        hanging = self._hanging_by_source[source] if self._hanging else 0
        # A source of which only a few handlers hang is slow for some runs, and not limited.
        by_hanging = max(0, self._config.max_hanging - hanging) if 2 * hanging >= self._config.max_hanging else None
        limits = [limit for limit in (by_dead_letters, by_hanging) if limit is not None]
        return min(limits, default=None)

    def _uncount(self, record: Record) -> None:
        if self._counted and (source := self._counted.pop(record, None)) is not None:
            _decrease(self._running, source)

    def _source_of(self, record: Record) -> str:
        return self._config.source_of(record) if self._config.source_of else NO_SOURCE


def _decrease(counter: Counter[str], source: str) -> None:
    counter[source] -= 1
    if not counter[source]:
        del counter[source]
