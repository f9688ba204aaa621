"""POST and PATCH bodies follow TMF653 and identify the run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.responses import Purpose
from router.runs.changes import find_field_changes
from schemas.characteristic_types import UNTYPED, characteristic_type
from schemas.run_document import (
    Characteristic,
    RelatedParty,
    RequestedMeasure,
    RunDocument,
    ValidityPeriod,
    value_to_json,
)
from schemas.vocabulary import Mode, Phase
from tests.builders.runs import NOON, SINGLE, TREE, a_document, a_run, a_tree
from tests.builders.spokes import a_command, a_spoke, json_of, violations

BUNDLE = TREE.model_copy(update={"payload": "bundle"})
VERSIONS = ["4.0", "4.1", "4.2", "5.0"]
# What a system takes that refuses every property that its version does not name.
CLOSED = {"relationship_encoding": "none", "send_measure_ids": False}
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")  # a name may contain neither
words = st.text(letters, min_size=1, max_size=20).filter(lambda text: text.strip() != "")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
moments = st.none() | st.datetimes(timezones=st.just(UTC))
documents = st.builds(
    a_document,
    words,
    name=words,
    description=st.none() | words,
    mode=st.sampled_from(Mode),
    measures=st.lists(words, max_size=3, unique=True).map(tuple),
    characteristic=st.lists(st.builds(Characteristic, name=words, value=json_values), max_size=3).map(tuple),
    related_party=st.lists(st.builds(RelatedParty, id=words, referred_type=words), max_size=2).map(tuple),
    start_date_time=moments,
    end_date_time=moments,
    valid_for=st.none() | st.builds(ValidityPeriod, start_date_time=moments, end_date_time=moments),
)


def has_types(run: RunDocument) -> bool:
    """Return whether version 5.0 has a type for every value: it has none for a list of several kinds."""
    values = [value_to_json(each.value) for each in run.characteristic]
    return all(value is None or characteristic_type(value) != UNTYPED for value in values)


settings_of_profiles = st.fixed_dictionaries(
    {
        "version": st.sampled_from(VERSIONS),
        "relationship_encoding": st.sampled_from(["native", "extension", "characteristic", "none"]),
        "look_up": st.sampled_from(["name", "external_identifier", "none"]),
        "send_state": st.booleans(),
        "send_measure_ids": st.booleans(),
    }
)


def sent_json(run: RunDocument, decision: Any = SINGLE, parent: Any = None, **profile: Any) -> dict[str, Any]:  # noqa: ANN401
    return json_of(a_spoke(**profile).to_send(a_command(run, decision), parent))


@settings(deadline=None)
@given(run=documents, profile=settings_of_profiles, child=st.booleans())
def test_every_post_is_a_valid_service_test_create(run: RunDocument, profile: dict[str, Any], *, child: bool) -> None:
    parent = a_run("TR-parent", phase=Phase.ACCEPTED) if child else None
    body = sent_json(run, parent=parent, **profile)
    assert violations("ServiceTest_Create", body, profile["version"]) == []
    assert "id" not in body
    assert "href" not in body


@settings(deadline=None)
@given(run=documents.filter(has_types), version=st.sampled_from(VERSIONS))
def test_every_post_is_valid_for_a_system_that_refuses_what_its_version_does_not_name(
    run: RunDocument, version: str
) -> None:
    body = sent_json(run, version=version, **CLOSED)
    assert violations("ServiceTest_Create", body, version, closed=True) == []


@settings(deadline=None)
@given(run=documents.filter(has_types))
def test_every_post_with_the_defaults_of_version_5_is_valid_for_a_strict_system(run: RunDocument) -> None:
    body = sent_json(run, parent=a_run("TR-parent", phase=Phase.ACCEPTED), version="5.0")
    assert violations("ServiceTest_Create", body, "5.0", closed=True) == []


@settings(deadline=None)
@given(documents, documents, settings_of_profiles)
def test_every_patch_is_a_valid_service_test_update(
    old: RunDocument, new: RunDocument, profile: dict[str, Any]
) -> None:
    changes = find_field_changes(old, new)
    call = a_spoke(**profile).to_change(a_run(document=new, phase=Phase.ACCEPTED), changes, "key-1")
    body = json_of(call)
    assert set(body) - {"@type"} == {change.field for change in changes}
    # null deletes a value (RFC 7386); the schema describes values only.
    values = {name: value for name, value in body.items() if value is not None}
    assert violations("ServiceTest_Update", values, profile["version"]) == []
    if has_types(new) or profile["version"] != "5.0":
        assert violations("ServiceTest_Update", values, profile["version"], closed=True) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_list_of_the_children_of_a_run_is_a_valid_service_test_update(version: str) -> None:
    first, second, grandparent = (a_run(run_id, phase=Phase.ACCEPTED) for run_id in ("TR-1", "TR-2", "TR-0"))
    call = a_spoke(version=version).to_name_children(a_run(phase=Phase.ACCEPTED), grandparent, [first, second])
    assert violations("ServiceTest_Update", json_of(call), version, closed=version == "5.0") == []
    roles = [(one["role"], one["id"]) for one in json_of(call)["serviceTestRelationship"]]
    assert roles == [("parent", "ext-TR-0"), ("child", "ext-TR-1"), ("child", "ext-TR-2")]


@settings(deadline=None)
@given(documents, documents, settings_of_profiles)
def test_every_json_patch_is_a_valid_list_of_operations(
    old: RunDocument, new: RunDocument, profile: dict[str, Any]
) -> None:
    changes = find_field_changes(old, new)
    media_types = {"change": "application/json-patch+json"}
    call = a_spoke(**profile, media_types=media_types).to_change(a_run(document=new, sent=old), changes, "key-1")
    operations = orjson.loads(call.body or b"")
    assert violations("JsonPatchOperations", operations, "5.0", closed=True) == []
    assert {operation["path"] for operation in operations} <= {f"/{change.field}" for change in changes}
    assert call.content_type == "application/json-patch+json"


@settings(deadline=None)
@given(documents, st.none() | words)
def test_every_task_that_cancels_is_valid_for_a_strict_system(run: RunDocument, reason: str | None) -> None:
    call = a_spoke(version="5.0").to_cancel(a_run(document=run, phase=Phase.ACCEPTED), reason, "key-1")
    assert (call.method, call.path) == ("POST", "/cancelServiceTest")
    assert violations("CancelServiceTest_Create", json_of(call), "5.0", closed=True) == []


def test_a_post_of_version_5_carries_the_whole_run() -> None:
    run = a_document(
        characteristic=(Characteristic(name="speed", value=100),),
        related_party=(
            RelatedParty(id="C1", referred_type="Customer"),
            RelatedParty(id="I1", referred_type="Individual"),
        ),
    ).model_copy(
        update={
            "test_measure": (
                RequestedMeasure(id="M1", metric_name="rate", definition_id="D1", metric_href="http://m/1"),
                RequestedMeasure(id="M2", metric_name="loss", definition_id="D1"),
            )
        }
    )
    assert sent_json(run, version="5.0") == {
        "name": "Line test TR0001",
        "mode": "ONDEMAND",
        "relatedService": {"id": "PI0001", "@type": "ServiceRef"},
        "testSpecification": {"id": "fibre-line", "@type": "ServiceTestSpecificationRef"},
        "relatedParty": [
            {
                "role": "Customer",
                "partyOrPartyRole": {"id": "C1", "@referredType": "Customer", "@type": "PartyRoleRef"},
                "@type": "RelatedPartyRefOrPartyRoleRef",
            },
            {
                "role": "Individual",
                "partyOrPartyRole": {"id": "I1", "@referredType": "Individual", "@type": "PartyRef"},
                "@type": "RelatedPartyRefOrPartyRoleRef",
            },
        ],
        "characteristic": [{"name": "speed", "value": 100, "@type": "IntegerCharacteristic"}],
        "testMeasure": [
            {
                "testMeasureDefinitionId": "D1",
                "metricName": "rate",
                "metricUri": "http://m/1",
                "@type": "TestMeasure",
            },
            {"metricName": "loss", "@type": "TestMeasure"},
        ],
        "externalIdentifier": [
            {
                "id": "TR0001",
                "owner": "southbound",
                "externalIdentifierType": "testRunId",
                "@type": "ExternalIdentifier",
            }
        ],
        "@type": "ServiceTest",
    }


def test_a_post_carries_the_whole_run() -> None:
    run = a_document(
        description="slow since monday",
        characteristic=(Characteristic(name="url", value="http://example.org", value_type="string"),),
        related_party=(RelatedParty(id="C1", referred_type="Customer", role="customer"),),
        measures=("TM0007",),
        start_date_time=NOON,
        end_date_time=datetime(2026, 11, 23, 12, 30, 0, 250_000, tzinfo=UTC),
        valid_for=ValidityPeriod(end_date_time=NOON),
    )
    assert sent_json(run) == {
        "name": "Line test TR0001",
        "description": "slow since monday",
        "mode": "ONDEMAND",
        "startDateTime": "2026-11-23T12:00:00.000Z",
        "endDateTime": "2026-11-23T12:30:00.250Z",
        "validFor": {"endDateTime": "2026-11-23T12:00:00.000Z"},
        "relatedService": {"id": "PI0001"},
        "testSpecification": {"id": "fibre-line"},
        "relatedParty": [{"id": "C1", "role": "customer", "@referredType": "Customer"}],
        "characteristic": [{"name": "url", "valueType": "string", "value": "http://example.org"}],
        "testMeasure": [{"id": "TM0007", "metricName": "metric TM0007"}],
    }


def test_a_post_goes_to_the_collection() -> None:
    call = a_spoke().to_send(a_command(), None)
    assert (call.purpose, call.method, call.path) == (Purpose.SEND, "POST", "/serviceTest")
    assert call.content_type == "application/json"


def test_measure_ids_are_left_out_for_strict_systems() -> None:
    assert sent_json(a_document(measures=("TM1",)), send_measure_ids=False)["testMeasure"] == [
        {"metricName": "metric TM1"}
    ]


def test_the_state_is_sent_only_where_the_profile_wants_it() -> None:
    assert "state" not in sent_json(a_document())
    assert sent_json(a_document(), send_state=True)["state"] == "acknowledged"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Speed test", "TR0001 Speed test"),
        ("TR0001 Speed test", "TR0001 Speed test"),
        ("Speed test (TR0001)", "Speed test (TR0001)"),
        ("Speed test TR00012", "TR0001 Speed test TR00012"),
        ("Up, down", "TR0001 Up; down"),
    ],
)
def test_the_name_is_unique_and_can_be_filtered_by(name: str, expected: str) -> None:
    assert sent_json(a_document(name=name))["name"] == expected


def test_the_name_stays_as_it_is_where_it_is_not_looked_up() -> None:
    assert sent_json(a_document(name="Up, down"), look_up="none")["name"] == "Up, down"


def test_a_look_up_uses_exactly_the_name_that_was_posted() -> None:
    run, spoke = a_document(name="Speed, up & down"), a_spoke()
    call = spoke.to_look_up(run)
    assert call is not None
    assert (call.method, call.path) == ("GET", "/serviceTest")
    assert call.query == (("name", json_of(spoke.to_send(a_command(run), None))["name"]),)


def test_a_look_up_by_external_identifier_finds_what_the_post_carried() -> None:
    body = sent_json(a_document(), look_up="external_identifier")
    call = a_spoke(look_up="external_identifier").to_look_up(a_document())
    assert body["externalIdentifier"][0]["id"] == "TR0001"
    assert call is not None
    assert call.query == (("externalIdentifier.id", "TR0001"),)


def test_a_profile_without_look_up_makes_no_call() -> None:
    assert a_spoke(look_up="none").to_look_up(a_document()) is None


@pytest.mark.parametrize("encoding", ["native", "extension"])
def test_a_child_refers_to_its_parent_by_the_external_id(encoding: str) -> None:
    parent = a_run("TR0001", phase=Phase.ACCEPTED)
    body = sent_json(a_document("TR0001-1", parent="TR0001"), TREE, parent, relationship_encoding=encoding)
    assert body["serviceTestRelationship"] == [
        {
            "id": "ext-TR0001",
            "relationshipType": "dependency",
            "role": "parent",
            "@type": "ServiceTestRelationship",
            "@referredType": "ServiceTest",
        }
    ]
    assert ("@schemaLocation" in body) == (encoding == "extension")


def test_a_child_has_its_ids_as_characteristics() -> None:
    parent = a_run("TR0001", phase=Phase.ACCEPTED)
    body = sent_json(a_document("TR0001-1", parent="TR0001"), TREE, parent, relationship_encoding="characteristic")
    assert {item["name"]: item["value"] for item in body["characteristic"]} == {
        "testRunId": "TR0001-1",
        "rootTestRunId": "TR0001",
        "parentTestRunId": "TR0001",
        "requestId": "RQ0001",
    }
    assert "serviceTestRelationship" not in body


def test_a_changed_characteristic_does_not_remove_the_ids_we_added() -> None:
    old = a_document(characteristic=(Characteristic(name="url", value="a"),))
    new = a_document(characteristic=(Characteristic(name="url", value="b"),))
    call = a_spoke(relationship_encoding="characteristic").to_change(
        a_run(document=new, phase=Phase.ACCEPTED), find_field_changes(old, new), "k"
    )
    names = [item["name"] for item in json_of(call)["characteristic"]]
    assert names == ["url", "testRunId", "rootTestRunId", "requestId"]


def test_a_child_of_an_unknown_parent_has_no_reference() -> None:
    assert "serviceTestRelationship" not in sent_json(a_document(), TREE, a_run(external_id=None))


def test_a_bundle_nests_the_children_with_our_ids() -> None:
    deep = a_document("TR0001-1-1", root="TR0001", parent="TR0001-1")
    tree = a_tree(children=2)
    body = sent_json(tree.model_copy(update={"children": (*tree.children, deep)}), BUNDLE)
    assert violations("ServiceTest_Create", body) == []
    assert body["@type"] == "HierarchicalServiceTest"
    first, second = body["childServiceTest"]
    assert [document["externalIdentifier"][0]["id"] for document in (body, first, second)] == [
        "TR0001",
        "TR0001-1",
        "TR0001-2",
    ]
    assert first["childServiceTest"][0]["externalIdentifier"][0]["id"] == "TR0001-1-1"
    assert "childServiceTest" not in second


def test_a_patch_contains_only_changed_fields_and_whole_arrays() -> None:
    old = a_document(description="old", related_party=(RelatedParty(id="A", referred_type="Customer"),))
    parties = (*old.related_party, RelatedParty(id="B", referred_type="Customer"))
    new = a_document(related_party=parties)
    call = a_spoke().to_change(a_run(document=new, phase=Phase.ACCEPTED), find_field_changes(old, new), "key-2")
    assert (call.purpose, call.method, call.path) == (Purpose.CHANGE, "PATCH", "/serviceTest/ext-TR0001")
    body = json_of(call)
    assert body["description"] is None
    assert [party["id"] for party in body["relatedParty"]] == ["A", "B"]
    assert set(body) == {"description", "relatedParty"}


@pytest.mark.parametrize("version", ["4.1", "5.0"])
def test_every_patch_has_what_its_system_requires_as_it_was_sent(version: str) -> None:
    trio = ["name", "relatedService", "testSpecification", "description"]
    spoke = a_spoke(version=version, patch_always_has=trio, cancel="patch")
    sent, wanted = a_document(), a_document(name="Renamed TR0001", mode=Mode.PROACTIVE)
    row = a_run(document=wanted, sent=sent, phase=Phase.ACCEPTED)
    posted = json_of(spoke.to_send(a_command(sent), None))
    required = {name: posted[name] for name in ("name", "relatedService", "testSpecification")}
    cancelled = json_of(spoke.to_cancel(row, None, "k"))
    cancelled.pop("@type", None)
    assert cancelled == {"state": "cancelled", **required}
    change = json_of(spoke.to_change(row, find_field_changes(sent, wanted), "k"))
    change.pop("@type", None)
    assert change == {**required, "name": "Renamed TR0001", "mode": "PROACTIVE"}


def test_cancelling_by_patch_uses_the_systems_spelling_of_cancelled() -> None:
    row = a_run(phase=Phase.ACCEPTED)
    assert json_of(a_spoke().to_cancel(row, "no longer needed", "k")) == {"state": "cancelled"}
    spelled = a_spoke(state_spellings={"Aborted": "cancelled"})
    assert json_of(spelled.to_cancel(row, None, "k")) == {"state": "Aborted"}


def test_cancelling_by_delete_has_no_body() -> None:
    call = a_spoke(cancel="delete").to_cancel(a_run(phase=Phase.ACCEPTED), None, "k")
    assert (call.purpose, call.method, call.path, call.body) == (
        Purpose.CANCEL,
        "DELETE",
        "/serviceTest/ext-TR0001",
        None,
    )


def test_an_external_id_cannot_change_the_path() -> None:
    assert a_spoke().to_read("../hub?x=1#y").path == "/serviceTest/..%2Fhub%3Fx%3D1%23y"


@settings(deadline=None)
@given(st.text(alphabet="a1-_ ,;", max_size=8), st.text(alphabet="a1-", min_size=1, max_size=3))
def test_a_unique_name_contains_the_run_id_as_a_word(name: str, run_id: str) -> None:
    run = a_document(run_id, name=f"x{name}")
    sent_name = sent_json(run)["name"]
    word = rf"(?<![\w-]){re.escape(run_id)}(?![\w-])"
    assert re.search(word, sent_name)
    plain_name = " ".join(run.name.replace(",", ";").split())
    assert (sent_name == plain_name) == bool(re.search(word, plain_name))
