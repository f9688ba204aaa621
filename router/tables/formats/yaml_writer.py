"""Write a table as YAML, with one line for each column, row and test."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from router.tables.feel.writer import value_text
from router.tables.formats.entries import NULL, listed_value_texts, shortest_cell_text
from schemas.text.invisible import first_unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from router.tables.feel.unary_test import Cell
    from router.tables.formats.document import TableDocument
    from router.tables.model import Input, Output, Row, SavedTest
    from router.tables.table import DecisionTable


# Words with single spaces. The letter at the start excludes numbers, dates and YAML's indicator characters.
_PLAIN = re.compile(r"[^\W\d_][\w./-]*(?: [\w.(/-][\w.;()/'-]*)*")


# Words that a YAML parser, of 1.1 or 1.2, reads as another type than string.
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class UnquotedText(str):
    """A text that is written without quotes, such as a number or `true`."""

    __slots__ = ()


def flow_yaml(data: object) -> str:
    """Return data in YAML's flow style, on one line: mappings, lists, strings, numbers, booleans and null."""
    match data:
        case str():
            return _text(data)
        case Mapping():
            pairs = (f"{_text(str(key))}: {flow_yaml(value)}" for key, value in data.items())
            return f"{{{', '.join(pairs)}}}"
        case Sequence():
            return f"[{', '.join(map(flow_yaml, data))}]"
        case _:
            return _plain(data)


def _plain(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return _number(value)
    raise TypeError(f"{value!r} cannot be written as YAML")


def _number(number: float) -> str:
    if math.isinf(number):
        return "1e999" if number > 0 else "-1e999"  # a test file writes this to get infinity
    return str(number)


def _text(text: str) -> str:
    """Return a string plain if that reads back the same, else in the quotes that need the fewest escapes."""
    has_unseen = first_unseen(text)
    is_word = not has_unseen and _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    if isinstance(text, UnquotedText) or is_word:
        return text
    if not has_unseen and text.isprintable() and ('"' in text or "\\" in text):
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() and not first_unseen(character) else f"\\U{ord(character):08x}"


_NEEDS_NO_QUOTES = re.compile(r"-?[0-9]+(?:\.[0-9]+)?|true|false|null")


def write_yaml(document: TableDocument) -> str:
    """Return a table as YAML text that loads as an equal table. Comments of its file are not kept."""
    return "".join(_lines(document))


def _lines(document: TableDocument) -> Iterator[str]:
    table = document.table
    yield _line(document.kind, table.id)
    if document.has_policy:
        yield _line("policy", str(table.policy))
    yield from _note(table)
    yield from _list_lines("inputs", map(_input, table.inputs))
    if document.has_policy:
        yield from _list_lines("outputs", map(_output, table.outputs))
    yield from _list_lines("rows", (_row(row, document) for row in document.rows))
    yield from _last_lines(table)


def _last_lines(table: DecisionTable) -> Iterator[str]:
    if table.default is not None:
        yield _line("default", _outputs(table.default.outputs))
    if table.tests:
        yield from _list_lines("tests", map(_test, table.tests))


def _line(key: str, data: object) -> str:
    return f"{key}: {flow_yaml(data)}\n"


def _note(table: DecisionTable) -> Iterator[str]:
    if table.note:
        yield _line("note", table.note)


def _list_lines(key: str, items: Iterable[object]) -> Iterator[str]:
    lines = [f"  - {flow_yaml(item)}\n" for item in items]
    yield f"{key}:\n" if lines else f"{key}: []\n"
    yield from lines


def _input(column: Input) -> dict[str, object]:
    data: dict[str, object] = {"name": column.name, "path": column.path or column.name, "type": column.type}
    if column.allowed is not None:
        data["values"] = _allowed(column.allowed)
    return data


def _allowed(cell: Cell) -> object:
    values = listed_value_texts(cell)
    return [_cell(text, cell.type) for text in values] if values else _cell(shortest_cell_text(cell), cell.type)


def _output(column: Output) -> dict[str, object]:
    data: dict[str, object] = {"name": column.name, "type": column.type}
    if column.allowed:
        data["values"] = [_output_data(value) for value in column.allowed]
    return data


def _row(row: Row, document: TableDocument) -> dict[str, object]:
    data: dict[str, object] = {"id": row.id, **document.extra_data(row)}
    data |= {"when": _cells(row, document.table), "then": _outputs(row.outputs)}
    if row.note:
        data["note"] = row.note
    return data


def _cells(row: Row, table: DecisionTable) -> dict[str, object]:
    names = [column.name for column in table.inputs]
    return {
        name: _cell(shortest_cell_text(cell, [other for other in names if other != name]), cell.type)
        for name, cell in zip(names, row.cells, strict=True)
        if not cell.is_any
    }


def _cell(text: str, column_type: str) -> str:
    is_plain = text == NULL if column_type == "string" else _NEEDS_NO_QUOTES.fullmatch(text)
    return UnquotedText(text) if is_plain else text


def _outputs(outputs: Mapping[str, object]) -> dict[str, object]:
    return {name: _output_data(value) for name, value in outputs.items()}


def _output_data(value: object) -> object:
    if isinstance(value, str):
        return value
    text = NULL if value is None else value_text(value)
    return UnquotedText(text) if isinstance(value, bool | int | float | Decimal | None) else text


def _test(test: SavedTest) -> dict[str, object]:
    data: dict[str, object] = {"name": test.name, "given": test.given, "expect": expectation_data(test)}
    if test.note:
        data["note"] = test.note
    return data


def expectation_data(test: SavedTest) -> dict[str, object]:
    """Return the expectation of a saved test as plain data."""
    row = {"row": test.row} if test.row is not None else {}
    return {**row, **_outputs(test.outputs)}
