"""Say whether a list could reach a row that no single value reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.fact_paths import UnknownFactError, fact_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.table import Input, Row


def except_lists(inputs: Sequence[Input], row: Row, covering: Sequence[Row]) -> tuple[str, ...]:
    """Name the inputs by whose lists a row may still be reached, although others take every single value of it."""
    columns = zip(inputs, row.cells, zip(*[above.cells for above in covering], strict=True), strict=True)
    return tuple(
        column.name for column, cell, above in columns if _may_be_list(column) and not _take_lists_of(cell, above)
    )


def _take_lists_of(cell: Cell, above: Sequence[Cell]) -> bool:
    """Say whether cells that take every single value of a cell surely take its lists as well.

    What a list has that fits the cell fits one of those above; but a list may have more, which a `not(…)` does not
    let pass, and an empty list has nothing.
    """
    if all(one.is_any for one in above):
        return True
    if cell.negated:
        return len(above) == 1 and above[0].negated
    return not cell.is_any and not cell.names and not any(one.negated for one in above)


def _may_be_list(column: Input) -> bool:
    try:
        return fact_path(column.path or column.name).may_be_list
    except UnknownFactError:  # not of a run: a model of DMN
        return True
