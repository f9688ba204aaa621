"""Convert between the resource `serviceTestSpecification` and the document of a test specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.change import apply_patch
from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode, refuse
from router.northbound.patches.patch import is_equal
from router.northbound.resource import href_of
from router.specifications.checks import check_specification
from router.specifications.definition import SpecificationError
from router.specifications.views import NEWER_NAME, OLDER_NAME, as_version_4, as_version_5, from_version_5

if TYPE_CHECKING:
    from router.northbound.api_version import ApiVersion
    from router.northbound.change import PatchKind
    from schemas.published_tables import SpecificationRecord
    from schemas.text.json_types import JsonMapping


RESOURCE_NAME = "serviceTestSpecification"
TYPE_NAME = "ServiceTestSpecification"
# First-level attributes of both versions of TMF653, and our extensions; a list can be filtered by them.
_ATTRIBUTES = frozenset(
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


def specification_attributes(version: ApiVersion) -> frozenset[str]:
    """Return the first-level attributes of this version, by which a list can be filtered."""
    return _ATTRIBUTES | {NEWER_NAME if version.is_v5 else OLDER_NAME}


def to_specification_resource(record: SpecificationRecord, version: ApiVersion, base_url: str) -> dict[str, object]:
    """Return the resource as this version shows it: the document with its address, and when it was changed."""
    return {
        **_shown(record, version),
        "href": href_of(record.id, version, base_url, RESOURCE_NAME),
        "lastUpdate": record.changed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def read_new_specification(body: object, new_id: str, version: ApiVersion) -> tuple[str, JsonMapping]:
    """Return the id and the document of a POST; without an id of its own it gets `new_id`.

    Raises:
        ApiRefusedError: 400 with every mistake.
    """
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the body must be a JSON object")
    document = {"id": new_id, **{name: value for name, value in body.items() if name not in _OURS}}
    return _check(document), from_version_5(document) if version.is_v5 else document


def patched_specification(
    record: SpecificationRecord, patch: object, version: ApiVersion, kind: PatchKind
) -> JsonMapping:
    """Return the document after a patch of what this version shows. What it does not change stays as it was written.

    Raises:
        ApiRefusedError: 400 for what is no patch, or leads to no specification; 409 for a patch that does not fit.
    """
    before = _shown(record, version)
    after = apply_patch(before, patch, version, kind)
    patched = {name: value for name, value in after.items() if name not in _OURS}
    _check(patched)
    stored = record.document
    written = {
        name: value for name, value in patched.items() if name not in before or not is_equal(before[name], value)
    }
    kept = {name: value for name, value in stored.items() if _shown_name(name, before) in patched.keys() - written}
    return {**kept, **(from_version_5(written) if version.is_v5 else written), "id": record.id}


def _shown(record: SpecificationRecord, version: ApiVersion) -> dict[str, object]:
    document = as_version_5(record.document) if version.is_v5 else as_version_4(record.document)
    return {"@type": TYPE_NAME, **{name: value for name, value in document.items() if name not in _OURS}} | {
        "id": record.id
    }


def _shown_name(name: str, shown: JsonMapping) -> str:
    """Return the name under which an attribute of a document is shown."""
    if name in shown:
        return name
    return {OLDER_NAME: NEWER_NAME, NEWER_NAME: OLDER_NAME}.get(name, name)


def _check(document: JsonMapping) -> str:
    try:
        return check_specification(document).id
    except SpecificationError as error:
        raise ApiRefusedError(400, [_mistake(sentence) for sentence in error.sentences]) from None


def _mistake(sentence: str) -> Mistake:
    pointer, _, message = sentence.partition(": ")
    code = MistakeCode.MISSING if message.startswith("is missing") else MistakeCode.INVALID_VALUE
    return Mistake(code, f"{pointer.lstrip('/') or 'the body'}: {message}", "" if pointer == "/" else pointer)
