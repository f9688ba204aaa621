"""Read the rows of a table file: a cell for every input, a value for every output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.tables.explain.wording import cell_in_words
from router.tables.facts import UnknownFactError
from router.tables.feel.unary_test import Cell, CellError, parse
from router.tables.feel.values import ValueKind, kind_of
from router.tables.formats.entries import cell_text, not_allowed_sentence, output_value
from router.tables.model import DEFAULT_ROW, NO_ROW, Row
from schemas.files.located_tree import Block, Scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.facts import FactModel
    from router.tables.feel.conditions import Literal
    from router.tables.formats.fields import BlockReader
    from router.tables.model import Input, Output
    from schemas.files.located_tree import Tree

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ANY_TEXT = "-"


class RowReader:
    """Reads the rows of a table by its columns."""

    def __init__(self, inputs: Sequence[Input], outputs: Sequence[Output], model: FactModel) -> None:
        self._inputs = {column.name: column for column in inputs}
        self._outputs = {column.name: column for column in outputs}
        self._zoned = frozenset(column.name for column in inputs if _is_zoned(column, model))

    def read(self, fields: BlockReader) -> Row:
        """Read one row. An invalid cell becomes one that matches anything, because the file is refused anyway."""
        return Row(
            id=fields.text("id"),
            cells=self._cells(fields),
            outputs=self.outputs(fields, "then"),
            note=fields.text("note", default=""),
        )

    def outputs(self, fields: BlockReader, key: str) -> dict[str, object]:
        """Read the value of every output column."""
        block = fields.block(key, fields.context)
        if not isinstance(fields.tree(key), Block):
            return dict.fromkeys(self._outputs)
        for name in block.keys:
            if name not in self._outputs:
                known = ", ".join(self._outputs)
                block.report(f"unknown output '{name}'; the outputs are {known}", block.line_of(name))
        return {name: self._output(block, column) for name, column in self._outputs.items()}

    def _output(self, block: BlockReader, column: Output) -> object:
        tree = block.tree(column.name)
        try:
            return _output_value(tree, column)
        except CellError as error:
            line = tree.line if tree else block.line
            block.named(_join_names(block.context, f"output '{column.name}'")).report(str(error), line)
            return None

    def _cells(self, fields: BlockReader) -> tuple[Cell, ...]:
        when = fields.block("when", fields.context)
        for name in when.keys:
            if name not in self._inputs:
                when.report(self._unknown_column(name, when.tree(name)), when.line_of(name))
        return tuple([self._cell(when, column) for column in self._inputs.values()])

    def _unknown_column(self, name: str, tree: Tree | None) -> str:
        if isinstance(tree, Scalar) and not tree.text:
            return f"'{name}' is no column; if it belongs to the cell before it, put that cell in quotes"
        return f"unknown column '{name}'; the inputs are {', '.join(self._inputs)}"

    def _cell(self, when: BlockReader, column: Input) -> Cell:
        tree = when.tree(column.name)
        if tree is None:
            return Cell(_ANY_TEXT, column.type)
        try:
            return self._parse_cell(tree, column)
        except CellError as error:
            when.named(_join_names(when.context, f"column '{column.name}'")).report(str(error), tree.line)
            return Cell(_ANY_TEXT, column.type)

    def _parse_cell(self, tree: Tree, column: Input) -> Cell:
        others = {name: other.type for name, other in self._inputs.items() if name != column.name}
        cell = parse(cell_text(tree, column.type, others), column.type, others)
        for literal in cell.equality_literals:
            check_allowed(literal, column)
        if column.name in self._zoned:
            _check_zones(cell)
        return cell


def _join_names(row: str, column: str) -> str:
    return f"{row}, {column}" if row else column


def _output_value(tree: Tree | None, column: Output) -> object:
    if tree is None:
        raise CellError("is missing, and unset is not possible: write a value")
    if not isinstance(tree, Scalar):
        raise CellError("must be one value")
    return output_value(tree, column)


def check_allowed(literal: Literal, column: Input) -> None:
    """Check that a literal is one of the column's allowed values.

    Raises:
        CellError: it is not.
    """
    allowed = column.allowed
    if allowed is None or literal.value is None or allowed.matches(literal.value):
        return
    text = literal.value if isinstance(literal.value, str) else literal.text
    raise CellError(not_allowed_sentence(text, cell_in_words(allowed).split(", ")))


def _is_zoned(column: Input, model: FactModel) -> bool:
    try:
        return column.type == "datetime" and model.type_of(column.path or column.name) == "datetime"
    except UnknownFactError:  # the problem is reported with the column
        return False


def _check_zones(cell: Cell) -> None:
    """Check that a column of times with a zone has no time without one: the two cannot be compared.

    Raises:
        CellError: a time has no zone.
    """
    for operand in cell.operands:
        if kind_of(getattr(operand, "value", None)) is ValueKind.DATETIME:
            raise CellError(f"{operand.text} has no zone, but the values of this column have one: add Z or an offset")


def check_ids(rows: Sequence[tuple[BlockReader, Row]]) -> None:
    """Report ids that appear twice, are reserved, or cannot be part of a decision's reference."""
    first: dict[str, int] = {}
    for fields, row in rows:
        if row.id and not _ID.fullmatch(row.id):
            fields.report("an id has letters, digits, '.', '_' and '-' only", fields.line_of("id"))
        if row.id in (DEFAULT_ROW, NO_ROW):
            fields.report(f"the id '{row.id}' is reserved", fields.line_of("id"))
        if row.id in first:
            fields.report(f"the id appears twice, first in {fields.place_name(first[row.id])}", fields.line_of("id"))
        if row.id:
            first.setdefault(row.id, fields.line_of("id"))
