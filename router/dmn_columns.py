"""Read the input columns of a DMN decision table."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from router.dmn_allowed import allowed_by, type_of
from router.dmn_texts import text_in
from router.tables.feel.lexer import without_comments
from router.tables.feel.unary_test import CellError
from router.tables.formats.dmn.scope import kept, one_line
from router.tables.table import Input

if TYPE_CHECKING:
    from router.tables.formats.dmn.scope import Place, Scope
    from router.tables.formats.dmn.xml import Element


def read_inputs(table: Element, scope: Scope, place: Place) -> tuple[Input, ...]:
    """Read the columns of conditions, each named by its expression (or its label where it has none)."""
    columns: dict[str, Input] = {}
    for number, element in enumerate(table.all("input"), start=1):
        column = _input(element, place.under(f"input {number}"), scope)
        # Two columns may test the same expression; their names must differ all the same.
        name = column.name if column.name not in columns else f"{column.name} ({number})"
        columns[name] = Input(name=name, type=column.type, path=column.path, allowed=column.allowed)
    return tuple(columns.values())


def _input(element: Element, place: Place, scope: Scope) -> Input:
    expression = element.first("inputExpression") or element
    place.check_language(expression)
    name = _name(element, expression, place, scope)
    kind = type_of(expression, scope, place)
    allowed = allowed_by(element.first("inputValues"), kind, place)
    return Input(name=name, type=kind.column, path=kept(element, "path") or name, allowed=allowed)


def _name(element: Element, expression: Element, place: Place, scope: Scope) -> str:
    try:
        name = _expression(expression, scope) or one_line(element.get("label"))
    except CellError as error:
        place.complain(str(error), expression.line)
        return place.where
    if not name:
        place.complain("has no expression and no label", element.line)
    return name or place.where


def _expression(element: Element, scope: Scope) -> str:
    """Give the name or the path that an input tests.

    Raises:
        CellError: it is more.
    """
    written = text_in(element)
    with suppress(CellError):
        written = written if scope.is_name(one_line(written)) else without_comments(written)
    text = one_line(written)
    if text and not scope.is_name(text):
        raise CellError(f'"{text}" is more than a name or a path: let the caller compute it')
    return text
