"""A `ServiceTestSpecification` is read with the fields that a run takes, or refused with the place of each mistake."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.specifications.definition import MAX_MISTAKES, SpecificationError, read_specification
from schemas.run_document import AppliedSpecification, JsonText, RequestedMeasure, ThresholdRule
from tests.builders.specifications import a_definition, a_specification, a_specification_document


def test_a_measure_has_the_id_of_its_definition() -> None:
    specification = a_specification("fibre-line", {"id": "MD-1", "name": "Speed", "metricName": "downstream"})
    assert specification.test_measure == (RequestedMeasure(id="MD-1", definition_id="MD-1", metric_name="downstream"),)


@pytest.mark.parametrize(
    ("definition", "measure_id", "metric_name"),
    [
        ({"name": "Speed", "metricName": "downstream"}, "Speed", "downstream"),
        ({"metricName": "downstream"}, "downstream", "downstream"),
        ({"name": "Speed"}, "Speed", "Speed"),
        ({"id": "", "name": " ", "metricName": "downstream"}, "downstream", "downstream"),
    ],
)
def test_a_definition_of_tmf653_v4_which_has_no_id_names_its_measure_itself(
    definition: dict[str, Any], measure_id: str, metric_name: str
) -> None:
    [measure] = a_specification("fibre-line", definition).test_measure
    assert (measure.id, measure.metric_name, measure.definition_id) == (measure_id, metric_name, None)


def test_units_thresholds_and_duration_are_read() -> None:
    rule = {
        "name": "tooSlow",
        "thresholdRuleSeverity": "high",
        "conformanceTargetLower": "250",
        "conformanceComparatorLower": "less than",
        "conformanceComparatorExact": False,
        "numberOfAllowedCrossing": 2,
        "tolerancePeriod": {"amount": 15, "units": "Minutes"},
    }
    definition = a_definition("TM-1", unitOfMeasure="Mbit/s", metricUri="urn:m:1", mandatory=False)
    definition["thresholdRule"] = [rule]
    specification = a_specification("fibre-line", definition, expectedDuration={"amount": 3, "units": "minutes"})
    [measure] = specification.test_measure
    assert (measure.unit_of_measure, measure.metric_href, measure.mandatory) == ("Mbit/s", "urn:m:1", False)
    assert measure.threshold_rule == (
        ThresholdRule(
            name="tooSlow",
            severity="high",
            conformance_target_lower="250",
            conformance_comparator_lower="less than",
            conformance_comparator_exact=False,
            number_of_allowed_crossing=2,
            tolerance_seconds=900,
        ),
    )
    assert specification.expected_duration == 180


def test_servicenows_empty_texts_and_numbers_as_text_are_understood() -> None:
    rule = {"conformanceTargetLower": 250, "numberOfAllowedCrossing": "0", "tolerancePeriod": "", "description": ""}
    [measure] = a_specification("fibre-line", a_definition("TM-1", metricHref="", thresholdRule=[rule])).test_measure
    assert measure.metric_href is None
    assert measure.threshold_rule == (ThresholdRule(conformance_target_lower="250", number_of_allowed_crossing=0),)


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ([{"value": "fibre"}], "fibre"),
        ([{"value": "fibre"}, {"value": "copper", "isDefault": True}], "copper"),
        ([{"value": 1}, {"value": 2}], JsonText(json_text="[1,2]")),
        ([{"value": {"vlan": 7}}], JsonText(json_text='{"vlan":7}')),
        ([], None),
    ],
)
def test_a_characteristic_has_its_default_value_else_its_only_one_else_all(values: list[Any], value: object) -> None:
    characteristic = {"name": "technology", "valueType": "string", "characteristicValueSpecification": values}
    [read] = a_specification("fibre-line", specCharacteristic=[characteristic]).characteristic
    assert (read.name, read.value, read.value_type) == ("technology", value, "string")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": None}, "/name: must be a text"),
        ({"relatedServiceSpecification": []}, "/relatedServiceSpecification: must have at least 1 entry"),
        ({"relatedServiceSpecification": [{"name": "x"}]}, "/relatedServiceSpecification/0/id: is missing"),
        ({"testMeasureDefinition": [{"unitOfMeasure": "s"}]}, "/testMeasureDefinition/0/metricName: is missing, and"),
        ({"testMeasureDefinition": [{"id": "a", "name": "x"}] * 2}, "/testMeasureDefinition/1: has the id 'a', as"),
        ({"testMeasureDefinition": [{"name": "x"}] * 501}, "/testMeasureDefinition: must have at most 500 entries"),
        (
            {"expectedDuration": {"amount": 3, "units": "moons"}},
            "/expectedDuration/units: must be seconds, minutes",
        ),
        ({"expectedDuration": {"amount": -1, "units": "days"}}, "/expectedDuration/amount: must be greater"),
        ({"id": "a\nb"}, "/id: holds a control character"),
    ],
)
def test_a_mistake_is_named_with_its_place(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        read_specification(a_specification_document() | change)
    assert caught.value.sentences[0].startswith(sentence)


def test_no_error_names_more_mistakes_than_people_read() -> None:
    with pytest.raises(SpecificationError) as caught:
        read_specification(a_specification_document(testMeasureDefinition=[{"metricName": [1]}] * 500))
    assert len(caught.value.sentences) == MAX_MISTAKES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted({*a_specification_document(), "specCharacteristic", "expectedDuration", "@type"}))


@given(st.dictionaries(FIELDS, JSON, max_size=4))
def test_any_json_object_is_read_or_refused_with_sentences(change: dict[str, object]) -> None:
    sentences: tuple[str, ...] = ()
    try:
        read = read_specification(a_specification_document() | change)
        assert AppliedSpecification.model_validate_json(read.model_dump_json()) == read
    except SpecificationError as error:
        sentences = error.sentences
    assert all(sentence.startswith("/") for sentence in sentences)
