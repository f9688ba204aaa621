"""Read the decision tables of a DMN model of version 1.1 to 1.5, or report all of their problems together.

A table is read with the types and allowed values of its columns, its rules, default, hit policy and annotations.
Decisions of another kind (literal expressions, contexts, invocations) are left out. A model without any table is
refused, and so is a table that needs more than S-FEEL unary tests and literals.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from router.tables.diagnostics import Diagnostics, LineNumbers, TableErrors
from router.tables.formats.dmn.scope import ModelPlace, ModelScope, normalize_name
from router.tables.formats.dmn.table import read_table, table_id
from router.tables.formats.dmn.types import ItemDefinitions
from router.tables.formats.dmn.writer import write_model
from router.tables.formats.dmn.xml import MAX_BYTES, read_xml
from router.tables.formats.loader import version_of_bytes

if TYPE_CHECKING:
    from router.tables.formats.dmn.xml import Element
    from router.tables.table import DecisionTable

_ELEMENT_NAMES = {"businessKnowledgeModel": "business knowledge model"}
_MAX_NAMES = 1000  # a limit, because every cell is searched for every name

# 1.1 (which tools also spell dmn11, or leave out), 1.2, 1.3, 1.4 and 1.5. The first two use http, the others https, and
# some tools mix them up.
_NAMESPACE = re.compile(
    r"https?://www\.omg\.org/spec/DMN/(?:20151101(?:/dmn(?:11)?\.xsd)?/?|(?:20180521|20191111|20211108|20230324)/MODEL/?)"
)


def load(path: str | Path) -> dict[str, DecisionTable]:
    """Load the decision tables of a DMN file, by the names of their decisions.

    Raises:
        TableErrors: the problems of the model, each with file, line, decision, row and column.
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return read_model(file.read(MAX_BYTES + 1), Path(path).name)


def read_model(content: bytes, source_name: str, decision_name: str = "") -> dict[str, DecisionTable]:
    """Read the decision tables of a DMN document, by the names of their decisions.

    If the model has a decision table named `decision_name`, no other one is read.

    Raises:
        TableErrors: the problems of the model, each with file, line, decision, row and column.
    """
    root = read_xml(content, source_name)
    if not _is_model(root):
        raise TableErrors([f"{source_name}:{root.line}: this is not a DMN model of version 1.1 to 1.5"])
    diagnostics = Diagnostics(LineNumbers(source_name))
    tables = _tables(root, decision_name, version_of_bytes(content), diagnostics)
    diagnostics.raise_if_any()
    if not tables:
        nothing = f"no decision of the model is a decision table{_other_tables(root)}"
        raise TableErrors([f"{source_name}:{root.line}: {nothing}"])
    return tables


def _is_model(root: Element) -> bool:
    """Return whether a document is a DMN model.

    Some converters leave the elements in the namespace of their own tool.
    """
    return root.name == "definitions" and any(
        _NAMESPACE.fullmatch(name) for name in (root.namespace, *root.declared_namespaces)
    )


def _other_tables(root: Element) -> str:
    """Return a sentence part with the elements that contain a table but are not decisions, such as functions."""
    elements = [child for child in root.children if _has_table(child)]
    parts = [
        f"{_ELEMENT_NAMES.get(each.name, each.name)} '{normalize_name(each.attribute('name'))}'" for each in elements
    ]
    return f"; the table in {', '.join(parts)} is not read: make it a decision of its own" if parts else ""


def _has_table(element: Element) -> bool:
    return any(child.name == "decisionTable" or _has_table(child) for child in element.children)


def _tables(root: Element, decision_name: str, version: str, diagnostics: Diagnostics) -> dict[str, DecisionTable]:
    ModelPlace(diagnostics, "the model").check_language(root)
    if len(root.children_named("inputData")) + len(root.children_named("decision")) > _MAX_NAMES:
        diagnostics.add(root.line, f"the model has more than {_MAX_NAMES} decisions and input data: split it")
        return {}
    scope = ModelScope(root, ItemDefinitions(root))
    tables: dict[str, DecisionTable] = {}
    for name, decision in _decisions(root, decision_name):
        place = ModelPlace(diagnostics, f"decision '{name}'")
        table = read_table(decision, scope, version, place)
        if table and name in tables:
            place.report("the name appears twice in the model", decision.line)
        if table:
            tables[name] = table
    return tables


def _decisions(root: Element, decision_name: str) -> list[tuple[str, Element]]:
    """Return the decisions by name; with `decision_name`, no other one is read, so its problems do not matter."""
    named = [
        (normalize_name(decision.attribute("name")) or decision.attribute("id") or "decision", decision)
        for decision in root.children_named("decision")
    ]
    return [
        (name, decision) for name, decision in named if name == decision_name and decision.first_child("decisionTable")
    ] or named


__all__ = ["load", "read_model", "table_id", "write_model"]
