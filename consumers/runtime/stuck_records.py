"""Find records that do not finish for long, and report each of them once, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.runtime.monitoring import unfinished_record, where_and_why
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.runtime.handler import Record
    from consumers.runtime.lanes import Lane

MAX_CHECK_INTERVAL = 10.0  # seconds
MAX_REPORTED = 20  # records that one check reports by themselves; an outage can have tens of thousands


class StuckRecords:
    """The first records of their keys that are not finished, and since when each of them is the first.

    Records behind them in their lanes wait for them, and are not reported. Times are in seconds of one monotonic clock.
    """

    def __init__(self, stuck_after: float) -> None:
        self._stuck_after = stuck_after
        self._interval = min(MAX_CHECK_INTERVAL, stuck_after / 4)
        self._next_check = float("-inf")
        self._since: dict[Record, float] = {}
        self._reported: set[Record] = set()

    @property
    def count(self) -> int:
        """The number of records that were stuck at the last check."""
        return len(self._reported)

    def is_due(self, now: float) -> bool:
        """Return whether it is time for the next check, which walks over all lanes."""
        return now >= self._next_check

    def check(self, heads: Iterable[tuple[Lane, bool]], now: float) -> list[Problem]:
        """Return a problem for each record that is stuck and was not reported; one for all beyond `MAX_REPORTED`."""
        self._next_check = now + self._interval
        lanes = {lane.head: (lane, parked) for lane, parked in heads}
        self._since = {record: self._since.get(record, now) for record in lanes}
        stuck = [record for record, since in self._since.items() if now - since >= self._stuck_after]
        found = sorted((r for r in stuck if r not in self._reported), key=_by_place)
        self._reported = set(stuck)
        return [*self._problems(lanes, found[:MAX_REPORTED], now), *_rest(found[MAX_REPORTED:])]

    def _problems(
        self, lanes: dict[Record, tuple[Lane, bool]], found: Sequence[Record], now: float
    ) -> Iterable[Problem]:
        for record in found:
            lane, parked = lanes[record]
            reason = where_and_why(unfinished_record(lane, parked, now))
            yield Problem(
                code="RECORD_STUCK",
                sentence=f"Not finished for {now - self._since[record]:.0f} s: {reason}",
                detail=lane.problem.detail if lane.problem else "",
            )


def _rest(records: Sequence[Record]) -> list[Problem]:
    if not records:
        return []
    topics = ", ".join(sorted({record.partition.topic for record in records}))
    record = "record" if len(records) == 1 else "records"
    are = "is" if len(records) == 1 else "are"
    sentence = f"{len(records)} more {record} of {topics} {are} not finished for as long: see `southbound why`"
    return [Problem(code="RECORD_STUCK", sentence=sentence)]


def _by_place(record: Record) -> tuple[str, int, int]:
    return record.partition.topic, record.partition.number, record.offset
