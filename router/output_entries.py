"""Read an output entry of a DMN table: one literal, and nothing that would have to be computed."""

from __future__ import annotations

from router.cells import CellError, parse
from router.conditions import Comparison, Literal, Name, Operator


def read_output(text: str, column_type: str) -> object:
    """Read the value of an output entry; `null` is a value.

    Raises:
        CellError: it is no literal, or one of another type.
    """
    if not text.strip():
        raise CellError("has no value; write null if nothing is what it means")
    cell = parse(text, column_type)
    match cell.conditions:
        case (Comparison(Operator.EQUAL, Literal(value, written)),) if written == cell.text:
            return value
        case (Comparison(Operator.EQUAL, Name(name)),) if name == cell.text:
            raise CellError(f"{name} is a name; an output is a literal, strings stand in double quotes")
        case _:
            raise CellError(f"{text.strip()} is a test; an output is one literal")
