"""Decide by a table: the first row whose cells all fit, or the only one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from router.conditions import NO_INPUTS
from router.decisions import Decision, Reason, Undecided
from router.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.cells import Cell
    from router.conditions import Holds, Inputs
    from router.facts import Facts
    from router.saved_tests import SavedTest

DEFAULT_ROW = "default"


class HitPolicy(StrEnum):
    """What happens when several rows match (DMN 1.5 §8.2.8)."""

    FIRST = "first"
    UNIQUE = "unique"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A column of conditions. `path` is where the facts of a run hold its value, `allowed` what it may be."""

    name: str
    type: str
    path: str | None = None
    allowed: Cell | None = None


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
    _checks: tuple[tuple[int, Holds], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checks = tuple((place, cell.holds) for place, cell in enumerate(self.cells) if not cell.is_any)
        object.__setattr__(self, "_checks", checks)
        object.__setattr__(self, "outputs", MappingProxyType(dict(self.outputs)))

    def matches(self, values: tuple[object, ...], inputs: Inputs) -> bool:
        """Say whether every cell fits; values are canonical, one per input."""
        for place, holds in self._checks:  # noqa: SIM110 - `all()` with a generator takes twice as long
            if not holds(values[place], inputs):
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTable:
    """A table that was checked when it was loaded. `version` names its exact content."""

    id: str
    version: str
    note: str = ""
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    policy: HitPolicy = HitPolicy.FIRST
    rows: tuple[Row, ...]
    default: Row | None = None
    tests: tuple[SavedTest, ...] = ()
    _names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _looks_sideways: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", tuple(column.name for column in self.inputs))
        sideways = any(cell.names for row in self.rows for cell in row.cells)
        object.__setattr__(self, "_looks_sideways", sideways)

    def decide(self, facts: Facts) -> Decision | Undecided:
        """Decide on the facts of a run."""
        return self.decide_on(self.values_of(facts))

    def values_of(self, facts: Facts) -> tuple[object, ...]:
        """Look up the value of every input, in canonical form."""
        return tuple([facts.value(column.path or column.name) for column in self.inputs])

    def evaluate(self, inputs: Mapping[str, object]) -> object:
        """Decide on values by input name.

        Returns:
            The bare value of a single output, a dict of several by name, or None where nothing is decided.
        """
        decision = self.decide_on(tuple([canonical(inputs.get(name)) for name in self._names]))
        if isinstance(decision, Undecided):
            return None
        outputs = dict(decision.outputs)
        return outputs if len(self.outputs) > 1 else outputs[self.outputs[0].name]

    def decide_on(self, values: tuple[object, ...]) -> Decision | Undecided:
        """Decide on canonical values, one per input."""
        hits = self.hits(values)
        first = next(hits, None)
        if first is None:
            return self.without_hit(values)
        if self.policy is HitPolicy.UNIQUE and (others := tuple(hits)):
            reason = Reason.SEVERAL_ROWS_MATCH
            return Undecided(table=self, values=values, reason=reason, rows=(first, *others))
        return Decision(table=self, row=first, values=values)

    def without_hit(self, values: tuple[object, ...]) -> Decision | Undecided:
        """Fall back to the default row, if there is one."""
        if self.default is None:
            return Undecided(table=self, values=values, reason=Reason.NO_ROW_MATCHES)
        return Decision(table=self, row=self.default, values=values)

    def hits(self, values: tuple[object, ...]) -> Iterator[Row]:
        """Give the rows that match, in order, as far as they are asked for."""
        inputs = self.by_name(values) if self._looks_sideways else NO_INPUTS
        return (row for row in self.rows if row.matches(values, inputs))

    def by_name(self, values: tuple[object, ...]) -> Inputs:
        """Name the values, for cells that look at other inputs."""
        return dict(zip(self._names, values, strict=True))
