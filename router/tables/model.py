"""The parts of a decision table as values: input and output columns, rows, saved tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.tables.facts import Facts
    from router.tables.feel.conditions import Holds, Inputs
    from router.tables.feel.unary_test import Cell

DEFAULT_ROW = "default"
NO_ROW = "none"
ROW_SEPARATOR = ", "  # between the rows that a saved test expects


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A column of conditions. `path` is where the facts of a run hold its value, `allowed` what it may be."""

    name: str
    type: str
    path: str | None = None
    allowed: Cell | None = None
    may_be_list: bool = field(default=True, compare=False)  # whether a value at the path may be a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A column of results. No `allowed` values: every value of the type."""

    name: str
    type: str
    allowed: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: a cell for every input, a value for every output. The default row has no cells."""

    id: str
    cells: tuple[Cell, ...] = ()
    outputs: Mapping[str, object]
    note: str = ""
    first_output: object = field(init=False, repr=False, compare=False)
    _checks: tuple[tuple[int, Holds], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_output", next(iter(self.outputs.values()), None))
        checks = tuple((place, cell.holds) for place, cell in enumerate(self.cells) if not cell.is_any)
        object.__setattr__(self, "_checks", checks)
        object.__setattr__(self, "outputs", MappingProxyType(dict(self.outputs)))

    def matches(self, values: tuple[object, ...], inputs: Inputs) -> bool:
        """Say whether every cell fits; values are canonical, one per input."""
        for place, holds in self._checks:  # noqa: SIM110 - `all()` with a generator takes twice as long
            if not holds(values[place], inputs):
                return False
        return True

    def misses(self, values: tuple[object, ...], inputs: Inputs) -> list[int]:
        """Give the places of the cells that do not fit."""
        return [place for place, holds in self._checks if not holds(values[place], inputs)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTest:
    """One example that a table must decide as expected.

    `row` None: any row with these outputs. A policy that gives several rows is asked for `R1, R3`, in this order;
    `outputs` are then those of the first. `given` is the part of a run document as it was written; `facts` are made
    of it.
    """

    name: str
    given: Mapping[str, object]
    facts: Facts = field(compare=False)
    row: str | None
    outputs: Mapping[str, object]
    note: str = ""
    line: int = field(compare=False)
