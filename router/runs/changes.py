"""Compute what an in-flight change sends to the external system, and whether it may be sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from router.runs.events import ChangeRefused, ChangeRequested
from router.runs.processed_events import CHANGE, has_led_to
from router.runs.reports.information import asked_fields
from router.runs.transitions import ENDED_PHASES
from schemas.results import Reason
from schemas.run_document import (
    Characteristic,
    RelatedParty,
    RequestedMeasure,
    ServiceRef,
    SpecificationRef,
    ValidityPeriod,
    value_to_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


FieldValue = (
    str
    | datetime
    | ValidityPeriod
    | ServiceRef
    | SpecificationRef
    | tuple[Characteristic, ...]
    | tuple[RelatedParty, ...]
    | tuple[RequestedMeasure, ...]
    | None
)


# TMF653 name → ours. Requested measures are absent: the external system owns `testMeasure` (see `measures_refusal`).
CHANGEABLE_FIELDS: Mapping[str, str] = {
    "name": "name",
    "description": "description",
    "mode": "mode",
    "characteristic": "characteristic",
    "relatedParty": "related_party",
    "relatedService": "related_service",
    "testSpecification": "test_specification",
    "startDateTime": "start_date_time",
    "endDateTime": "end_date_time",
    "validFor": "valid_for",
}
MEASURES_FIELD = "testMeasure"
FIELDS_THAT_ARE_SENT: Mapping[str, str] = {**CHANGEABLE_FIELDS, MEASURES_FIELD: "test_measure"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field that differs, by its TMF653 name; arrays are whole, `new` is None if it was removed."""

    field: str
    old: FieldValue
    new: FieldValue


def find_field_changes(sent: RunDocument, requested: RunDocument) -> tuple[FieldChange, ...]:
    """Return the fields in which what was sent differs from what is requested now."""
    both = ((field, getattr(sent, ours), getattr(requested, ours)) for field, ours in CHANGEABLE_FIELDS.items())
    return tuple(
        FieldChange(field=field, old=old, new=new) for field, old, new in both if not _are_equivalent(old, new)
    )


def answered_fields(row: RunRow, accepted: RunDocument) -> frozenset[str]:
    """Return which of the fields that the system asks for an accepted change has brought."""
    sent = row.sent or row.requested
    named = {field: FIELDS_THAT_ARE_SENT[field] for field in asked_fields(row) if field in FIELDS_THAT_ARE_SENT}
    return frozenset(field for field, ours in named.items() if getattr(sent, ours) != getattr(accepted, ours))


def measures_refusal(sent: RunDocument, requested: RunDocument) -> Reason | None:
    """Return why the measures of a run that was sent cannot change; None if those that were sent stay the same.

    Fields that are not sent, such as whether a measure is mandatory, are evaluated here and can change.
    """
    if _measures_as_sent(sent) == _measures_as_sent(requested):
        return None
    return Reason(
        code="FIELD_NOT_CHANGEABLE",
        message="The measures that an external system takes are those that it was sent with the run: "
        "request other measures with a new run.",
        property_path="/testMeasure",
    )


def _measures_as_sent(document: RunDocument) -> set[tuple[str | None, ...]]:
    measures = document.test_measure
    return {(each.id, each.metric_name, each.metric_href, each.unit_of_measure) for each in measures}


def _are_equivalent(old: FieldValue, new: FieldValue) -> bool:
    if isinstance(old, tuple) and isinstance(new, tuple):
        # The order of characteristics and parties has no meaning in TMF653.
        return sorted(map(_to_canonical_json, old)) == sorted(map(_to_canonical_json, new))
    return old == new


def _to_canonical_json(item: Characteristic | RelatedParty | RequestedMeasure) -> str:
    # As JSON, because True == 1 in Python, and key order and spaces of a JSON value do not matter.
    plain = item.model_dump()
    if isinstance(item, Characteristic):
        plain["value"] = value_to_json(item.value)
    return json.dumps(plain, sort_keys=True)


def refusal_reason(row: RunRow, document: RunDocument) -> Reason | None:
    """Return the reason why the run cannot be changed to this document; None if it can, or already is."""
    known = row.requested
    if row.phase in ENDED_PHASES:
        return run_has_ended(row)
    if (document.root_run_id, document.parent_run_id) != (known.root_run_id, known.parent_run_id):
        return _hierarchy_changed(row, document)
    if document.version < known.version or (document.version == known.version and document != known):
        return version_not_higher(row, document)
    return None


def version_not_higher(row: RunRow, document: RunDocument) -> Reason:
    """Return the reason that refuses a change with an old version."""
    return Reason(
        code="VERSION_NOT_HIGHER",
        message=f"Run {row.run_id} is at version {row.requested.version}; a change must carry a higher one, "
        f"not {document.version}.",
    )


def run_has_ended(row: RunRow) -> Reason:
    """Return the reason that refuses a change of a run that has ended."""
    return Reason(code="RUN_ENDED", message=f"Run {row.run_id} is {row.state}; it cannot be changed any more.")


def child_was_removed(row: RunRow) -> Reason:
    """Return the reason that refuses the return of a removed child."""
    return Reason(
        code="CHILD_REMOVED",
        message=f"Run {row.run_id} was removed or cancelled before: add it again as a new run with a new id.",
    )


def _hierarchy_changed(row: RunRow, document: RunDocument) -> Reason:
    return Reason(
        code="PARENT_NOT_CHANGEABLE",
        message=f"Run {row.run_id} belongs to root {row.root_run_id} and parent {row.parent_run_id}; a change cannot "
        f"move it to root {document.root_run_id} and parent {document.parent_run_id}.",
    )


def is_redelivered_change(event: Event, row: RunRow, document: RunDocument) -> bool:
    """Return whether this event led to the change before; with a higher version it is another one under the same id."""
    return has_led_to(row, event.id, CHANGE) and document.version <= row.requested.version


def change_event(event: Event, row: RunRow, document: RunDocument) -> ChangeRequested | ChangeRefused | None:
    """Return the event that this document means for the run; None if the Kafka event is redelivered.

    A document that equals what is requested already is handled like any other: if it is read again after the run's end,
    the event must be recognised as one that changed nothing.
    """
    if is_redelivered_change(event, row, document):
        return None
    refusal = refusal_reason(row, document)
    if refusal is not None:
        return ChangeRefused(version=document.version, reasons=(refusal,))
    return ChangeRequested(document=document)
