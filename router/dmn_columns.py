"""Read the input and output columns of a DMN decision table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.cells import CellError, parse
from router.conditions import Comparison, Literal, Operator
from router.dmn_scope import kept, one_line
from router.dmn_types import FeelType, UnknownTypeError
from router.tables import Input, Output

if TYPE_CHECKING:
    from router.cells import Cell
    from router.dmn_scope import Place, Scope
    from router.xml_tree import Element


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
    kind = _type(expression.get("typeRef"), place, expression.line, scope)
    return Input(
        name=name, type=kind.column, path=kept(element, "path") or name, allowed=_allowed(element, kind, place)
    )


def _name(element: Element, expression: Element, place: Place, scope: Scope) -> str:
    text = one_line(expression.text_of("text"))
    if text and not scope.is_name(text):
        place.complain(f'"{text}" is more than a name or a path: let the caller compute it', expression.line)
    name = text or one_line(element.get("label"))
    if not name:
        place.complain("has no expression and no label", element.line)
    return name or place.where


def _type(reference: str, place: Place, line: int, scope: Scope) -> FeelType:
    try:
        return scope.types.meaning(reference)
    except UnknownTypeError as error:
        place.complain(str(error), line)
        return FeelType()


def _allowed(element: Element, kind: FeelType, place: Place) -> Cell | None:
    values = element.first("inputValues")
    if values is None or not values.text_of("text"):
        return _or_none(kind.allowed, kind.column)
    try:
        cell = parse(values.text_of("text"), kind.column, {})
    except CellError as error:
        place.complain(f"allowed values: {error}", values.line)
        return None
    return None if cell.is_any else cell


def _or_none(text: str, column_type: str) -> Cell | None:
    """Read the constraint of a type; one outside the grammar is not checked."""
    try:
        cell = parse(text, column_type, {}) if text else None
    except CellError:
        return None
    return None if cell is None or cell.is_any else cell


def read_outputs(decision: Element, table: Element, scope: Scope, place: Place) -> tuple[Output, ...]:
    """Read the columns of results; a single one takes the name of the decision where it has none."""
    elements = table.all("output")
    if not elements:
        place.complain("there is no output: a table must decide something", table.line)
    is_single = len(elements) == 1
    whole = _whole_type(decision, table, scope)
    columns: dict[str, Output] = {}
    for number, element in enumerate(elements, start=1):
        under = place.under(f"output {number}")
        name = _output_name(element, decision.get("name") if is_single else "", under)
        if name in columns:
            under.complain(f"'{name}' stands twice", element.line)
        columns[name] = _output(element, name, whole if is_single else scope.part(whole, [name]), scope, under)
    return tuple(columns.values())


def _whole_type(decision: Element, table: Element, scope: Scope) -> FeelType:
    variable = decision.first("variable")
    try:
        return scope.types.meaning(table.get("typeRef") or (variable.get("typeRef") if variable else ""))
    except UnknownTypeError:
        return FeelType()


def _output_name(element: Element, alone: str, place: Place) -> str:
    name = one_line(element.get("name") or alone or element.get("label"))
    if not name:
        place.complain("has no name", element.line)
    return name or place.where


def _output(element: Element, name: str, inherited: FeelType, scope: Scope, place: Place) -> Output:
    """Read one output. A type that only the decision names tells allowed values, but judges no entry."""
    reference = element.get("typeRef")
    kind = _type(reference, place, element.line, scope)
    column = "any" if kind.is_list else kind.column
    values = element.first("outputValues")
    if values is not None and values.text_of("text"):
        try:
            return Output(name=name, type=column, allowed=_listed(parse(values.text_of("text"), column, {})))
        except CellError as error:
            place.complain(f"allowed values: {error}", values.line)
    of_type = _or_none((kind if reference else inherited).allowed, column)
    return Output(name=name, type=column, allowed=_listed(of_type) if of_type else ())


def _listed(cell: Cell) -> tuple[object, ...]:
    """Take the values that a list of literals allows, in order; nothing of a range, which has no order of its own."""
    literals = [
        condition.operand.value
        for condition in cell.conditions
        if isinstance(condition, Comparison)
        and condition.operator is Operator.EQUAL
        and isinstance(condition.operand, Literal)
    ]
    return tuple(literals) if len(literals) == len(cell.conditions) and not cell.negated else ()
