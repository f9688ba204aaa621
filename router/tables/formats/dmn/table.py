"""Read the decision table of one decision of a DMN model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from router.tables.diagnostics import check_row_count
from router.tables.formats.dmn.columns import read_inputs, read_outputs
from router.tables.formats.dmn.rules import ANY_CELL, RuleReader, read_default, rule_ids
from router.tables.formats.dmn.scope import normalize_name
from router.tables.hit_policy import HitPolicy, find_hit_policy, hit_policy_problems
from router.tables.model import Input, Row
from router.tables.table import DecisionTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.tables.formats.dmn.columns import OutputClause
    from router.tables.formats.dmn.scope import ModelPlace, ModelScope
    from router.tables.formats.dmn.xml import Element


def read_table(decision: Element, scope: ModelScope, version: str, place: ModelPlace) -> DecisionTable | None:
    """Read the decision table of a decision, and report its problems; None if the decision has none."""
    element = decision.first_child("decisionTable")
    if element is None:
        return None
    place.check_language(element)
    outputs = read_outputs(decision, element, scope, place)
    table = _table_without_rows(decision, element, outputs, version, place)
    table = replace(table, inputs=read_inputs(element, scope, place))
    names = _names_in_scope(decision, element, table, scope)
    table = _add_hidden_inputs(table, _rows(element, RuleReader(table.inputs, outputs, names), place), names)
    for problem in hit_policy_problems(table.policy, table.outputs, table.rows):
        place.report(problem, element.line)
    return table


def _table_without_rows(
    decision: Element, element: Element, outputs: Sequence[OutputClause], version: str, place: ModelPlace
) -> DecisionTable:
    return DecisionTable(
        id=table_id(decision.attribute("name")),
        version=version,
        note=decision.find_text("description"),
        inputs=(),
        outputs=tuple(output.output for output in outputs),
        policy=_policy(element, place),
        rows=(),
        default=read_default(element, outputs, place.part("default")),
    )


def _rows(element: Element, reader: RuleReader, place: ModelPlace) -> tuple[Row, ...]:
    rules = element.children_named("rule")
    check_row_count(len(rules), place.diagnostics.places.full_name(element.line))
    named = zip(rules, rule_ids(rules), strict=True)
    return tuple([reader.read(rule, row_id, place.part(f"row {row_id}")) for rule, row_id in named])


def _names_in_scope(decision: Element, element: Element, table: DecisionTable, scope: ModelScope) -> dict[str, str]:
    texts = [
        entry.find_text("text")
        for rule in element.children_named("rule")
        for entry in rule.children_named("inputEntry")
    ]
    columns = {column.name: column.type for column in table.inputs}
    return scope.names_for(normalize_name(decision.attribute("name")), columns, texts)


def table_id(name: str) -> str:
    """Return an id that can be part of a decision's reference: `approval-status` for `Approval Status`."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64] or "decision"


def _policy(element: Element, place: ModelPlace) -> HitPolicy:
    text = f"{element.attribute('hitPolicy') or 'UNIQUE'} {element.attribute('aggregation')}".strip()
    policy = find_hit_policy(text)
    if policy is None:
        place.report(f"there is no hit policy '{text}'", element.line)
    return policy or HitPolicy.UNIQUE


def _add_hidden_inputs(table: DecisionTable, rows: Sequence[Row], names: Mapping[str, str]) -> DecisionTable:
    """Add an input column for every variable that cells refer to and no column tests. Its cells match anything."""
    columns = {column.name for column in table.inputs}
    hidden = sorted({name for row in rows for cell in row.cells for name in cell.referenced_inputs} - columns)
    inputs = [Input(name=name, type=names[name], path=name) for name in hidden]
    wide = [replace(row, cells=(*row.cells, *[ANY_CELL] * len(hidden))) for row in rows] if hidden else rows
    return replace(table, inputs=(*table.inputs, *inputs), rows=tuple(wide))
