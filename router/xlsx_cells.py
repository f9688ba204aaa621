"""Read a cell of a spreadsheet, refusing whatever Excel may have made of what the operator typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.xlsx_signs import from_xlsx

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell as WorkbookCell

_MOST_DIGITS = 10**15  # Excel keeps 15 digits of a number and makes the others zero
_AGAIN = "format the column as text and type the value again"


def text_and_value(cell: WorkbookCell) -> tuple[str, object]:
    """Give the text of a cell and its value: a text, a number or a boolean; both empty for an empty cell.

    Raises:
        CellError: it holds a formula, a date, an error or a number that Excel has changed.
    """
    match cell.data_type, cell.value:
        case _, None:
            return "", ""
        case "f", _:
            raise CellError(f"the cell holds a formula: {_AGAIN}")
        case "d", _:
            raise CellError(f"the cell holds a date or time of Excel: {_AGAIN}")
        case "e", error:
            raise CellError(f"the cell holds the error {error}: write a value")
        case "b", value:
            return ("true", True) if value else ("false", False)
        case "n", int() | float() as number:
            return _number(number, str(cell.number_format))
        case _, value:
            text = from_xlsx(str(value))
            return text, text


def _number(number: float, shown_as: str) -> tuple[str, object]:
    if "%" in shown_as:
        raise CellError(f"the cell shows {number * 100:g}%, but holds {number}: {_AGAIN}")
    if abs(number) >= _MOST_DIGITS:
        raise CellError(f"the cell holds a number of more digits than Excel keeps: {_AGAIN}")
    whole = int(number)
    return (str(whole), whole) if whole == number else (repr(number), number)
