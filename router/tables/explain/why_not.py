"""Explain why one row of a table did not decide: which cells do not match, or which row decided instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.decision import Undecided
from router.tables.explain.explain import describe_cell
from router.tables.hit_policy import HitPolicy

if TYPE_CHECKING:
    from router.tables.decision import Decision
    from router.tables.explain.explanation import CellComparison
    from router.tables.model import Row
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCell:
    """The comparison of a cell that has conditions, and whether it matches."""

    comparison: CellComparison
    matches: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """One row compared with the decision. `deciding_rows` is empty if nothing was decided."""

    row: str
    cells: tuple[CheckedCell, ...]
    inactive: bool
    deciding_rows: tuple[str, ...]
    reason: str

    @property
    def matches(self) -> bool:
        """Whether every cell matches."""
        return all(column.matches for column in self.cells)

    @property
    def decides(self) -> bool:
        """Whether this row is the deciding one, or one of several."""
        return self.row in self.deciding_rows

    @property
    def sentence(self) -> str:
        """Return one sentence that says why the row did not decide, or that it did."""
        mismatches = [column.comparison.mismatch_text for column in self.cells if not column.matches]
        off = ["it is switched off"] if self.inactive else []
        if reasons := [*mismatches, *off]:
            return f"{self.row} does not match: {', and '.join(reasons)}"
        if self.decides:
            return f"{self.row} is the row that decides"
        return f"{self.row} matches, but {self.reason}"


def why_not(decision: Decision | Undecided, row: Row, *, inactive: bool = False) -> WhyNot:
    """Explain why a row of the table did not make this decision."""
    return WhyNot(
        row=row.id,
        cells=_checked_cells(decision.table, row, decision.values),
        inactive=inactive,
        deciding_rows=() if isinstance(decision, Undecided) else tuple([deciding.id for deciding in decision.rows]),
        reason=_reason(decision, row),
    )


def _checked_cells(table: DecisionTable, row: Row, values: tuple[object, ...]) -> tuple[CheckedCell, ...]:
    inputs = table.values_by_name(values)
    return tuple(
        [
            CheckedCell(
                comparison=describe_cell(table, row, values, place),
                matches=cell.matches_canonical(values[place], inputs),
            )
            for place, cell in enumerate(row.cells)
            if not cell.is_any
        ]
    )


def _reason(decision: Decision | Undecided, row: Row) -> str:
    if isinstance(decision, Undecided):
        return decision.sentence
    deciding = ", ".join(each.id for each in decision.rows)
    if not row.cells:
        return f"{deciding} does, and the default row decides only where no other row matches"
    if any(row is skipped for skipped in decision.skipped):
        return f"it is used up for now, so {deciding} decides"
    if decision.table.policy is HitPolicy.PRIORITY:
        return f"{deciding} comes first by the priority of its outputs"
    if decision.table.policy is HitPolicy.ANY:
        return f"{deciding} comes earlier and has equal outputs"
    return f"{deciding} comes earlier"
