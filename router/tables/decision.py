"""What a table decided, or why it could not, with the reasons ready for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from router.tables.explain.explain import explain_decision, explain_undecided
from router.tables.explain.wording import missing_inputs
from schemas.problem import Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.tables.table import DecisionTable, Row


class Reason(StrEnum):
    """Why nothing was decided; the value is the stable code of the trouble."""

    NO_ROW_MATCHES = "NO_ROW_MATCHES"
    SEVERAL_ROWS_MATCH = "SEVERAL_ROWS_MATCH"
    OUTPUTS_DIFFER = "OUTPUTS_DIFFER"
    ALL_USED_UP = "ALL_USED_UP"  # every matching definition has reached its threshold: wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The row that decided. Words are made only when somebody reads them.

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
        return missing_inputs(self.table, self.values)

    @property
    def explanation(self) -> str:
        """Why this row, and which earlier rows would have matched but for one cell; one sentence per line."""
        return "\n".join(explain_decision(self).sentences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected(Decision):
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
    reason: Reason
    rows: tuple[Row, ...] = ()
    aside: tuple[Row, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The inputs that the run has no value for."""
        return missing_inputs(self.table, self.values)

    @property
    def sentence(self) -> str:
        """What happened and what to do, in one sentence."""
        table = f"{self.table.id}@{self.table.version}"
        matching = ", ".join(row.id for row in self.rows)
        match self.reason:
            case Reason.NO_ROW_MATCHES:
                return f"no row of {table} matches and it has no default: add a row, then redrive"
            case Reason.SEVERAL_ROWS_MATCH:
                return f"rows {matching} of {table} all match but only one may: make them exclude each other"
            case Reason.OUTPUTS_DIFFER:
                return f"rows {matching} of {table} all match but want different things: give them equal outputs"
            case Reason.ALL_USED_UP:
                return f"every matching row of {table} ({matching}) is used up: wait or raise a threshold"

    @property
    def explanation(self) -> str:
        """The rows concerned with their cells, or the rows that came closest; one sentence per line."""
        return "\n".join(explain_undecided(self).sentences)

    def trouble(self) -> Trouble:
        """Make the trouble that a dead letter carries."""
        return Trouble(code=self.reason.value, sentence=self.sentence, detail=self.explanation)
