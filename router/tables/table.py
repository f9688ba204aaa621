"""A decision table: find the rows that match, and evaluate what its hit policy makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.values import all_of, canonical, value_at
from router.tables.hit_policy import (
    HitPolicy,
    UndecidedReason,
    result_of,
    result_of_default,
    result_without_rows,
    rows_that_count,
)
from router.tables.index.index import compile_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from router.tables.facts import Facts
    from router.tables.feel.conditions import Inputs
    from router.tables.index.index import AnyIndex
    from router.tables.model import Input, Output, Row, SavedTest

FEWEST_INDEXED = 4  # below, trying each row is as quick (make bench-tables)


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
    takes_first: bool = field(init=False, repr=False, compare=False)  # asking an enum for a member takes 0.1 µs

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", tuple(column.name for column in self.inputs))
        object.__setattr__(self, "_paths", tuple(column.path or column.name for column in self.inputs))
        object.__setattr__(self, "takes_first", self.policy is HitPolicy.FIRST)
        object.__setattr__(self, "_take", all_of(self._names))
        sideways = any(cell.names for row in self.rows for cell in row.cells)
        object.__setattr__(self, "_looks_sideways", sideways)
        worth_it = len(self.rows) >= FEWEST_INDEXED
        object.__setattr__(self, "_index", compile_index(self.rows, len(self.inputs)) if worth_it else None)

    def values_of(self, facts: Facts) -> tuple[object, ...]:
        """Look up the value of every input, in canonical form."""
        return tuple([facts.value(path) for path in self._paths])

    def evaluate(self, inputs: Mapping[str, object]) -> object:
        """Decide on values by the name of the input, or by its path (`{"applicant": {"age": 5}}` for `applicant.age`).

        Returns:
            The value of a single output, a dict of several by name; a list of these under a policy that gives
            several rows, or their sum, smallest, largest or number. None where nothing is decided: no row matches
            and there is no default, two rows match under UNIQUE, or differ under ANY (`decision.decide_on` says which).
        """
        try:
            values = self._take(inputs)
        except KeyError:  # a value is missing, or is inside of another
            values = tuple([value_at(inputs, self._key_in(inputs, column)) for column in self.inputs])
        # The index takes values as they are; a float becomes a decimal only where that makes a difference.
        if self._index is None or self._looks_sideways:
            values = tuple(map(canonical, values))
        if self.takes_first:
            row = self.first(values) or self.default
            return self.result_of(row) if row else None
        hits = tuple(self.hits(values))
        if not hits:
            return self._result_without_rows()
        rows = rows_that_count(self.policy, self.outputs, hits)
        return (
            None if isinstance(rows, UndecidedReason) else result_of(self.policy, [self.result_of(row) for row in rows])
        )

    def _result_without_rows(self) -> object:
        if self.default is None:
            return result_without_rows(self.policy)
        return result_of_default(self.policy, self.result_of(self.default))

    @staticmethod
    def _key_in(inputs: Mapping[str, object], column: Input) -> str:
        return column.name if column.name in inputs else column.path or column.name

    def result_of(self, row: Row) -> object:
        """Give the bare value of a single output, or a dict of several by name."""
        return dict(row.outputs) if len(self.outputs) > 1 else row.first_output

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
