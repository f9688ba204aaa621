"""Read and write test specifications as ServiceNow's Service Test Management Open API has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.errors import MistakeCode, refuse
from router.northbound.servicenow.moments import MOMENTS, read_moment
from router.northbound.specification_resource import read_new_specification

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from schemas.published_tables import SpecificationRecord

_OURS = frozenset({"href", "lastUpdate"})
_OF_SPECIFICATION = frozenset({*_OURS, "id"})


def shown_specification(record: SpecificationRecord, zone: tzinfo) -> dict[str, object]:
    """Return a specification with date-times in `zone`, without a zone, and without what only TMF653 writes."""
    shown = {name: value for name, value in record.document.items() if name not in _OURS}
    changed_at = record.changed_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    return {**shown, "id": record.id, "lastUpdate": changed_at}


def read_new_specification_body(body: object, zone: tzinfo) -> object:
    """Return the body of a POST as TMF653 has it; what is no object is left to its reader, and so is an id."""
    if not isinstance(body, dict):
        return body
    return {name: _translated(name, value, zone) for name, value in body.items() if name not in _OURS}


def read_specification_change(body: object, zone: tzinfo) -> dict[str, object]:
    """Return the attributes that a PATCH names. What a client sends back as it was shown changes nothing.

    Raises:
        ApiRefusedError: 400 for a body that is no object.
    """
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the body must be a JSON object")
    return {name: _translated(name, value, zone) for name, value in body.items() if name not in _OF_SPECIFICATION}


def changed_specification(record: SpecificationRecord, changed: Mapping[str, object]) -> Mapping[str, object]:
    """Return the document with these attributes in place of its own; null removes one.

    Raises:
        ApiRefusedError: 400 if it is no specification any more.
    """
    merged = {**record.document, **changed, "id": record.id}
    removed = {name for name, value in changed.items() if value is None}
    _, document = read_new_specification(
        {name: value for name, value in merged.items() if name not in removed}, record.id
    )
    return document


def _translated(name: str, value: object, zone: tzinfo) -> object:
    if name != "validFor" or not isinstance(value, dict):
        return value
    return _period(value, zone)


def _period(period: Mapping[str, object], zone: tzinfo) -> dict[str, object]:
    read = {name: read_moment(value, zone) if name in MOMENTS else value for name, value in period.items()}
    return {name: value for name, value in read.items() if value is not None}
