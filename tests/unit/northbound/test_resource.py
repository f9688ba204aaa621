"""What is shown of a run is what was ordered and what is known of it, in every version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.api.openapi.service_test import service_test_schemas
from router.northbound.api_version import ApiVersion
from router.northbound.errors import ApiRefusedError
from router.northbound.order import OrderEventKind, OrderRefusal, RunView
from router.northbound.resource import OUR_PREFIX, select_fields, to_resource
from router.northbound.service_test_body import BodyReader
from router.runs.ids import requested_measure_id
from schemas.results import Reason
from schemas.run_document import JsonText, RunDocument
from schemas.vocabulary import Mode
from tests.builders.orders import an_order
from tests.builders.runs import NOON, a_document, a_run
from tests.builders.spokes import violations
from tests.generators.run_rows import documents, run_rows

if TYPE_CHECKING:
    from router.runs.run import RunRow

READER = {
    version: BodyReader(version=version, tenant=None, run_id_of=lambda own: f"run of {own}", max_depth=5)
    for version in ApiVersion
}
GENERATED = requested_measure_id("R1", "speed", "urn:x")


def validator_of(version: ApiVersion, name: str) -> Any:  # noqa: ANN401 - jsonschema_rs has no types
    schemas = service_test_schemas(version)
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    )


SHOWN = {version: validator_of(version, "ServiceTestV5" if version.is_v5 else "ServiceTest") for version in ApiVersion}


@pytest.mark.parametrize("blank", [None, "", " "])
@pytest.mark.parametrize(("definition", "expected"), [("D1", "D1"), (None, GENERATED), (" ", GENERATED)])
def test_a_measure_with_a_blank_id_gets_one(blank: str | None, definition: str | None, expected: str) -> None:
    measure = {"id": blank, "testMeasureDefinitionId": definition, "metricName": "speed", "metricHref": "urn:x"}
    body = {"name": "n", "relatedService": {"id": "s"}, "testSpecification": {"id": "t"}, "testMeasure": [measure]}
    runs = READER[ApiVersion.V5].read_order(body, "R1")
    assert [measure.id for measure in runs.document.test_measure] == [expected]


@given(run_rows(), st.sampled_from(ApiVersion))
def test_any_run_is_shown_as_the_openapi_document_describes(row: RunRow, version: ApiVersion) -> None:
    order = an_order(document=row.requested, external_id="SN-1")
    refusal = OrderRefusal(order.event_id, (Reason(code="NO_SPOKE", message="none"),), NOON)
    refused = replace(order, event_kind=OrderEventKind.CHANGED, refusal=refusal)
    for view in (
        RunView(row=row, order=None),
        *[RunView(row=each, order=one) for each in (row, None) for one in (order, refused)],
    ):
        shown = json.loads(json.dumps(to_resource(view, version, "http://here")))
        SHOWN[version].validate(shown)
        assert shown["href"].isascii()


@given(documents(), st.sampled_from(ApiVersion))
def test_what_is_shown_reads_back_as_what_was_ordered(document: RunDocument, version: ApiVersion) -> None:
    kept = document.model_copy(update={"children": (), "tenant": None})
    if kept.mode is Mode.UNKNOWN or any(_is_ours(each.name) for each in kept.characteristic):
        return
    shown = to_resource(RunView(row=None, order=an_order(document=kept)), version)
    assert _plain(READER[version].read_document(shown, kept)) == _plain(kept)


def _is_ours(name: str) -> bool:
    return name.startswith(OUR_PREFIX) or name in {"parentTestRunId", "rootTestRunId"}


def _plain(document: RunDocument) -> Any:  # noqa: ANN401 - JSON
    """Return a document as JSON, in which equal JSON values are equal texts."""
    plain = json.loads(document.model_dump_json())
    for characteristic in plain["characteristic"]:
        if isinstance(characteristic["value"], dict):
            characteristic["value"] = json.loads(characteristic["value"]["json_text"])
    return plain


field_names = st.text(max_size=4) | st.just("json_text")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("json_text"), inner, max_size=3)
    ),
    max_leaves=6,
)
BODY_NAMES = (
    "name",
    "id",
    "description",
    "mode",
    "state",
    "relatedService",
    "testSpecification",
    "characteristic",
    "relatedParty",
    "testMeasure",
    "startDateTime",
    "childServiceTest",
    "serviceTestRelationship",
    "externalIdentifier",
)
odd_bodies = st.dictionaries(st.sampled_from(BODY_NAMES), json_values, max_size=6)


@given(odd_bodies, st.sampled_from(ApiVersion))
def test_any_body_is_read_or_refused_with_a_place_in_it(odd: dict[str, Any], version: ApiVersion) -> None:
    valid = {"name": "n", "relatedService": {"id": "S"}, "testSpecification": {"id": "T"}}
    for body in (odd, valid | odd):
        try:
            read = READER[version].read_order(body, "run")
        except ApiRefusedError as error:
            refused = (error.status, {mistake.pointer[:1] for mistake in error.mistakes})
            sentences = " ".join(mistake.sentence for mistake in error.mistakes)
        else:
            refused, sentences = (400, set()), ""
            assert RunDocument.model_validate_json(read.document.model_dump_json()) == read.document
        assert refused[0] == 400
        assert refused[1] <= {"", "/"}
        assert "Input should" not in sentences  # the words of pydantic


@pytest.mark.parametrize(
    ("part", "pointer", "sentence"),
    [
        ({"startDateTime": [1]}, "/startDateTime", "must be a date and time such as 2026-01-31T09:35:43Z"),
        ({"startDateTime": "2026-13-01T00:00:00Z"}, "/startDateTime", "month value is outside expected range of 1-12"),
        ({"relatedService": {"id": "S", "@referredType": 5}}, "/relatedService/@referredType", "must be a text"),
    ],
)
def test_a_mistake_is_named_in_the_words_and_at_the_place_of_the_client(
    part: dict[str, Any], pointer: str, sentence: str
) -> None:
    body = {"name": "n", "relatedService": {"id": "S"}, "testSpecification": {"id": "T"}} | part
    with pytest.raises(ApiRefusedError) as refused:
        READER[ApiVersion.V4_2].read_order(body, "run")
    (mistake,) = refused.value.mistakes
    assert mistake.pointer == pointer
    assert sentence in mistake.sentence


@given(json_values)
def test_any_value_of_a_characteristic_is_shown_as_it_was_sent(value: object) -> None:
    body = {
        "name": "n",
        "relatedService": {"id": "S"},
        "testSpecification": {"id": "T"},
        "characteristic": [{"name": "c", "value": value}],
    }
    document = READER[ApiVersion.V4_1].read_order(body, "run").document
    stored = RunDocument.model_validate_json(document.model_dump_json())
    shown: Any = to_resource(RunView(row=None, order=an_order(document=stored)), ApiVersion.V4_1)
    assert shown["characteristic"][0]["value"] == value


def test_a_value_that_looks_like_our_mark_of_json_text_is_kept() -> None:
    body = {
        "name": "n",
        "relatedService": {"id": "S"},
        "testSpecification": {"id": "T"},
        "characteristic": [{"name": "c", "value": {"json_text": "no JSON"}}],
    }
    document = READER[ApiVersion.V4_1].read_order(body, "run").document
    assert document.characteristic[0].value == JsonText(json_text='{"json_text":"no JSON"}')


@given(run_rows(), st.sampled_from([ApiVersion.V4_1, ApiVersion.V4_2]))
def test_a_shown_run_is_a_service_test_of_the_official_definition(row: RunRow, version: ApiVersion) -> None:
    shown = json.loads(json.dumps(to_resource(RunView(row=row, order=None), version, "http://here")))
    for measure in shown.get("testMeasure", ()):
        measure.pop("metricHref", None)  # a URI if the test system sends one
    assert violations("ServiceTest", shown, version.value) == []


def test_fields_select_and_always_identify() -> None:
    shown = to_resource(RunView(row=a_run(), order=None), ApiVersion.V4_1)
    assert select_fields(shown, frozenset({"name"})).keys() == {"id", "href", "@type", "name"}
    assert select_fields(shown, None) == shown


def test_a_change_on_its_way_is_shown_until_it_is_processed() -> None:
    newer = a_document(version=2, name="newer")
    change = an_order(document=newer, event_kind=OrderEventKind.CHANGED, event_id="E2")
    row = a_run(document=a_document(name="older"))
    assert RunView(row=row, order=change).document == newer
    done = a_run(document=a_document(name="older"), processed_events=("E2 led to refused 2",))
    assert RunView(row=done, order=change).document.name == "older"
