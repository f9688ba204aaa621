"""Read the columns of a DMN decision table."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.tables.feel.conditions import Comparison, Literal, Operator
from router.tables.feel.lexer import strip_comments
from router.tables.feel.unary_test import CellError, parse
from router.tables.formats.dmn.scope import extension_text, normalize_name
from router.tables.formats.dmn.types import FeelType, UnknownTypeError
from router.tables.formats.dmn.xml import expression_text
from router.tables.formats.entries import with_plain_numbers
from router.tables.model import Input, Output

if TYPE_CHECKING:
    from router.tables.feel.unary_test import Cell
    from router.tables.formats.dmn.scope import ModelPlace, ModelScope
    from router.tables.formats.dmn.xml import Element


def read_type(element: Element, scope: ModelScope, place: ModelPlace) -> FeelType:
    """Return the type that the `typeRef` of an element names. Report an unknown one."""
    try:
        return scope.types.resolve(element.attribute("typeRef"))
    except UnknownTypeError as error:
        place.report(str(error), element.line)
        return FeelType()


def read_allowed_values(values: Element | None, feel_type: FeelType, place: ModelPlace) -> Cell | None:
    """Read the allowed values of a column, else those of its type; None if every value is allowed."""
    try:
        source = expression_text(values) if values else ""
        cell = parse(with_plain_numbers(source), feel_type.column, {}) if source else _type_constraint(feel_type)
    except CellError as error:
        place.report(f"allowed values: {error}", values.line if values else 0)
        return None
    return None if cell is None or cell.is_any else cell


def _type_constraint(feel_type: FeelType) -> Cell | None:
    """Read the allowed values of a type. Those outside of the S-FEEL grammar are not checked."""
    with suppress(CellError):
        allowed = feel_type.allowed_values
        return parse(with_plain_numbers(allowed), feel_type.column, {}) if allowed else None
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputClause:
    """An output column. `allowed` is the unary test of its entries; unlike `column.allowed` it may be a range."""

    output: Output
    allowed: Cell | None


def read_outputs(decision: Element, table: Element, scope: ModelScope, place: ModelPlace) -> tuple[OutputClause, ...]:
    """Read the output columns. A single one without a name gets the name of the decision."""
    elements = table.children_named("output")
    if not elements:
        place.report("there is no output: a table must decide something", table.line)
    is_single = len(elements) == 1
    decision_type = _decision_type(decision, table, scope)
    columns: dict[str, OutputClause] = {}
    for number, element in enumerate(elements, start=1):
        output_place = place.part(f"output {number}")
        name = _output_name(element, decision.attribute("name") if is_single else "", output_place)
        if name in columns:
            output_place.report(f"'{name}' appears twice", element.line)
        inherited = decision_type if is_single else scope.component(decision_type, [name])
        columns[name] = _output(element, name, inherited, scope, output_place)
    return tuple(columns.values())


def _decision_type(decision: Element, table: Element, scope: ModelScope) -> FeelType:
    variable = decision.first_child("variable")
    try:
        return scope.types.resolve(table.attribute("typeRef") or (variable.attribute("typeRef") if variable else ""))
    except UnknownTypeError:
        return FeelType()


def _output_name(element: Element, fallback: str, place: ModelPlace) -> str:
    name = normalize_name(element.attribute("name") or fallback or element.attribute("label"))
    if not name:
        place.report("has no name", element.line)
    return name or place.path


def _output(element: Element, name: str, inherited: FeelType, scope: ModelScope, place: ModelPlace) -> OutputClause:
    """Read one output. The type of the decision's variable defines allowed values, but not the type of the entries."""
    kind = read_type(element, scope, place)
    kind = replace(kind, column="any") if kind.is_list else kind
    if not element.attribute("typeRef"):
        kind = replace(kind, allowed_values=inherited.allowed_values)
    entries_test = read_allowed_values(element.first_child("outputValues"), kind, place)
    listed_values = _listed_values(entries_test) if entries_test else ()
    return OutputClause(output=Output(name=name, type=kind.column, allowed=listed_values), allowed=entries_test)


def _listed_values(cell: Cell) -> tuple[object, ...]:
    """Return the values of a cell that only lists values, in order; nothing for a range, which has no order."""
    literals = [
        condition.operand.value
        for condition in cell.conditions
        if isinstance(condition, Comparison)
        and condition.operator is Operator.EQUAL
        and isinstance(condition.operand, Literal)
    ]
    return tuple(literals) if len(literals) == len(cell.conditions) and not cell.negated else ()


def read_inputs(table: Element, scope: ModelScope, place: ModelPlace) -> tuple[Input, ...]:
    """Read the input columns, each named by its expression, else by its label."""
    columns: dict[str, Input] = {}
    for number, element in enumerate(table.children_named("input"), start=1):
        column = _input(element, place.part(f"input {number}"), scope)
        # Two columns may test the same expression, but names must be unique.
        name = column.name if column.name not in columns else f"{column.name} ({number})"
        columns[name] = Input(name=name, type=column.type, path=column.path, allowed=column.allowed)
    return tuple(columns.values())


def _input(element: Element, place: ModelPlace, scope: ModelScope) -> Input:
    expression = element.first_child("inputExpression") or element
    place.check_language(expression)
    name = _name(element, expression, place, scope)
    kind = read_type(expression, scope, place)
    allowed = read_allowed_values(element.first_child("inputValues"), kind, place)
    return Input(name=name, type=kind.column, path=extension_text(element, "path") or name, allowed=allowed)


def _name(element: Element, expression: Element, place: ModelPlace, scope: ModelScope) -> str:
    try:
        name = _input_expression(expression, scope) or normalize_name(element.attribute("label"))
    except CellError as error:
        place.report(str(error), expression.line)
        return place.path
    if not name:
        place.report("has no expression and no label", element.line)
    return name or place.path


def _input_expression(element: Element, scope: ModelScope) -> str:
    """Return the name or the path that an input tests; empty without an expression.

    Raises:
        CellError: the expression is more than a name or a path.
    """
    source = expression_text(element)
    with suppress(CellError):
        source = source if scope.is_name(normalize_name(source)) else strip_comments(source)
    text = normalize_name(source)
    if text and not scope.is_name(text):
        raise CellError(f'"{text}" is more than a name or a path: let the caller compute it')
    return text
