"""Say why one row of a table did not decide: which cells did not fit, or which row was taken in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.decision import Undecided
from router.tables.explain.explain import seen
from router.tables.hit_policy import HitPolicy

if TYPE_CHECKING:
    from router.tables.decision import Decision
    from router.tables.explain.explanation import CellComparison
    from router.tables.model import Row
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCell:
    """A cell that asks for something, the value that it met, and whether they fit."""

    seen: CellComparison
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """One row beside what was decided. `taken` are the rows that decided; none where nothing was decided."""

    row: str
    columns: tuple[CheckedCell, ...]
    switched_off: bool
    taken: tuple[str, ...]
    taken_because: str

    @property
    def matches(self) -> bool:
        """Whether every cell fits."""
        return all(column.fits for column in self.columns)

    @property
    def decides(self) -> bool:
        """Whether it is this row, or one of those, that decided."""
        return self.row in self.taken

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        missed = [column.seen.miss for column in self.columns if not column.fits]
        off = ["it is switched off"] if self.switched_off else []
        if reasons := [*missed, *off]:
            return f"{self.row} does not match: {', and '.join(reasons)}"
        if self.decides:
            return f"{self.row} is the row that decides"
        return f"{self.row} matches, but {self.taken_because}"


def why_not(decision: Decision | Undecided, row: Row, *, switched_off: bool = False) -> WhyNot:
    """Hold a row beside a decision of its table."""
    return WhyNot(
        row=row.id,
        columns=_checked(decision.table, row, decision.values),
        switched_off=switched_off,
        taken=() if isinstance(decision, Undecided) else tuple([one.id for one in decision.rows]),
        taken_because=_because(decision, row),
    )


def _checked(table: DecisionTable, row: Row, values: tuple[object, ...]) -> tuple[CheckedCell, ...]:
    inputs = table.by_name(values)
    return tuple(
        [
            CheckedCell(seen=seen(table, row, values, place), fits=cell.holds(values[place], inputs))
            for place, cell in enumerate(row.cells)
            if not cell.is_any
        ]
    )


def _because(decision: Decision | Undecided, row: Row) -> str:
    if isinstance(decision, Undecided):
        return decision.sentence
    taken = ", ".join(one.id for one in decision.rows)
    if not row.cells:
        return f"{taken} does, and the default row takes only what no other row wants"
    if any(row is one for one in decision.skipped):
        return f"it is used up for now, so {taken} decides"
    if decision.table.policy is HitPolicy.PRIORITY:
        return f"{taken} comes first by the priority of its outputs"
    if decision.table.policy is HitPolicy.ANY:
        return f"{taken} comes earlier and wants the same"
    return f"{taken} comes earlier"
