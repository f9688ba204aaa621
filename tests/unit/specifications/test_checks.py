"""A specification that is written is refused with the place of everything that TMF653 does not allow."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.specifications.checks import check_specification
from router.specifications.definition import MAX_MISTAKES, SpecificationError, read_specification
from router.specifications.tmf_types import MAX_TEXT_LENGTH, PARTY, ROOT, TYPES, Leaf
from southbound.simulator.tmf_definition import DEFINITION_FILES, find_definition
from tests.builders.specifications import a_definition, a_specification_document

# The names that version 4 has for our types, where they differ, and what is beside its attributes.
ONLY_OURS = {
    ROOT: {"expectedDuration", "timeOut"},
    "TestMeasureDefinition": {"id", "metricUri", "specCharacteristic", "mandatory"},
    "MetricDefMeasureThresholdRule": {"id"},
    "MetricDefMeasureConsequence": {"id"},
    "TargetEntitySchema": set(),
}
LEAVES_OF_SWAGGER = {
    ("string", None): {Leaf.TEXT, Leaf.NAME, Leaf.ID},
    ("string", "uri"): {Leaf.TEXT},
    ("string", "base64"): {Leaf.CONTENT},
    ("string", "date-time"): {Leaf.MOMENT},
    ("boolean", None): {Leaf.BOOLEAN, Leaf.FLAG},
    ("integer", None): {Leaf.WHOLE, Leaf.COUNT},
    ("number", "float"): {Leaf.ANY},
}


def a_rule(**fields: object) -> dict[str, Any]:
    return {"testMeasureDefinition": [a_definition("TM-1", thresholdRule=[fields])]}


def a_characteristic(**fields: object) -> dict[str, Any]:
    return {"specCharacteristic": [{"name": "technology", **fields}]}


@pytest.mark.parametrize("version", ["4.1", "4.2"])
def test_every_attribute_of_the_official_definition_is_checked_by_its_type(version: str) -> None:
    definitions = orjson.loads(find_definition(file=DEFINITION_FILES[version]).read_bytes())["definitions"]
    for name, tmf_type in TYPES.items():
        official = definitions[name]["properties"]
        assert set(tmf_type.attributes) - set(official) == ONLY_OURS.get(name, set()), name
        assert set(official) <= set(tmf_type.attributes), name
        for attribute, property_ in official.items():
            ours = tmf_type.attributes[attribute]
            inner = property_.get("items", property_)
            assert (ours.most is not None) == (property_.get("type") == "array"), (name, attribute)
            if inner.get("$ref") == "#/definitions/Duration":
                assert ours.of in {Leaf.PERIOD, Leaf.DURATION}
            elif "$ref" in inner:
                assert inner["$ref"].rpartition("/")[2] in {ours.of, "Any"}, (name, attribute)
            else:
                assert ours.of in LEAVES_OF_SWAGGER[inner["type"], inner.get("format")], (name, attribute)
        assert {*definitions[name].get("required", ())} <= {
            attribute for attribute, ours in tmf_type.attributes.items() if ours.required
        }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": None}, "/id: is missing"),
        ({"id": " "}, "/id: is missing"),
        ({"id": "x" * 201}, "/id: may have 200 characters, and has 201"),
        ({"name": ""}, "/name: is missing"),
        ({"name": ["x"]}, "/name: must be a text"),
        ({"description": {"text": "x"}}, "/description: must be a text"),
        ({"description": "x" * 4001}, "/description: may have 4,000 characters, and has 4,001"),
        ({"isBundle": "perhaps"}, "/isBundle: must be true or false"),
        ({"isBundle": 1}, "/isBundle: must be true or false"),
        ({"validFor": "2026"}, "/validFor: must be an object"),
        ({"validFor": {"startDateTime": "yesterday"}}, "/validFor/startDateTime: must be a date and time such as"),
        ({"validFor": {"startDateTime": "2026-02-30T00:00:00Z"}}, "/validFor/startDateTime: must be a date and time"),
        ({"validFor": {"startDateTime": "2026-01-31"}}, "/validFor/startDateTime: must be a date and time such as"),
        (
            {"validFor": {"startDateTime": "2026-02-01T00:00:00Z", "endDateTime": "2026-01-31T23:00:00-00:30"}},
            "/validFor/endDateTime: is before startDateTime",
        ),
        ({"relatedServiceSpecification": []}, "/relatedServiceSpecification: is missing"),
        ({"relatedServiceSpecification": {"id": "x"}}, "/relatedServiceSpecification: must be a list"),
        ({"relatedServiceSpecification": [{"href": "x"}]}, "/relatedServiceSpecification/0/id: is missing"),
        ({"relatedParty": [{"id": "x"}]}, "/relatedParty/0/@referredType: is missing"),
        ({"relatedParty": [{"partyOrPartyRole": {"name": "x"}}]}, "/relatedParty/0/partyOrPartyRole/id: is missing"),
        (
            {"relatedParty": [{"partyOrPartyRole": {"id": "x"}, "name": "y"}]},
            "/relatedParty/0/name: is not kept beside partyOrPartyRole",
        ),
        ({"attachment": None}, "/attachment: must be a list"),
        ({"attachment": [7]}, "/attachment/0: must be an object"),
        ({"attachment": [{}] * 201}, "/attachment: may have 200 entries, and has 201"),
        ({"constraint": [{"name": "x"}]}, "/constraint/0/id: is missing"),
        ({"serviceTestSpecRelationship": [{"id": "x"}]}, "/serviceTestSpecRelationship/0/relationshipType: is missing"),
        (
            {"serviceTestSpecificationRelationship": [{"id": "x"}]},
            "/serviceTestSpecificationRelationship/0/relationshipType: is missing",
        ),
        (
            {"serviceTestSpecRelationship": [], "serviceTestSpecificationRelationship": []},
            "/serviceTestSpecificationRelationship: is the name that version 5 has for serviceTestSpecRelationship",
        ),
        ({"targetEntitySchema": {"@type": "x"}}, "/targetEntitySchema/@schemaLocation: is missing"),
        ({"expectedDuration": {"amount": -3, "units": "days"}}, "/expectedDuration/amount: must not be negative"),
        ({"expectedDuration": {"units": "days"}}, "/expectedDuration/amount: is missing"),
        ({"timeOut": {"amount": 3, "units": "moons"}}, "/timeOut/units: must be one of seconds, minutes, hours, days"),
        ({"timeOut": "3 moons"}, "/timeOut/units: must be one of seconds, minutes, hours, days"),
        ({"timeOut": {"amount": 10**13, "units": "days"}}, "/timeOut/amount: must be at most 1,000,000,000,000"),
        ({"testMeasureDefinition": [{}]}, "/testMeasureDefinition/0/metricName: is missing, and so is the name"),
        ({"testMeasureDefinition": [{"name": "x"}] * 2}, "/testMeasureDefinition/1: has the id 'x', as"),
        (
            {"testMeasureDefinition": [{"name": "x", "capturePeriod": {"amount": "-1"}}]},
            "/testMeasureDefinition/0/capturePeriod/amount: must not be negative",
        ),
        (
            {"testMeasureDefinition": [{"name": "x", "metricHref": "a", "metricUri": "b"}]},
            "/testMeasureDefinition/0/metricUri: is another address than metricHref",
        ),
        (
            {"testMeasureDefinition": [{"name": "x", "specCharacteristic": [{"valueType": "y"}]}]},
            "/testMeasureDefinition/0/specCharacteristic/0/name: is missing",
        ),
        (a_characteristic(minCardinality=2, maxCardinality=1), "/specCharacteristic/0/minCardinality: is greater than"),
        (a_characteristic(minCardinality=-1), "/specCharacteristic/0/minCardinality: must not be negative"),
        (a_characteristic(isUnique="x"), "/specCharacteristic/0/isUnique: must be true or false"),
        (
            a_characteristic(characteristicValueSpecification=[{"valueFrom": "9", "valueTo": 1}]),
            "/specCharacteristic/0/characteristicValueSpecification/0/valueFrom: is greater than valueTo",
        ),
        (
            a_characteristic(
                characteristicValueSpecification=[{"@type": "IntegerCharacteristicValueSpecification", "value": "x"}]
            ),
            "/specCharacteristic/0/characteristicValueSpecification/0/@type: is 'IntegerCharacteristicValueSpecif",
        ),
        ({"specCharacteristic": [{"name": "x"}, {"name": "x"}]}, "/specCharacteristic/1/name: is 'x', as in"),
        (a_rule(), "/testMeasureDefinition/0/thresholdRule/0: has no target"),
        (
            a_rule(conformanceTargetLower="10", conformanceTargetUpper=9.5),
            "/testMeasureDefinition/0/thresholdRule/0/conformanceTargetLower: is greater than conformanceTargetUpper",
        ),
        (
            a_rule(conformanceTargetLower="1", conformanceComparatorUpper="less than"),
            "/testMeasureDefinition/0/thresholdRule/0/conformanceComparatorUpper: compares with nothing",
        ),
        (
            a_rule(conformanceTargetLower="1", conformanceComparatorExact=True),
            "/testMeasureDefinition/0/thresholdRule/0/conformanceComparatorExact: compares with nothing",
        ),
        (
            a_rule(conformanceTargetLower="1", numberOfAllowedCrossing=-1),
            "/testMeasureDefinition/0/thresholdRule/0/numberOfAllowedCrossing: must not be negative",
        ),
        (
            a_rule(conformanceTargetLower="1", consequence=[{"repeatAction": "often"}]),
            "/testMeasureDefinition/0/thresholdRule/0/consequence/0/repeatAction: must be true or false",
        ),
        ({"note": {"a": ["x\x00"]}}, "/note/a/0: holds a NUL character"),
        ({"note": "\ud800"}, "/note: holds a NUL character (U+0000), or half of a character"),
        ({"note": {1: "x"}}, "/note: has a name that is no text"),
        ({"note": 2**64}, "/note: 64 bits do not hold the number"),
        ({"note": float("inf")}, "/note: must be a finite number"),
    ],
)
def test_a_mistake_is_named_by_its_place_in_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        check_specification(a_specification_document() | change)
    assert len(caught.value.sentences) == 1
    assert caught.value.sentences[0].startswith(sentence)


def nested(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


def test_what_is_nested_too_deeply_is_refused_with_a_short_pointer() -> None:
    check_specification(a_specification_document(note=nested(63)))
    for levels in (64, 100_000):
        with pytest.raises(SpecificationError) as caught:
            check_specification(a_specification_document(note=nested(levels)))
        [sentence] = caught.value.sentences
        assert sentence == "/note" + "/0" * 11 + ": is nested more than 64 levels deep: flatten it"


def test_no_more_mistakes_are_searched_than_people_read() -> None:
    with pytest.raises(SpecificationError) as caught:
        check_specification(a_specification_document(testMeasureDefinition=[{"metricName": [1]}] * 500, attachment=[7]))
    assert len(caught.value.sentences) == MAX_MISTAKES


def test_what_servicenow_writes_is_taken() -> None:
    rule = {
        "conformanceTargetLower": 2500,
        "conformanceTargetUpper": "",
        "conformanceComparatorLower": "greater than",
        "conformanceComparatorUpper": "",
        "conformanceComparatorExact": "false",
        "numberOfAllowedCrossing": "0",
        "tolerancePeriod": "15 Minutes",
        "consequence": [{"id": "c", "repeatAction": "0", "validFor": {"startDateTime": ""}}],
    }
    measure = a_definition("TM-1", capturePeriod="2 weeks", thresholdRule=[rule])
    [read] = check_specification(a_specification_document("x", measure, validFor=None)).test_measure
    assert read.threshold_rule[0].tolerance_seconds == 900


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def objects_of(type_name: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with attributes of a type, each as it should be or any other JSON."""
    optional = {
        name: JSON if depth == 0 else JSON | values_of(attribute.of, attribute.most, depth)
        for name, attribute in TYPES[type_name].attributes.items()
    }
    return st.fixed_dictionaries({}, optional=optional)


def values_of(of: Leaf | str, most: int | None, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(of, Leaf):
        return st.text(max_size=3)
    inner = objects_of(of, depth - 1)
    return inner if most is None else st.lists(inner, max_size=2)


@given(objects_of(ROOT, 2))
def test_any_document_is_taken_or_refused_with_sentences_and_what_is_taken_can_be_read(change: dict[str, Any]) -> None:
    document, applied = a_specification_document() | change, None
    sentences: tuple[str, ...] = ()
    try:
        applied = check_specification(document)
    except SpecificationError as error:
        sentences = error.sentences
    assert (applied is None) == bool(sentences)
    assert all(sentence.startswith("/") for sentence in sentences)
    if applied is not None:
        assert read_specification(orjson.loads(orjson.dumps(document))) == applied


def test_every_type_is_reached_and_every_text_is_bounded() -> None:
    used = {attribute.of for tmf_type in TYPES.values() for attribute in tmf_type.attributes.values()}
    assert {*TYPES} - used == {ROOT}
    assert PARTY in used
    long = "x" * (MAX_TEXT_LENGTH + 1)
    for name, attribute in TYPES[ROOT].attributes.items():
        if attribute.of is Leaf.TEXT:
            with pytest.raises(SpecificationError, match=f"^/{name}: may have 4,000 characters"):
                check_specification(a_specification_document() | {name: long})
