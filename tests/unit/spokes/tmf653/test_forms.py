"""The content of a run is written in the form of its profile, and what a system shows of it is recognised."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.conventions.payload_form import PLAIN
from router.responses import HttpResponse
from router.runs.changes import find_field_changes
from schemas.run_document import Characteristic, RelatedParty, RequestedMeasure
from tests.builders.runs import a_document, a_run
from tests.builders.spokes import a_command, a_profile, a_spoke, json_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text("ab1 "),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=3),
    max_leaves=6,
)
PARTY = RelatedParty(id="7", referred_type="Organization", name="North", role="owner")


def test_a_profile_that_says_nothing_has_the_plain_form() -> None:
    assert a_profile().payload is PLAIN


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (0.5, "0.5"), (7, "7"), ("x", "x"), ([1], "[1]"), (None, None)]
)
def test_values_are_sent_as_texts(value: Any, text: str | None) -> None:  # noqa: ANN401 - any value
    run = a_document(characteristic=(Characteristic(name="c", value=value, value_type="number"),))
    body = json_of(a_spoke(payload={"value_type": "text"}).to_send(a_command(run), None))
    assert body["characteristic"] == [{"name": "c", "value": text}]


@given(value=JSON)
def test_what_was_sent_in_any_form_is_recognised_when_it_is_shown(value: object) -> None:
    for form in ({"value_type": "text", "value_form": "alias"}, {"value_form": "alias"}, {"value_type": "text"}):
        spoke = a_spoke(payload=form)
        row = a_run(document=a_document(characteristic=(Characteristic(name="c", value=value),)))
        changes = find_field_changes(a_document(), row.requested)
        shown = {"id": row.external_id, **json_of(spoke.to_change(row, changes, "key"))}
        response = HttpResponse(status=200, body=orjson.dumps(shown))
        assert spoke.contradictions(response, row, changes) == ()


def test_measures_are_left_out_or_carry_their_definition() -> None:
    measure = RequestedMeasure(id="TM1", metric_name="loss", definition_id="D-7")
    command = a_command(a_document().model_copy(update={"test_measure": (measure,)}))
    assert "testMeasure" not in json_of(a_spoke(payload={"measures": False}).to_send(command, None))
    (sent,) = json_of(a_spoke(payload={"definition_ids": True}).to_send(command, None))["testMeasure"]
    assert sent == {"id": "TM1", "metricName": "loss", "testMeasureDefinitionId": "D-7"}


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("reference", [{"id": "7", "name": "North", "role": "owner", "@referredType": "Organization"}]),
        (
            "partyOrPartyRole",
            [
                {
                    "role": "owner",
                    "partyOrPartyRole": {
                        "id": "7",
                        "name": "North",
                        "@referredType": "Organization",
                        "@type": "PartyRef",
                    },
                    "@type": "RelatedPartyRefOrPartyRoleRef",
                }
            ],
        ),
        ("none", None),
    ],
)
def test_related_parties_are_written_as_the_profile_says(form: str, sent: object) -> None:
    command = a_command(a_document(related_party=(PARTY,)))
    assert json_of(a_spoke(payload={"related_party": form}).to_send(command, None)).get("relatedParty") == sent
