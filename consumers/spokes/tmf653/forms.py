"""Write parts of a run in the form that a profile asks for (`payload`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from consumers.spokes.conventions.payload_form import PartyForm, ValueForm, ValueType
from consumers.spokes.tmf653 import fields as wire

if TYPE_CHECKING:
    from consumers.spokes.conventions.payload_form import PayloadForm
    from schemas.run_document import RelatedParty, RequestedMeasure

    Part = dict[str, object]


def write_characteristic(form: PayloadForm, written: Part) -> Part:
    """Return a characteristic with its value in the form of the profile; `written` has it as in the document."""
    value = written.get("value")
    if form.value_type is ValueType.TEXT:
        value = _as_text(value)
        # What says that the value is a number would be untrue now.
        written = {name: field for name, field in written.items() if name != "valueType"}
    if form.value_form is ValueForm.ALIAS:
        return {**written, "value": {"value": value, "alias": written.get("name")}}
    return {**written, "value": value}


def _as_text(value: object) -> object:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def write_party(form: PayloadForm, party: RelatedParty) -> Part:
    """Return a related party in the form of the profile."""
    reference = wire.related_party(party)
    if form.related_party is PartyForm.REFERENCE:
        return reference
    role = {"role": reference.pop("role")} if "role" in reference else {}
    return {**role, "partyOrPartyRole": {**reference, "@type": "PartyRef"}, "@type": "RelatedPartyRefOrPartyRoleRef"}


def write_measure(form: PayloadForm, measure: RequestedMeasure, *, with_id: bool) -> Part:
    """Return a requested measure in the form of the profile."""
    written = wire.requested_measure(measure, with_id=with_id)
    if form.definition_ids and measure.definition_id is not None:
        written["testMeasureDefinitionId"] = measure.definition_id
    return written
