"""Decide by a table: find the rows whose cells all fit, and let the hit policy make a result of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from router.tables.decision import Collected, Decision, Reason, Undecided
from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.values import all_of, canonical, value_at
from router.tables.hit_policy import HitPolicy, result_of, result_without_rows, rows_that_count
from router.tables.index.index import compile_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from router.selection.facts import Facts
    from router.tables.feel.conditions import Holds, Inputs
    from router.tables.feel.unary_test import Cell
    from router.tables.index.index import AnyIndex
    from router.tables.test_cases import SavedTest

DEFAULT_ROW = "default"
FEWEST_INDEXED = 4  # below, trying each row is as quick (make bench-tables)


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
    _paths: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _looks_sideways: bool = field(init=False, repr=False, compare=False)
    _take: Callable[[Mapping[str, object]], tuple[object, ...]] = field(init=False, repr=False, compare=False)
    _index: AnyIndex | None = field(init=False, repr=False, compare=False)
    _first_counts: bool = field(init=False, repr=False, compare=False)  # asking an enum for a member takes 0.1 µs

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", tuple(column.name for column in self.inputs))
        object.__setattr__(self, "_paths", tuple(column.path or column.name for column in self.inputs))
        object.__setattr__(self, "_first_counts", self.policy is HitPolicy.FIRST)
        object.__setattr__(self, "_take", all_of(self._names))
        sideways = any(cell.names for row in self.rows for cell in row.cells)
        object.__setattr__(self, "_looks_sideways", sideways)
        worth_it = len(self.rows) >= FEWEST_INDEXED
        object.__setattr__(self, "_index", compile_index(self.rows, len(self.inputs)) if worth_it else None)

    def decide(self, facts: Facts) -> Decision | Undecided:
        """Decide on the facts of a run."""
        return self.decide_on(self.values_of(facts))

    def values_of(self, facts: Facts) -> tuple[object, ...]:
        """Look up the value of every input, in canonical form."""
        return tuple([facts.value(path) for path in self._paths])

    def evaluate(self, inputs: Mapping[str, object]) -> object:
        """Decide on values by the name of the input, or by its path (`{"applicant": {"age": 5}}` for `applicant.age`).

        Returns:
            The value of a single output, a dict of several by name; a list of these under a policy that gives
            several rows, or their sum, smallest, largest or number. None where nothing is decided: no row matches
            and there is no default, two rows match under UNIQUE, or differ under ANY (`decide_on` says which).
        """
        try:
            values = self._take(inputs)
        except KeyError:  # a value is missing, or is inside of another
            values = tuple([value_at(inputs, self._key_in(inputs, column)) for column in self.inputs])
        # The index takes values as they are; a float becomes a decimal only where that makes a difference.
        if self._index is None or self._looks_sideways:
            values = tuple(map(canonical, values))
        if self._first_counts:
            row = self.first(values) or self.default
            return self.result_of(row) if row else None
        hits = tuple(self.hits(values))
        if not hits:
            return result_without_rows(self)
        rows = rows_that_count(self, hits)
        return None if isinstance(rows, Reason) else result_of(self, rows)

    @staticmethod
    def _key_in(inputs: Mapping[str, object], column: Input) -> str:
        return column.name if column.name in inputs else column.path or column.name

    def result_of(self, row: Row) -> object:
        """Give the bare value of a single output, or a dict of several by name."""
        return dict(row.outputs) if len(self.outputs) > 1 else row.first_output

    def decide_on(self, values: tuple[object, ...]) -> Decision | Undecided:
        """Decide on canonical values, one per input."""
        if self._first_counts:
            first = self.first(values)
            return Decision(table=self, row=first, values=values) if first else self.without_hit(values)
        hits = tuple(self.hits(values))
        return self._decide_among(hits, values) if hits else self.without_hit(values)

    def _decide_among(self, hits: tuple[Row, ...], values: tuple[object, ...]) -> Decision | Undecided:
        rows = rows_that_count(self, hits)
        if isinstance(rows, Reason):
            return Undecided(table=self, values=values, reason=rows, rows=hits)
        if self.policy.gives_several:
            return Collected(table=self, row=rows[0], values=values, more=rows[1:])
        return Decision(table=self, row=rows[0], values=values)

    def without_hit(self, values: tuple[object, ...]) -> Decision | Undecided:
        """Fall back to the default row, if there is one."""
        if self.default is None:
            return Undecided(table=self, values=values, reason=Reason.NO_ROW_MATCHES)
        return Decision(table=self, row=self.default, values=values)

    def first(self, values: tuple[object, ...]) -> Row | None:
        """Give the first row that matches."""
        if self._index is None or self._looks_sideways:
            return next(self.hits(values), None)
        return self._index.first(values, NO_INPUTS)

    def hits(self, values: tuple[object, ...]) -> Iterator[Row]:
        """Give the rows that match, in order, as far as they are asked for."""
        inputs = self.inputs_for(values)
        if self._index is not None:
            return self._index.hits(values, inputs)
        return self.hits_one_by_one(values, inputs)

    def hits_one_by_one(self, values: tuple[object, ...], inputs: Inputs) -> Iterator[Row]:
        """Give the rows that match by trying each: quicker for few rows, and what the index must agree with."""
        return (row for row in self.rows if row.matches(values, inputs))

    @property
    def index(self) -> AnyIndex | None:
        """The rows compiled for looking up; None where there are too few for that."""
        return self._index

    def inputs_for(self, values: tuple[object, ...]) -> Inputs:
        """Give the cells what they ask for besides their value: the others by name, if any cell looks at them."""
        return self.by_name(values) if self._looks_sideways else NO_INPUTS

    def by_name(self, values: tuple[object, ...]) -> Inputs:
        """Name the values, for cells that look at other inputs."""
        return dict(zip(self._names, values, strict=True))


__all__ = ["DEFAULT_ROW", "DecisionTable", "HitPolicy", "Input", "Output", "Row"]
