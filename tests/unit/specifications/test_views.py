"""A specification is one resource with two forms, and neither loses what the other one has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.specifications.checks import check_specification
from router.specifications.views import as_version_4, as_version_5, from_version_5
from southbound.simulator.tmf_definition import official_definition
from tests.builders.specifications import a_definition, a_specification_document

PERIOD = {"startDateTime": "2026-01-31T09:35:43Z"}
OLDER = a_specification_document(
    "fibre-line",
    a_definition(
        "TM-1",
        metricHref="urn:m:1",
        thresholdRule=[{"conformanceTargetLower": "1", "consequence": [{"name": "call"}]}],
        specCharacteristic=[{"name": "port"}],
    ),
    serviceTestSpecRelationship=[{"id": "copper-line", "relationshipType": "substitution", "validFor": PERIOD}],
    relatedParty=[{"id": "P1", "@referredType": "Customer", "name": "Ann", "role": "owner"}],
    specCharacteristic=[
        {
            "name": "technology",
            "charSpecRelationship": [{"name": "speed", "relationshipType": "dependency"}],
            "characteristicValueSpecification": [
                {"value": value} for value in ("fibre", 7, 1.5, True, {"a": 1}, ["a"], None)
            ],
        }
    ],
    attachment=[{"name": "plan", "url": "urn:plan"}, {"id": "A1", "@referredType": "Attachment"}],
    constraint=[{"id": "C1"}],
    entitySpecRelationship=[{"relationshipType": "dependency", "associationSpec": {"id": "S1"}}],
    validFor=PERIOD,
    note={"kept": [1, None]},
)


def test_version_5_has_its_names_its_nesting_and_a_type_of_every_part() -> None:
    shown: dict[str, Any] = as_version_5(OLDER)
    assert "serviceTestSpecRelationship" not in shown
    [relationship] = shown["serviceTestSpecificationRelationship"]
    assert relationship["@type"] == "ServiceTestSpecificationRelationship"
    assert shown["relatedParty"] == [
        {
            "role": "owner",
            "partyOrPartyRole": {
                "id": "P1",
                "@referredType": "Customer",
                "name": "Ann",
                "@type": "PartyRoleRef",
            },
            "@type": "RelatedPartyRefOrPartyRoleRef",
        }
    ]
    [measure] = shown["testMeasureDefinition"]
    assert (measure["metricUri"], measure["@type"]) == ("urn:m:1", "TestMeasureDefinition")
    [rule] = measure["thresholdRule"]
    assert (rule["@type"], rule["consequence"][0]["@type"]) == (
        "MetricDefMeasureThresholdRule",
        "MetricDefMeasureConsequence",
    )
    assert measure["specCharacteristic"][0]["@type"] == "CharacteristicSpecification"
    [characteristic] = shown["specCharacteristic"]
    assert characteristic["charSpecRelationship"][0]["@type"] == "CharacteristicSpecificationRelationship"
    kinds = [each["@type"] for each in characteristic["characteristicValueSpecification"]]
    assert [kind.removesuffix("CharacteristicValueSpecification") for kind in kinds] == [
        *("String", "Integer", "Number", "Boolean", "Object", "StringArray", "")
    ]
    assert [each["@type"] for each in shown["attachment"]] == ["Attachment", "AttachmentRef"]
    assert shown["constraint"][0]["@type"] == "ConstraintRef"
    assert shown["relatedServiceSpecification"][0]["@type"] == "ServiceSpecificationRef"
    assert shown["entitySpecRelationship"][0]["associationSpec"]["@type"] == "AssociationSpecificationRef"
    assert "@type" not in shown["validFor"]


def test_what_version_5_shows_is_read_back_as_it_was_and_version_4_shows_it_unchanged() -> None:
    assert from_version_5(as_version_5(OLDER)) == OLDER
    assert as_version_4(OLDER) == OLDER
    assert as_version_4(as_version_5(OLDER)).keys() == OLDER.keys()


def test_a_document_that_was_applied_in_the_form_of_version_5_has_both_forms() -> None:
    newer = as_version_5(OLDER)
    check_specification(newer)
    assert as_version_5(newer) == newer
    shown: dict[str, Any] = as_version_4(newer)
    assert shown["relatedParty"] == OLDER["relatedParty"]
    assert shown["serviceTestSpecRelationship"][0]["id"] == "copper-line"
    assert "metricUri" not in shown["testMeasureDefinition"][0]
    resource = {**shown, "href": "http://x"}
    assert official_definition("4.2").violations("ServiceTestSpecification", resource) == ()


@pytest.mark.parametrize(
    ("kind", "referred"), [("PartyRef", "Party"), ("PartyRoleRef", "PartyRole"), ("PartyRef", "Customer")]
)
def test_version_4_has_the_type_of_a_party_that_version_5_need_not_have(kind: str, referred: str) -> None:
    reference = {"id": "P1", "@type": kind} | ({"@referredType": referred} if referred == "Customer" else {})
    party = {"partyOrPartyRole": reference, "role": "owner", "@type": "RelatedPartyRefOrPartyRoleRef"}
    stored = from_version_5(a_specification_document(relatedParty=[party]))
    older: dict[str, Any] = as_version_4(stored)
    [shown] = older["relatedParty"]
    assert (shown["id"], shown["role"], shown["@referredType"]) == ("P1", "owner", referred)
    assert as_version_5(stored)["relatedParty"] == [party]


def test_a_type_of_its_own_is_kept() -> None:
    party = {"id": "P1", "@referredType": "Individual"}
    document = a_specification_document(
        "x", a_definition("TM-1", **{"@type": "LineMeasure"}), relatedParty=[party], **{"@type": "LineTest"}
    )
    shown: dict[str, Any] = as_version_5(document)
    assert (shown["@type"], shown["testMeasureDefinition"][0]["@type"]) == ("LineTest", "LineMeasure")
    assert from_version_5(shown)["testMeasureDefinition"] == document["testMeasureDefinition"]


def test_the_type_of_a_value_follows_the_value_that_the_other_version_wrote() -> None:
    value = {"value": 7, "@type": "StringCharacteristicValueSpecification"}
    document = a_specification_document(specCharacteristic=[{"name": "x", "characteristicValueSpecification": [value]}])
    newer: dict[str, Any] = as_version_5(document)
    [shown] = newer["specCharacteristic"]
    assert shown["characteristicValueSpecification"][0]["@type"] == "IntegerCharacteristicValueSpecification"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted({*OLDER, "serviceTestSpecificationRelationship", "targetEntitySchema"}))


@given(st.dictionaries(NAMES, JSON, max_size=5))
def test_a_form_is_made_of_anything_that_was_ever_stored_and_making_it_again_changes_nothing(
    change: dict[str, Any],
) -> None:
    document = OLDER | change
    for form in (as_version_4, as_version_5, from_version_5):
        made = form(document)
        assert form(made) == made
    assert from_version_5(as_version_5(document)) == from_version_5(document)
