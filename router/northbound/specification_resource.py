"""Convert between the resource `serviceTestSpecification` and the document of a test specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.change import TYPE_FIELDS, never_patched, refuse_other
from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode, refuse
from router.northbound.patches.patch import json_patch, merge_patch, touched_names
from router.northbound.resource import href_of
from router.specifications.definition import SpecificationError, read_specification

if TYPE_CHECKING:
    from router.northbound.api_version import ApiVersion
    from schemas.published_tables import SpecificationRecord
    from schemas.text.json_types import JsonMapping


RESOURCE_NAME = "serviceTestSpecification"
TYPE_NAME = "ServiceTestSpecification"
# First-level attributes of TMF653 v4.1 and v5.0, by which a list can be filtered, and our extension.
SPECIFICATION_ATTRIBUTES = frozenset(
    {
        "id",
        "href",
        "name",
        "description",
        "version",
        "lifecycleStatus",
        "isBundle",
        "lastUpdate",
        "validFor",
        "attachment",
        "constraint",
        "entitySpecRelationship",
        "relatedParty",
        "relatedServiceSpecification",
        "serviceTestSpecRelationship",
        "serviceTestSpecificationRelationship",
        "specCharacteristic",
        "targetEntitySchema",
        "testMeasureDefinition",
        "expectedDuration",
        "timeOut",
        "@type",
        "@baseType",
        "@schemaLocation",
    }
)
# Attributes that have a text for each specification.
SORTABLE_SPECIFICATION_ATTRIBUTES = ("id", "name", "version", "lifecycleStatus", "lastUpdate")
_OURS = ("href", "lastUpdate")  # written by Southbound when the resource is shown


def to_specification_resource(record: SpecificationRecord, version: ApiVersion, base_url: str) -> dict[str, object]:
    """Return the resource as it is shown: the document with its address, and when it was changed."""
    return {
        "@type": TYPE_NAME,
        **record.document,
        "id": record.id,
        "href": href_of(record.id, version, base_url, RESOURCE_NAME),
        "lastUpdate": record.changed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def read_new_specification(body: object, new_id: str) -> tuple[str, JsonMapping]:
    """Return the id and the document of a POST; without an id of its own it gets `new_id`.

    Raises:
        ApiRefusedError: 400 with every mistake.
    """
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the body must be a JSON object")
    document = {"id": new_id, **{name: value for name, value in body.items() if name not in _OURS}}
    return _check(document), document


def patched_specification(
    record: SpecificationRecord, patch: object, version: ApiVersion, *, is_json_patch: bool
) -> JsonMapping:
    """Return the document after a patch of a client of this version, which names no type unless it is 4.1.

    Raises:
        ApiRefusedError: 400 for what is no patch, or leads to no specification; 409 for a patch that does not fit.
    """
    touched = touched_names(patch) if is_json_patch else frozenset(patch if isinstance(patch, dict) else ())
    if not is_json_patch and not isinstance(patch, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "a merge patch of a specification must be a JSON object")
    if fixed := sorted(touched & never_patched(version)):
        raise ApiRefusedError(
            400, [Mistake(MistakeCode.UNEXPECTED, f"{name} cannot be changed", f"/{name}") for name in fixed]
        )
    before = {**record.document, "id": record.id}
    patched = json_patch(before, patch) if is_json_patch else merge_patch(before, patch)
    if not isinstance(patched, dict):
        raise refuse(400, MistakeCode.INVALID_VALUE, "the patch leads to no object")
    types = {"@type": TYPE_NAME}
    refuse_other(TYPE_FIELDS, {**types, **before}, {**types, **patched})
    document = {name: value for name, value in patched.items() if name not in _OURS}
    if _check(document) != record.id:
        raise refuse(400, MistakeCode.UNEXPECTED, "id cannot be changed", "/id")
    return document


def _check(document: JsonMapping) -> str:
    try:
        return read_specification(document).id
    except SpecificationError as error:
        raise ApiRefusedError(400, [_mistake(sentence) for sentence in error.sentences]) from None


def _mistake(sentence: str) -> Mistake:
    pointer, _, message = sentence.partition(": ")
    code = MistakeCode.MISSING if message.endswith("field required") else MistakeCode.INVALID_VALUE
    return Mistake(code, f"{pointer.lstrip('/') or 'the body'}: {message}", "" if pointer == "/" else pointer)
