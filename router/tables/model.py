"""The parts of a decision table as values: input and output columns, rows, saved tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.tables.facts import Facts
    from router.tables.feel.conditions import CellCheck, InputContext
    from router.tables.feel.unary_test import Cell

DEFAULT_ROW = "default"
NO_ROW = "none"
ROW_SEPARATOR = ", "  # separates the rows that a saved test expects


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input column.

    `path` is the path of its value in the facts; None for the name itself. `allowed` is the unary test of its allowed
    values; None for any value.
    """

    name: str
    type: str
    path: str | None = None
    allowed: Cell | None = None
    may_be_list: bool = field(default=True, compare=False)  # whether the value at the path may be a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output column. `allowed` lists its allowed values; empty for every value of the type."""

    name: str
    type: str
    allowed: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule of a table: a cell for every input, a value for every output. The default row has no cells."""

    id: str
    cells: tuple[Cell, ...] = ()
    outputs: Mapping[str, object]
    note: str = ""
    first_output: object = field(init=False, repr=False, compare=False)
    _predicates: tuple[tuple[int, CellCheck], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_output", next(iter(self.outputs.values()), None))
        checks = tuple((place, cell.matches_canonical) for place, cell in enumerate(self.cells) if not cell.is_any)
        object.__setattr__(self, "_predicates", checks)
        object.__setattr__(self, "outputs", MappingProxyType(dict(self.outputs)))

    def matches(self, values: tuple[object, ...], inputs: InputContext) -> bool:
        """Return whether every cell matches. `values` are canonical, one per input; `inputs` has them by name."""
        for place, holds in self._predicates:  # noqa: SIM110 - `all()` with a generator takes twice as long
            if not holds(values[place], inputs):
                return False
        return True

    def mismatches(self, values: tuple[object, ...], inputs: InputContext) -> list[int]:
        """Return the positions of the cells that do not match, counted from 0."""
        return [place for place, holds in self._predicates if not holds(values[place], inputs)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTest:
    """An example that a table must decide as expected.

    `given` is the example as it was written; `facts` are built from it. `row` is the expected row, or
    several separated by commas (`R1, R3`) under a multiple hit policy; None for any row with these outputs. `outputs`
    are the expected outputs, of the first row if there are several.
    """

    name: str
    given: Mapping[str, object]
    facts: Facts = field(compare=False)
    row: str | None
    outputs: Mapping[str, object]
    note: str = ""
    line: int = field(compare=False)
