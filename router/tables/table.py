"""A decision table: find the rows that match its inputs, and apply the hit policy to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.values import canonical, value_at, values_getter
from router.tables.hit_policy import (
    HitPolicy,
    UndecidedReason,
    aggregate_results,
    result_of_default,
    result_without_rows,
    select_rows,
)
from router.tables.index.index import compile_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from router.tables.facts import Facts
    from router.tables.feel.conditions import InputContext
    from router.tables.index.index import RowIndex
    from router.tables.model import Input, Output, Row, SavedTest

MIN_INDEXED_ROWS = 4  # with fewer rows, testing each of them is as fast (make bench-tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTable:
    """A decision table that was checked when it was loaded. `version` is derived from its exact content."""

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
    _has_references: bool = field(init=False, repr=False, compare=False)
    _get_values: Callable[[Mapping[str, object]], tuple[object, ...]] = field(init=False, repr=False, compare=False)
    _index: RowIndex | None = field(init=False, repr=False, compare=False)
    is_first_policy: bool = field(init=False, repr=False, compare=False)  # cached: comparing enum members takes 0.1 µs

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", tuple(column.name for column in self.inputs))
        object.__setattr__(self, "_paths", tuple(column.path or column.name for column in self.inputs))
        object.__setattr__(self, "is_first_policy", self.policy is HitPolicy.FIRST)
        object.__setattr__(self, "_get_values", values_getter(self._names))
        has_references = any(cell.referenced_inputs for row in self.rows for cell in row.cells)
        object.__setattr__(self, "_has_references", has_references)
        is_indexed = len(self.rows) >= MIN_INDEXED_ROWS
        object.__setattr__(self, "_index", compile_index(self.rows, len(self.inputs)) if is_indexed else None)

    def values_of(self, facts: Facts) -> tuple[object, ...]:
        """Return the value of every input, in canonical form."""
        return tuple([facts.value(path) for path in self._paths])

    def evaluate(self, inputs: Mapping[str, object]) -> object:
        """Evaluate the table on values by the name of the input, or by its path (`{"applicant": {"age": 5}}`).

        Returns:
            The value of a single output, or a dict of several by name. Under a multiple hit policy a list of these, or
            their sum, minimum, maximum or count. None if nothing is decided: no row matches and there is no default,
            two rows match under UNIQUE, or their outputs differ under ANY (`decision.decide_on` returns the reason).
        """
        try:
            values = self._get_values(inputs)
        except KeyError:  # a value is missing, or is inside another one
            values = tuple([value_at(inputs, self._input_key(inputs, column)) for column in self.inputs])
        # The index accepts raw values; it converts a float to a decimal only where that changes the result.
        if self._index is None or self._has_references:
            values = tuple(map(canonical, values))
        if self.is_first_policy:
            row = self.first_match(values) or self.default
            return self.row_result(row) if row else None
        hits = tuple(self.matching_rows(values))
        if not hits:
            return self._result_without_rows()
        rows = select_rows(self.policy, self.outputs, hits)
        return (
            None
            if isinstance(rows, UndecidedReason)
            else aggregate_results(self.policy, [self.row_result(row) for row in rows])
        )

    def _result_without_rows(self) -> object:
        if self.default is None:
            return result_without_rows(self.policy)
        return result_of_default(self.policy, self.row_result(self.default))

    @staticmethod
    def _input_key(inputs: Mapping[str, object], column: Input) -> str:
        return column.name if column.name in inputs else column.path or column.name

    def row_result(self, row: Row) -> object:
        """Return the value of a single output, or a dict of several by name."""
        return dict(row.outputs) if len(self.outputs) > 1 else row.first_output

    def first_match(self, values: tuple[object, ...]) -> Row | None:
        """Return the first row that matches; None if none does."""
        if self._index is None or self._has_references:
            return next(self.matching_rows(values), None)
        return self._index.first_match(values, NO_INPUTS)

    def matching_rows(self, values: tuple[object, ...]) -> Iterator[Row]:
        """Yield the rows that match, in table order. Rows are only searched as far as the caller iterates."""
        inputs = self.inputs_for_cells(values)
        if self._index is not None:
            return self._index.matching_rows(values, inputs)
        return self.scan_rows(values, inputs)

    def scan_rows(self, values: tuple[object, ...], inputs: InputContext) -> Iterator[Row]:
        """Yield the rows that match by testing each row. It is faster for few rows, and the reference for the index."""
        return (row for row in self.rows if row.matches(values, inputs))

    @property
    def index(self) -> RowIndex | None:
        """The index of the rows; None if there are too few rows for one."""
        return self._index

    def inputs_for_cells(self, values: tuple[object, ...]) -> InputContext:
        """Return the values by name if a cell refers to another input, else an empty mapping."""
        return self.values_by_name(values) if self._has_references else NO_INPUTS

    def values_by_name(self, values: tuple[object, ...]) -> InputContext:
        """Return the values by input name, for cells that refer to other inputs."""
        return dict(zip(self._names, values, strict=True))
