"""Decide by a table: return the rows that decide, or the reason why no row does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.hit_policy import UndecidedReason, select_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

    from router.tables.facts import Facts
    from router.tables.model import Row
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The result of a table: the row that decides, for one set of input values.

    `values` are the canonical values of the inputs, in column order. `skipped` are earlier rows that match but may not
    be used now (`router.selection` skips rows whose threshold is reached).
    """

    table: DecisionTable
    row: Row
    values: tuple[object, ...]
    skipped: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that decide, in the order of their outputs; more than one only under a multiple hit policy."""
        return (self.row,)

    @property
    def outputs(self) -> Mapping[str, object]:
        """The values of the output columns, by column name."""
        return self.row.outputs

    @property
    def reference(self) -> str:
        """The deciding row and the version of its table, as `table@version#row`."""
        return f"{self.table.id}@{self.table.version}#{self.row.id}"

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the inputs that have no value."""
        return _missing(self.table, self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedDecision(Decision):
    """A decision of several rows, under a multiple hit policy. `row` is the first of them."""

    other_rows: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that decide, in the order of their outputs."""
        return (self.row, *self.other_rows)

    @property
    def reference(self) -> str:
        """The deciding rows and the version of their table, as `table@version#row,row`."""
        return f"{self.table.id}@{self.table.version}#{','.join(row.id for row in self.rows)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """No row decides.

    `rows` are the rows that match nevertheless. `inactive_rows` are switched off and did not take part; they are kept
    for the explanation.
    """

    table: DecisionTable
    values: tuple[object, ...]
    reason: StrEnum  # `UndecidedReason`, or the reason of a caller that chooses among the matching rows itself
    rows: tuple[Row, ...] = ()
    inactive_rows: tuple[Row, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the inputs that have no value."""
        return _missing(self.table, self.values)

    @property
    def sentence(self) -> str:
        """One sentence with the reason and the remedy."""
        table = f"{self.table.id}@{self.table.version}"
        matching = ", ".join(row.id for row in self.rows)
        match self.reason:
            case UndecidedReason.SEVERAL_ROWS_MATCH:
                return f"rows {matching} of {table} all match but only one may: make them exclude each other"
            case UndecidedReason.OUTPUTS_DIFFER:
                return f"rows {matching} of {table} all match but have different outputs: give them equal outputs"
            case _:
                return f"no row of {table} matches and it has no default: add a row or a default"


def decide(table: DecisionTable, facts: Facts) -> Decision | Undecided:
    """Return the decision of a table on facts."""
    return decide_on(table, table.values_of(facts))


def decide_on(table: DecisionTable, values: tuple[object, ...]) -> Decision | Undecided:
    """Return the decision of a table on canonical values, one per input column."""
    if table.is_first_policy:
        first = table.first_match(values)
        return Decision(table=table, row=first, values=values) if first else decide_without_match(table, values)
    hits = tuple(table.matching_rows(values))
    return _decide_among(table, hits, values) if hits else decide_without_match(table, values)


def _decide_among(table: DecisionTable, hits: tuple[Row, ...], values: tuple[object, ...]) -> Decision | Undecided:
    rows = select_rows(table.policy, table.outputs, hits)
    if isinstance(rows, UndecidedReason):
        return Undecided(table=table, values=values, reason=rows, rows=hits)
    if table.policy.is_multiple_hit:
        return CollectedDecision(table=table, row=rows[0], values=values, other_rows=rows[1:])
    return Decision(table=table, row=rows[0], values=values)


def decide_without_match(table: DecisionTable, values: tuple[object, ...]) -> Decision | Undecided:
    """Return the decision where no row matches: by the default row, else `Undecided`."""
    if table.default is None:
        return Undecided(table=table, values=values, reason=UndecidedReason.NO_ROW_MATCHES)
    return Decision(table=table, row=table.default, values=values)


def _missing(table: DecisionTable, values: Sequence[object]) -> tuple[str, ...]:
    return tuple(column.name for column, value in zip(table.inputs, values, strict=True) if value is None)
