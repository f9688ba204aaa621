"""Read the input and output columns of a table file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from router.tables.facts import UnknownFactError
from router.tables.feel.lexer import NAME_PART, NAME_START
from router.tables.feel.unary_test import Cell, CellError, parse
from router.tables.feel.values import TYPES
from router.tables.formats.entries import cell_text, output_value
from router.tables.model import Input, Output
from schemas.files.located_tree import Listing, Scalar

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.tables.facts import FactModel
    from router.tables.formats.fields import BlockReader

_NAME = re.compile(rf"{NAME_START}(?:{NAME_PART}|[ '/+*-]|\.(?!\.))*")
_RESERVED = frozenset({"true", "false", "null", "not", "date", "time", "duration", "date and time", "row"})
_OUTPUT_TYPES = tuple(name for name in TYPES if name != "any")

Column = TypeVar("Column", Input, Output)


def read_inputs(file: BlockReader, model: FactModel) -> tuple[Input, ...]:
    """Read the input columns. A problem of one column does not hide the problems of its cells."""
    blocks = file.blocks("inputs", "input")
    return _without_duplicates(blocks, [_input(fields, model) for fields in blocks])


def read_outputs(file: BlockReader) -> tuple[Output, ...]:
    """Read the output columns."""
    blocks = file.blocks("outputs", "output")
    if not blocks and isinstance(file.tree("outputs"), Listing):
        file.report("there are no outputs: a table must decide something", file.line_of("outputs"))
    return _without_duplicates(blocks, [_output(fields) for fields in blocks])


def _without_duplicates(blocks: list[BlockReader], columns: list[Column]) -> tuple[Column, ...]:
    kept: dict[str, Column] = {}
    for fields, column in zip(blocks, columns, strict=True):
        if column.name in kept:
            fields.report(f"column '{column.name}' appears twice")
        if column.name:
            kept.setdefault(column.name, column)
    return tuple(kept.values())


def _input(block: BlockReader, model: FactModel) -> Input:
    name = _name(block)
    fields = block.named(f"input '{name}'")
    fields.check_keys(("name", "path", "type", "values"))
    column_type = _type(fields, tuple(TYPES))
    path = fields.text("path", default=name)
    return Input(
        name=name,
        type=column_type,
        path=path,
        allowed=_allowed_values(fields, column_type),
        may_be_list=_check_path(fields, path, column_type, model),
    )


def _output(block: BlockReader) -> Output:
    name = _name(block)
    fields = block.named(f"output '{name}'")
    fields.check_keys(("name", "type", "values"))
    column = Output(name=name, type=_type(fields, _OUTPUT_TYPES))
    return Output(name=name, type=column.type, allowed=_allowed_outputs(fields, column))


def _name(block: BlockReader) -> str:
    name = block.text("name")
    if name and (name in _RESERVED or not _NAME.fullmatch(name)):
        block.report(f"'{name}' cannot name a column: it means something else in a cell or a test")
    return name


def _type(fields: BlockReader, known: Collection[str]) -> str:
    name = fields.text("type")
    if not name or name in known:
        return name or "any"
    fields.report(f"there is no type '{name}'; the types are {', '.join(known)}", fields.line_of("type"))
    return "any"


def _check_path(fields: BlockReader, path: str, column_type: str, model: FactModel) -> bool:
    """Report a path to no fact or to one of another type. Return whether the value there may be a list."""
    if not path:
        return True
    try:
        fact_type = model.type_of(path)
    except UnknownFactError as error:
        fields.report(str(error), fields.line_of("path"))
        return True
    if "any" not in (fact_type, column_type) and fact_type != column_type:
        fields.report(
            f"path '{path}' is of type {fact_type}, but the column is of type {column_type}", fields.line_of("type")
        )
    return model.may_be_list(path)


def _allowed_values(fields: BlockReader, column_type: str) -> Cell | None:
    """Read allowed values: a list of them, or one cell such as `"[0..1000]"`."""
    tree = fields.tree("values")
    if tree is None:
        return None
    items = tree.items if isinstance(tree, Listing) else (tree,)
    try:
        texts = [cell_text(item, column_type, ()) for item in items]
        return _without_wildcard(parse(", ".join(texts), column_type, {}))
    except CellError as error:
        fields.report(f"values: {error}", fields.line_of("values"))
        return None


def _without_wildcard(cell: Cell) -> Cell:
    if cell.is_any:
        raise CellError("leave 'values' out where every value is allowed")
    return cell


def _allowed_outputs(fields: BlockReader, column: Output) -> tuple[object, ...]:
    tree = fields.tree("values")
    if tree is None:
        return ()
    if not isinstance(tree, Listing) or not tree.items:
        fields.report("'values' must be a list of values", fields.line_of("values"))
        return ()
    return tuple(value for item in tree.items if (value := _allowed_output(fields, item, column)) is not None)


def _allowed_output(fields: BlockReader, item: object, column: Output) -> object:
    try:
        return output_value(item, column) if isinstance(item, Scalar) else None
    except CellError as error:
        fields.report(f"values: {error}", fields.line_of("values"))
        return None
