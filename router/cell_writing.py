"""Write cells and results as an operator writes them: without the quotes that loading adds."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.feel.literals import read_string
from router.tables.formats.entries import cell_text
from router.tables.formats.tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.tables.feel.unary_test import Cell

NULL = "null"

_QUOTED = re.compile(r'@?"(?:[^"\\]|\\.)*"', re.DOTALL)


def bare_cell(cell: Cell, names: Collection[str] = ()) -> str:
    """Write the shortest text that loads as this cell; `names` are the other inputs of its table."""
    if cell.type != "string":
        return cell.text
    bare = _QUOTED.sub(_without_quotes, cell.text)
    return bare if reads_as(bare, cell, names) else _bare_word_by_word(cell, names)


def _bare_word_by_word(cell: Cell, names: Collection[str]) -> str:
    """Take the quotes of one word after the other away, and keep those without which the cell reads otherwise."""
    text, at = cell.text, 0
    while found := _QUOTED.search(text, at):
        word = _without_quotes(found)
        shorter = text[: found.start()] + word + text[found.end() :]
        if reads_as(shorter, cell, names):
            text, at = shorter, found.start() + len(word)
        else:
            at = found.end()
    return text


def reads_as(text: str, cell: Cell, names: Collection[str] = ()) -> bool:
    """Say whether a text loads as the cell; `null` alone is the missing value, as in every format."""
    try:
        return cell_text(Scalar(text, None if text == NULL else text, 0), cell.type, names).strip() == cell.text
    except CellError:
        return False


def _without_quotes(found: re.Match[str]) -> str:
    try:
        return found[0] if found[0].startswith("@") else read_string(found[0])
    except CellError:
        return found[0]


def bare_values(cell: Cell) -> list[str]:
    """Write a cell that only lists values as that list; empty where the cell says more than `this or that`."""
    only_values = [literal.text for literal in cell.literals]
    if cell.negated or len(only_values) != len(cell.conditions) or ", ".join(only_values) != cell.text:
        return []
    return [bare_cell(replace(cell, text=text)) for text in only_values]
