"""Read and write test specifications as ServiceNow's Service Test Management Open API has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.api_version import ApiVersion
from router.northbound.errors import MistakeCode, refuse
from router.northbound.patches.patch import is_equal
from router.northbound.servicenow.moments import MOMENTS, read_moment
from router.northbound.specification_resource import read_new_specification
from router.specifications.checks import moment_of
from router.specifications.views import as_version_4

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, tzinfo

    from schemas.published_tables import SpecificationRecord

_OURS = frozenset({"href", "lastUpdate"})
_OF_SPECIFICATION = frozenset({*_OURS, "id"})


def shown_specification(record: SpecificationRecord, zone: tzinfo) -> dict[str, object]:
    """Return a specification in the form of 4.1 with date-times in `zone`, without a zone."""
    document = as_version_4(record.document)
    shown = {name: _with_moments(value, _shown_moment, zone) for name, value in document.items() if name not in _OURS}
    return {**shown, "id": record.id, "lastUpdate": _local(record.changed_at, zone)}


def read_new_specification_body(body: object, zone: tzinfo) -> object:
    """Return the body of a POST as TMF653 has it; what is no object is left to its reader, and so is an id."""
    if not isinstance(body, dict):
        return body
    return {name: _with_moments(value, read_moment, zone) for name, value in body.items() if name not in _OURS}


def changed_specification(record: SpecificationRecord, body: object, zone: tzinfo) -> Mapping[str, object]:
    """Return the document with the attributes that a PATCH names in place of its own; null removes one.

    What a client sends back as it was shown changes nothing.

    Raises:
        ApiRefusedError: 400 for a body that is no object, or if the document is no specification any more.
    """
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the body must be a JSON object")
    shown = shown_specification(record, zone)
    changed = {
        name: _with_moments(value, read_moment, zone)
        for name, value in body.items()
        if name not in _OF_SPECIFICATION and not (name in shown and is_equal(shown[name], value))
    }
    merged = {**as_version_4(record.document), **changed} if changed else record.document
    removed = {name for name, value in changed.items() if value is None}
    read = {name: value for name, value in merged.items() if name not in removed}
    _, document = read_new_specification({**read, "id": record.id}, record.id, ApiVersion.V4_1)
    return document


def _with_moments(value: object, change: Callable[[object, tzinfo], object], zone: tzinfo) -> object:
    """Return a value with the date-times of all its periods in another form, without those that are empty."""
    if isinstance(value, list):
        return [_with_moments(one, change, zone) for one in value]
    if not isinstance(value, dict):
        return value
    read = {
        name: change(one, zone) if name in MOMENTS else _with_moments(one, change, zone) for name, one in value.items()
    }
    return {name: one for name, one in read.items() if name not in MOMENTS or one is not None}


def _shown_moment(value: object, zone: tzinfo) -> object:
    at = moment_of(value)
    return value if at is None else _local(at, zone)


def _local(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
