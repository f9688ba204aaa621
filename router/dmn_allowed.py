"""Read what a column of a DMN table may hold: its type, and the values that it or its type allows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from router.dmn_texts import text_in
from router.tables.feel.unary_test import CellError, parse
from router.tables.formats.dmn.types import FeelType, UnknownTypeError

if TYPE_CHECKING:
    from router.tables.feel.unary_test import Cell
    from router.tables.formats.dmn.scope import Place, Scope
    from router.tables.formats.dmn.xml import Element


def type_of(element: Element, scope: Scope, place: Place) -> FeelType:
    """Find what the `typeRef` of an element means, complaining about one that means nothing."""
    try:
        return scope.types.meaning(element.get("typeRef"))
    except UnknownTypeError as error:
        place.complain(str(error), element.line)
        return FeelType()


def allowed_by(values: Element | None, kind: FeelType, place: Place) -> Cell | None:
    """Read the allowed values of a column, or else those of its type; None where it takes all."""
    try:
        written = text_in(values) if values else ""
        cell = parse(written, kind.column, {}) if written else _constraint(kind)
    except CellError as error:
        place.complain(f"allowed values: {error}", values.line if values else 0)
        return None
    return None if cell is None or cell.is_any else cell


def _constraint(kind: FeelType) -> Cell | None:
    """Read the constraint of a type; one outside the grammar is not checked."""
    with suppress(CellError):
        return parse(kind.allowed, kind.column, {}) if kind.allowed else None
    return None
