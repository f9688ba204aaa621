"""Write a decision table as a DMN 1.5 model that decides the same when it is loaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxml import etree

from router.tables.feel.writer import literal_text, unary_test_text
from router.tables.hit_policy import HitPolicy

if TYPE_CHECKING:
    from router.tables.model import Input, Output, Row
    from router.tables.table import DecisionTable

DMN_NAMESPACE = "https://www.omg.org/spec/DMN/20230324/MODEL/"
EXTENSION_NAMESPACE = "urn:southbound:tables"  # of the extension elements for what DMN has no element for
_TYPES = {
    "string": "string",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "datetime": "date and time",
    "days-duration": "days and time duration",
    "months-duration": "years and months duration",
    "any": "Any",
}
_POLICIES = {
    HitPolicy.OUTPUT_ORDER: ("OUTPUT ORDER", ""),
    HitPolicy.RULE_ORDER: ("RULE ORDER", ""),
    HitPolicy.COLLECT_SUM: ("COLLECT", "SUM"),
    HitPolicy.COLLECT_MIN: ("COLLECT", "MIN"),
    HitPolicy.COLLECT_MAX: ("COLLECT", "MAX"),
    HitPolicy.COLLECT_COUNT: ("COLLECT", "COUNT"),
}
_XML_ID = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_model(table: DecisionTable) -> str:
    """Return a table as a DMN 1.5 model with one decision, named by the table's id.

    Saved tests are left out. Paths, and row ids that are not valid in XML, are written as extension elements.
    """
    root = etree.Element(
        _qualified_name("definitions"),
        {"id": "model", "name": table.id, "namespace": EXTENSION_NAMESPACE},
        nsmap={None: DMN_NAMESPACE},
    )
    for number, column in enumerate(table.inputs, start=1):
        _add_input_data(root, column, number)
    _add_decision(root, table)
    etree.indent(root)
    _unindent_entries(root)
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return content.decode() + "\n"


def _unindent_entries(root: etree._Element) -> None:
    for text in root.iter(_qualified_name("text")):
        text.getparent().text = text.tail = None


def _qualified_name(name: str) -> str:
    return f"{{{DMN_NAMESPACE}}}{name}"


def _add(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, _qualified_name(tag), attributes)


def _add_text(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(_add(parent, name, **attributes), _qualified_name("text")).text = _xml_text(text)


def _xml_text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _add_extension(parent: etree._Element, name: str, text: str) -> None:
    kept = etree.SubElement(
        _add(parent, "extensionElements"), f"{{{EXTENSION_NAMESPACE}}}{name}", nsmap={"southbound": EXTENSION_NAMESPACE}
    )
    kept.text = text


def _add_input_data(root: etree._Element, column: Input, number: int) -> None:
    data = _add(root, "inputData", id=f"data-{number}", name=column.name)
    _add(data, "variable", name=column.name, typeRef=_TYPES[column.type])


def _add_decision(root: etree._Element, table: DecisionTable) -> None:
    decision = _add(root, "decision", id="decision", name=table.id)
    if table.note:
        _add(decision, "description").text = _xml_text(table.note)
    _add(decision, "variable", name=table.id)
    for number in range(1, len(table.inputs) + 1):
        _add(_add(decision, "informationRequirement"), "requiredInput", href=f"#data-{number}")
    policy, aggregation = _POLICIES.get(table.policy, (table.policy.upper(), ""))
    element = _add(decision, "decisionTable", id="table", hitPolicy=policy)
    if aggregation:
        element.set("aggregation", aggregation)
    _add_columns(element, table)
    for row in table.rows:
        _add_rule(element, row, table)


def _add_columns(element: etree._Element, table: DecisionTable) -> None:
    for column in table.inputs:
        _add_input(element, column)
    for result in table.outputs:
        _add_output(element, result, table.default)
    if _has_notes(table):
        _add(element, "annotation", name="note")


def _has_notes(table: DecisionTable) -> bool:
    return any(row.note for row in table.rows)


def _add_input(element: etree._Element, column: Input) -> None:
    added = _add(element, "input")
    if column.path and column.path != column.name:
        _add_extension(added, "path", column.path)
    _add_text(added, "inputExpression", column.name, typeRef=_TYPES[column.type])
    if column.allowed:
        _add_text(added, "inputValues", unary_test_text(column.allowed))


def _add_output(element: etree._Element, column: Output, default: Row | None) -> None:
    added = _add(element, "output", name=column.name, typeRef=_TYPES[column.type])
    if column.allowed:
        _add_text(added, "outputValues", ", ".join(map(literal_text, column.allowed)))
    if default:
        _add_text(added, "defaultOutputEntry", literal_text(default.outputs[column.name]))


def _add_rule(element: etree._Element, row: Row, table: DecisionTable) -> None:
    rule = _add(element, "rule")
    if _XML_ID.fullmatch(row.id):
        rule.set("id", row.id)
    else:
        _add_extension(rule, "row", row.id)
    for cell in row.cells:
        _add_text(rule, "inputEntry", unary_test_text(cell))
    for column in table.outputs:
        _add_text(rule, "outputEntry", literal_text(row.outputs[column.name]))
    if _has_notes(table):
        _add_text(rule, "annotationEntry", row.note)
