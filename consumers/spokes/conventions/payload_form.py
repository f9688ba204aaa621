"""The form in which one system takes and shows the content of a run."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from consumers.spokes.credentials import ProfileModel


class ValueType(StrEnum):
    """The JSON types that a system takes as values of characteristics."""

    ANY = "any"
    TEXT = "text"


class ValueWrapping(StrEnum):
    """What stands in the field `value` of a characteristic."""

    PLAIN = "plain"
    ALIAS = "alias"


class PartyForm(StrEnum):
    """How a related party is written."""

    REFERENCE = "reference"
    PARTY_OR_PARTY_ROLE = "partyOrPartyRole"
    NONE = "none"


class PayloadForm(ProfileModel):
    """How the content of a run is written for one system."""

    value_type: ValueType = Field(
        default=ValueType.ANY,
        description=(
            "`text`: values of characteristics are sent as texts: true as `true`, a list or an object as its JSON."
        ),
    )
    value_form: ValueWrapping = Field(
        default=ValueWrapping.PLAIN,
        description="`alias`: a value of a characteristic is sent as `{value, alias}`. Both forms are read.",
    )
    measures: bool = Field(default=True, description="Whether a POST carries the requested measures.")
    definition_ids: bool = Field(
        default=False, description="Whether requested measures carry `testMeasureDefinitionId`, if they have one."
    )
    related_party: PartyForm = Field(
        default=PartyForm.REFERENCE,
        description=(
            "`partyOrPartyRole`: a related party is sent as TMF653 5.0 has it, with role and `partyOrPartyRole`;"
            " `none`: related parties are not sent."
        ),
    )


PLAIN = PayloadForm()  # of every profile that says nothing else, so that it is recognised at once
