"""Decide by a table: which rows decided, or why none could."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.hit_policy import UndecidedReason, rows_that_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

    from router.tables.facts import Facts
    from router.tables.model import Row
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The row that decided.

    `skipped` are rows that match and come earlier, but are used up.
    """

    table: DecisionTable
    row: Row
    values: tuple[object, ...]
    skipped: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that decided, in the order of their outputs: several only under a policy that gives several."""
        return (self.row,)

    @property
    def outputs(self) -> Mapping[str, object]:
        """The values of the output columns by name."""
        return self.row.outputs

    @property
    def reference(self) -> str:
        """Which row of which version decided, as `table@version#row`."""
        return f"{self.table.id}@{self.table.version}#{self.row.id}"

    @property
    def missing(self) -> tuple[str, ...]:
        """The inputs that the run has no value for."""
        return _missing(self.table, self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedDecision(Decision):
    """All the rows that decided under a policy that gives several; `row` is the first of them."""

    more: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that decided, in the order of their outputs."""
        return (self.row, *self.more)

    @property
    def reference(self) -> str:
        """Which rows of which version decided, as `table@version#row,row`."""
        return f"{self.table.id}@{self.table.version}#{','.join(row.id for row in self.rows)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """Nothing was decided. `rows` are those that match all the same; `aside` took no part (switched off)."""

    table: DecisionTable
    values: tuple[object, ...]
    reason: StrEnum  # `UndecidedReason`, or a reason of a caller that chooses among the rows that match
    rows: tuple[Row, ...] = ()
    aside: tuple[Row, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The inputs that the run has no value for."""
        return _missing(self.table, self.values)

    @property
    def sentence(self) -> str:
        """What happened and what to do, in one sentence."""
        table = f"{self.table.id}@{self.table.version}"
        matching = ", ".join(row.id for row in self.rows)
        match self.reason:
            case UndecidedReason.SEVERAL_ROWS_MATCH:
                return f"rows {matching} of {table} all match but only one may: make them exclude each other"
            case UndecidedReason.OUTPUTS_DIFFER:
                return f"rows {matching} of {table} all match but want different things: give them equal outputs"
            case _:
                return f"no row of {table} matches and it has no default: add a row, then redrive"


def decide(table: DecisionTable, facts: Facts) -> Decision | Undecided:
    """Decide by a table on facts."""
    return decide_on(table, table.values_of(facts))


def decide_on(table: DecisionTable, values: tuple[object, ...]) -> Decision | Undecided:
    """Decide by a table on canonical values, one per input."""
    if table.takes_first:
        first = table.first(values)
        return Decision(table=table, row=first, values=values) if first else without_hit(table, values)
    hits = tuple(table.hits(values))
    return _decide_among(table, hits, values) if hits else without_hit(table, values)


def _decide_among(table: DecisionTable, hits: tuple[Row, ...], values: tuple[object, ...]) -> Decision | Undecided:
    rows = rows_that_count(table.policy, table.outputs, hits)
    if isinstance(rows, UndecidedReason):
        return Undecided(table=table, values=values, reason=rows, rows=hits)
    if table.policy.gives_several:
        return CollectedDecision(table=table, row=rows[0], values=values, more=rows[1:])
    return Decision(table=table, row=rows[0], values=values)


def without_hit(table: DecisionTable, values: tuple[object, ...]) -> Decision | Undecided:
    """Decide by the default row, if there is one."""
    if table.default is None:
        return Undecided(table=table, values=values, reason=UndecidedReason.NO_ROW_MATCHES)
    return Decision(table=table, row=table.default, values=values)


def _missing(table: DecisionTable, values: Sequence[object]) -> tuple[str, ...]:
    return tuple(column.name for column, value in zip(table.inputs, values, strict=True) if value is None)
