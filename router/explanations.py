"""Say in words why a row matched, and which rows came close."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING

from router.conditions import Comparison, Interval, Literal, Operator
from router.values import Months

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from router.cells import Cell
    from router.conditions import Condition, Inputs, Operand
    from router.tables import DecisionTable, Input, Row

_MOST_ROWS = 5  # more than that nobody reads
_LONGEST_VALUE = 80
_LONGEST_NUMBER = 200  # bits


def value_in_words(value: object) -> str:
    """Write a value as an operator would."""
    match value:
        case None:
            return "missing"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > _LONGEST_NUMBER:
            return "a number of very many digits"  # Python refuses to write the longest ones
        case Months():
            return f"P{value.count}M"
        case tuple():
            return f"[{_short(', '.join(map(value_in_words, value)))}]"
        case _:
            return _short(str(value)) or "empty"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def cell_in_words(cell: Cell) -> str:
    """Write what a cell wants, strings without their quotes."""
    wanted = ", ".join(map(_condition_in_words, cell.conditions))
    return f"anything but {wanted}" if cell.negated else wanted or "anything"


def _condition_in_words(condition: Condition) -> str:
    match condition:
        case Interval():
            low, high = _operand_in_words(condition.low), _operand_in_words(condition.high)
            return f"{'[' if condition.low_in else '('}{low}..{high}{']' if condition.high_in else ')'}"
        case Comparison(Operator.EQUAL, operand):
            return _operand_in_words(operand)
        case Comparison(how, operand):
            return f"{how.value} {_operand_in_words(operand)}"


def _operand_in_words(operand: Operand) -> str:
    if isinstance(operand, Literal):
        return _literal_in_words(operand)
    return f"the value of `{operand.text}`"


def _literal_in_words(literal: Literal) -> str:
    return literal.value or '""' if isinstance(literal.value, str) else literal.text


def fitting_cells(table: DecisionTable, row: Row, values: Sequence[object]) -> str:
    """Say which values fit which cells of a row that matches."""
    if not row.cells:
        return "no other row matches"
    columns = zip(table.inputs, row.cells, values, strict=True)
    fitting = [_fit_in_words(column, cell, value) for column, cell, value in columns if not cell.is_any]
    return ", ".join(fitting) or "the row takes anything"


def _fit_in_words(column: Input, cell: Cell, value: object) -> str:
    is_what, wanted = value_in_words(value), cell_in_words(cell)
    told = f"`{column.name}` is {is_what}"
    return told if is_what == wanted else f"{told} (the cell wants {wanted})"


def missing_inputs(table: DecisionTable, values: Sequence[object]) -> tuple[str, ...]:
    """Name the inputs without a value."""
    return tuple(column.name for column, value in zip(table.inputs, values, strict=True) if value is None)


def reasons_against(table: DecisionTable, row: Row, values: tuple[object, ...]) -> list[str]:
    """Say for each column in which a row does not fit what the value is and what the cell wants."""
    inputs = table.by_name(values)
    return [_miss_in_words(table, row, values, place) for place in _misses(row, values, inputs)]


def _misses(row: Row, values: tuple[object, ...], inputs: Inputs) -> Iterator[int]:
    return (place for place, cell in enumerate(row.cells) if not cell.holds(values[place], inputs))


def _miss_in_words(table: DecisionTable, row: Row, values: tuple[object, ...], place: int) -> str:
    name, value = table.inputs[place].name, value_in_words(values[place])
    return f"`{name}` is {value}, the cell wants {cell_in_words(row.cells[place])}"


def would_have_matched(table: DecisionTable, values: tuple[object, ...], *, before: Row) -> list[str]:
    """Say which rows above the chosen one failed in exactly one column."""
    inputs = table.by_name(values)
    earlier = takewhile(lambda row: row is not before, table.rows)
    near = (row for row in earlier if _misses_once(row, values, inputs))
    return [_near_miss(row, reasons_against(table, row, values)) for row in islice(near, _MOST_ROWS)]


def _misses_once(row: Row, values: tuple[object, ...], inputs: Inputs) -> bool:
    misses = _misses(row, values, inputs)
    return next(misses, None) is not None and next(misses, None) is None


def came_close(table: DecisionTable, values: tuple[object, ...], aside: Iterable[Row] = ()) -> list[str]:
    """Say which rows failed in the fewest columns; being switched off counts as one more."""
    tried = [(row, reasons_against(table, row, values)) for row in table.rows]
    tried += [(row, [*reasons_against(table, row, values), "it is switched off"]) for row in aside]
    fewest = min((len(reasons) for _, reasons in tried), default=0)
    closest = [_near_miss(row, reasons) for row, reasons in tried if len(reasons) == fewest]
    more = len(closest) - _MOST_ROWS
    return [*closest[:_MOST_ROWS], *([f"{more} more rows came as close"] if more > 0 else [])]


def _near_miss(row: Row, reasons: list[str]) -> str:
    start = "would have matched" if len(reasons) == 1 else "came closest"
    return f"{row.id} {start} but {', and '.join(reasons)}"
