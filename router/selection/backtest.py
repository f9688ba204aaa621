"""Count where the runs of the past would be sent by a draft, beside where the live table sends them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from router.tables.decision import CollectedDecision, Undecided
from router.tables.explain.wording import describe_value
from router.tables.model import NO_ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from router.tables.decision import Decision
    from router.tables.model import Row


class SkippedEvent(StrEnum):
    """Events that no table decides on; the value is the key of their count in JSON."""

    CHILD = "children"  # they follow their root
    PINNED = "changes_and_cancellations"  # they keep what was decided for the run
    FOREIGN = "other_events"
    UNDECODABLE = "undecodable"


# Tuples, because they are hashed for every event.
class RouteVerdict(NamedTuple):
    """Which row decides, and its outputs in words; `none` if nothing is decided, with the reason.

    Several rows, under a policy that returns several, are joined by commas.
    """

    row: str
    result: str

    @property
    def decided(self) -> bool:
        """Whether anything is decided."""
        return self.row != NO_ROW


class RouteVerdicts:
    """The comparable verdicts of one table; the verdict of a row is made once."""

    def __init__(self) -> None:
        self._verdicts: dict[str, RouteVerdict] = {}

    def verdict_of(self, decision: Decision | Undecided) -> RouteVerdict:
        """Return the verdict of one decision."""
        if isinstance(decision, Undecided):
            return RouteVerdict(NO_ROW, decision.reason.value)
        if not isinstance(decision, CollectedDecision):
            return self._verdict_of(decision.row)
        verdicts = [self._verdict_of(row) for row in decision.rows]
        rows = ",".join([verdict.row for verdict in verdicts])
        return RouteVerdict(rows, " and ".join([verdict.result for verdict in verdicts]))

    def _verdict_of(self, row: Row) -> RouteVerdict:
        verdict = self._verdicts.get(row.id)
        if verdict is None:
            words = ", ".join(f"{name} {describe_value(value)}" for name, value in row.outputs.items())
            verdict = self._verdicts[row.id] = RouteVerdict(row.id, words)
        return verdict


class RouteChange(NamedTuple):
    """The verdict of the live table on a run, and that of the draft."""

    current: RouteVerdict
    draft: RouteVerdict

    @property
    def is_difference(self) -> bool:
        """Whether it makes a difference: another row with the same result makes none."""
        return self.current.result != self.draft.result


@dataclass(slots=True, kw_only=True)
class BacktestTally:
    """The counts so far; those of several readers can be added. `runs` has the first `max_runs` runs of each change."""

    max_runs: int
    changes: Counter[RouteChange] = field(default_factory=Counter)
    runs: dict[RouteChange, list[str]] = field(default_factory=dict)
    skipped: Counter[SkippedEvent] = field(default_factory=Counter)

    def count(self, change: RouteChange, run_id: str) -> None:
        """Count a requested run."""
        self.changes[change] += 1
        if change.is_difference:
            self._name_run(change, run_id)

    def _name_run(self, change: RouteChange, run_id: str) -> None:
        named = self.runs.setdefault(change, [])
        if len(named) < self.max_runs and run_id not in named:
            named.append(run_id)

    def add(self, other: BacktestTally) -> None:
        """Add what another reader counted."""
        self.changes.update(other.changes)
        self.skipped.update(other.skipped)
        for change, run_ids in other.runs.items():
            for run_id in run_ids:
                self._name_run(change, run_id)

    @property
    def events(self) -> int:
        """How many events were read."""
        return self.decided + self.skipped.total()

    @property
    def decided(self) -> int:
        """How many requests were decided again."""
        return self.changes.total()

    @property
    def differences(self) -> list[tuple[RouteChange, int]]:
        """The changes that make a difference, most frequent first."""
        return [(change, count) for change, count in self.changes.most_common() if change.is_difference]

    @property
    def undecided(self) -> int:
        """How many requests the draft does not decide."""
        return sum(count for change, count in self.changes.items() if not change.draft.decided)

    def by_row(self, side: Callable[[RouteChange], RouteVerdict], rows: Iterable[str]) -> dict[str, int]:
        """Count per row, those of the table first and in its order, even if they decided nothing."""
        counts = dict.fromkeys(rows, 0)
        for change, count in self.changes.items():
            for row in side(change).row.split(","):
                counts[row] = counts.get(row, 0) + count
        return counts
