"""Read the output columns of a DMN decision table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.dmn_allowed import allowed_by, type_of
from router.tables.feel.conditions import Comparison, Literal, Operator
from router.tables.formats.dmn.scope import one_line
from router.tables.formats.dmn.types import FeelType, UnknownTypeError
from router.tables.table import Output

if TYPE_CHECKING:
    from router.tables.feel.unary_test import Cell
    from router.tables.formats.dmn.scope import Place, Scope
    from router.tables.formats.dmn.xml import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputClause:
    """A column of results. `takes` is what its entries may be: also a range, which has no order of its own."""

    column: Output
    takes: Cell | None


def read_outputs(decision: Element, table: Element, scope: Scope, place: Place) -> tuple[OutputClause, ...]:
    """Read the columns of results; a single one takes the name of the decision where it has none."""
    elements = table.all("output")
    if not elements:
        place.complain("there is no output: a table must decide something", table.line)
    is_single = len(elements) == 1
    whole = _whole_type(decision, table, scope)
    columns: dict[str, OutputClause] = {}
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


def _output(element: Element, name: str, inherited: FeelType, scope: Scope, place: Place) -> OutputClause:
    """Read one output. A type that only the decision names tells allowed values, but not the type of entries."""
    kind = type_of(element, scope, place)
    kind = replace(kind, column="any") if kind.is_list else kind
    if not element.get("typeRef"):
        kind = replace(kind, allowed=inherited.allowed)
    takes = allowed_by(element.first("outputValues"), kind, place)
    return OutputClause(
        column=Output(name=name, type=kind.column, allowed=_listed(takes) if takes else ()), takes=takes
    )


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
