"""Make facts from the part of a run document that a saved test has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from router.selection.fact_paths import DERIVED_FACTS, SPECIFICATION
from router.selection.facts import RunFacts
from router.tables.facts import ExampleFactsError
from router.tables.feel.values import canonical
from schemas.run_document import AppliedSpecification, RunDocument

if TYPE_CHECKING:
    from collections.abc import Mapping


def facts_from_example(given: Mapping[str, object]) -> RunFacts:
    """Return facts from the part of a run document that a saved test has; the rest is missing.

    Facts that no field holds (`has_children`) may be included too, and characteristics as `{name: value}`. Those of the
    `specification` may also be written beside its fields, as their paths are.

    Raises:
        ExampleFactsError: a field is unknown or has a value that no run document can have.
    """
    known = {name: canonical(value) for name, value in given.items() if name in DERIVED_FACTS}
    parts = {name: value for name, value in given.items() if name not in DERIVED_FACTS}
    if isinstance(named := parts.get("characteristic"), dict):
        parts["characteristic"] = _characteristics(named)
    if isinstance(specification := parts.get(SPECIFICATION), dict):
        parts[SPECIFICATION] = _specification(specification)
    document, blanks = _complete(parts)
    return RunFacts(document, dict.fromkeys(blanks) | known)


def _characteristics(named: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in named.items()]


def _specification(given: Mapping[str, object]) -> dict[str, object]:
    fields = {name: value for name, value in given.items() if name in AppliedSpecification.model_fields}
    others = {name: value for name, value in given.items() if name not in fields}
    named = fields.get("characteristic", {})
    if isinstance(named, dict):
        fields["characteristic"] = _characteristics({**named, **others})
    return fields


# What a run document must have and a saved test may omit.
_PLACEHOLDERS: dict[str, object] = {
    "run_id": "?",
    "name": "?",
    "test_specification": {"id": "?"},
    "related_service": {"id": "?"},
}
_GROUPS = ("test_specification", "related_service")
_OPTIONAL_GROUPS = (SPECIFICATION,)


def _complete(parts: Mapping[str, object]) -> tuple[RunDocument, list[str]]:
    """Fill in what is required, and return the paths that must still count as missing."""
    blanks = [name for name in _PLACEHOLDERS if name not in parts and name not in _GROUPS]
    blanks += [f"{group}.id" for group in _GROUPS if "id" not in _group(parts.get(group))]
    optional = [group for group in _OPTIONAL_GROUPS if isinstance(parts.get(group), dict)]
    blanks += [f"{group}.id" for group in optional if "id" not in _group(parts[group])]
    blanks += ["root_run_id"] if "root_run_id" not in parts and "run_id" not in parts else []
    filled = {**_PLACEHOLDERS, **parts}
    for group in (*_GROUPS, *optional):
        if isinstance(filled[group], dict):
            filled[group] = {"id": "?", **_group(filled[group])}
    return _document(filled), blanks


def _group(part: object) -> Mapping[str, object]:
    return part if isinstance(part, dict) else {}


def _document(parts: Mapping[str, object]) -> RunDocument:
    try:
        return RunDocument.model_validate(parts)
    except ValidationError as error:
        problems = error.errors()
        sentences = [_error_sentence(".".join(map(str, problem["loc"])), problem["msg"]) for problem in problems]
        raise ExampleFactsError(sentences, [problem["loc"] for problem in problems]) from None


def _error_sentence(field: str, message: str) -> str:
    if message == "Extra inputs are not permitted":
        return f"'{field}' is not a field of a run document"
    return f"'{field}' cannot be so: {message}"
