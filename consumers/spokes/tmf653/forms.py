"""Write parts of a run in the form that a profile asks for (`payload`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from consumers.spokes.conventions.payload_form import PartyForm, ValueType, ValueWrapping
from consumers.spokes.tmf653 import fields as wire
from consumers.spokes.tmf653.versions import VERSIONS
from schemas.characteristic_types import characteristic_type

if TYPE_CHECKING:
    from consumers.spokes.conventions.payload_form import PayloadForm
    from consumers.spokes.tmf653.versions import TmfVersion
    from schemas.run_document import RelatedParty

    Part = dict[str, object]


def write_characteristic(form: PayloadForm, written: Part) -> Part:
    """Return a characteristic with its value in the form of the profile; `written` has it as in the document."""
    value = written.get("value")
    if form.value_type is ValueType.TEXT:
        value = _as_text(value)
        # What says that the value is a number would be untrue now.
        written = {name: field for name, field in written.items() if name != "valueType"}
        if "@type" in written:
            written["@type"] = characteristic_type(value)
    if form.value_form is ValueWrapping.ALIAS:
        return {**written, "value": {"value": value, "alias": written.get("name")}}
    return {**written, "value": value}


def _as_text(value: object) -> object:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def write_party(form: PayloadForm, version: TmfVersion, party: RelatedParty) -> Part:
    """Return a related party in the form of the profile, or else of the version."""
    return wire.related_party(version if form.related_party is PartyForm.REFERENCE else VERSIONS["5.0"], party)
