"""What a run says is kept; what it lacks comes from its specification, and always in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from router.runs.ids import requested_measure_id
from router.specifications.enrichment import (
    apply_specification,
    as_ordered,
    as_routed,
    unidentified_measure,
    without_specification,
)
from schemas.run_document import RequestedMeasure, ThresholdRule
from tests.builders.runs import a_document, a_tree
from tests.builders.specifications import a_definition, a_specification

if TYPE_CHECKING:
    from schemas.run_document import AppliedSpecification, RunDocument

NAMES = st.sampled_from(["A", "B", "C"])
MAYBE = st.none() | NAMES
MEASURES = st.lists(
    st.builds(
        RequestedMeasure,
        id=st.just("") | NAMES | st.just(requested_measure_id("TR0001", "metric A", "")),
        metric_name=st.sampled_from(["metric A", "METRIC A", "metric B", "other"]),
        metric_href=MAYBE,
        definition_id=MAYBE,
        unit_of_measure=MAYBE,
        threshold_rule=st.just(()) | st.just((ThresholdRule(name="own"),)),
    ),
    max_size=4,
).map(tuple)
DEFINITIONS = st.lists(NAMES, unique=True, max_size=3).flatmap(
    lambda ids: st.tuples(
        *[
            st.fixed_dictionaries(
                {
                    "id": st.just(one),
                    "metricName": st.sampled_from(["metric A", "metric B", "metric C"]),
                    "metricHref": MAYBE,
                    "unitOfMeasure": MAYBE,
                    "thresholdRule": st.just([]) | st.just([{"name": "defined"}]),
                }
            )
            for one in ids
        ]
    )
)
RUNS = st.builds(
    lambda measures, duration: a_document().model_copy(
        update={"test_measure": measures, "expected_duration": duration}
    ),
    MEASURES,
    st.none() | st.integers(0, 9),
)
SPECIFICATIONS = st.builds(
    lambda definitions, amount: a_specification(
        "fibre-line", *definitions, expectedDuration={"amount": amount, "units": "seconds"}
    ),
    DEFINITIONS,
    st.integers(0, 9),
)
# What a run may take; everything else of a document is never touched.
TAKEN = ("specification", "test_measure", "expected_duration")


def is_derived(measure: RequestedMeasure, name: str) -> bool:
    """Return whether this field is an id that the ordering service did not give."""
    href = measure.metric_href or ""
    return name == "id" and measure.id == requested_measure_id("TR0001", measure.metric_name, href)


@given(RUNS, SPECIFICATIONS)
def test_nothing_that_a_run_says_is_changed(run: RunDocument, specification: AppliedSpecification) -> None:
    applied = apply_specification(run, specification)
    assert applied.model_dump(exclude={*TAKEN}) == run.model_dump(exclude={*TAKEN})
    if run.test_measure:
        for before, after in zip(run.test_measure, applied.test_measure, strict=True):
            said = {
                name: value for name, value in before.model_dump().items() if value and not is_derived(before, name)
            }
            assert said.items() <= after.model_dump().items()
    if run.expected_duration is not None:
        assert applied.expected_duration == run.expected_duration


@given(RUNS, SPECIFICATIONS)
def test_applying_it_twice_is_applying_it_once(run: RunDocument, specification: AppliedSpecification) -> None:
    applied = apply_specification(run, specification)
    assert apply_specification(applied, specification) == applied


@given(RUNS, SPECIFICATIONS, SPECIFICATIONS)
def test_an_event_that_is_read_again_leads_to_the_same_document(
    run: RunDocument, routed_with: AppliedSpecification, present: AppliedSpecification
) -> None:
    known = apply_specification(run, routed_with)
    again = run.model_copy(update={"specification": present})  # whatever an ordering service may write there
    assert as_routed(as_ordered(again), known) == known


@given(RUNS, SPECIFICATIONS)
def test_no_two_measures_get_the_same_id(run: RunDocument, specification: AppliedSpecification) -> None:
    applied = apply_specification(run, specification).test_measure
    pairs = zip(run.test_measure or applied, applied, strict=True)
    given_out = [after.id for before, after in pairs if after.id != before.id]
    kept = [
        after.id for before, after in zip(run.test_measure or applied, applied, strict=True) if after.id == before.id
    ]
    assert len(given_out) == len({*given_out})
    assert not {*given_out} & {*kept} - {""}


def test_a_run_without_measures_takes_all_of_its_specification() -> None:
    specification = a_specification("fibre-line", "TM-1", a_definition("TM-2", unitOfMeasure="ms"))
    applied = apply_specification(a_document(), specification)
    assert applied.test_measure == specification.test_measure
    assert applied.specification == specification


def test_a_run_with_measures_takes_what_they_lack_and_no_others() -> None:
    specification = a_specification("fibre-line", a_definition("TM-1", unitOfMeasure="dBm"), "TM-2")
    run = a_document().model_copy(update={"test_measure": (RequestedMeasure(metric_name="Metric tm-1 "),)})
    [measure] = apply_specification(run, specification).test_measure
    assert (measure.id, measure.definition_id, measure.unit_of_measure) == ("TM-1", "TM-1", "dBm")


def test_a_name_that_two_definitions_share_identifies_neither() -> None:
    specification = a_specification(
        "fibre-line", {"id": "TM-1", "metricName": "speed"}, {"id": "TM-2", "metricName": "speed"}
    )
    run = a_document().model_copy(update={"test_measure": (RequestedMeasure(metric_name="speed"),)})
    problem = unidentified_measure(apply_specification(run, specification))
    assert problem is not None
    assert problem.code == "MEASURE_ID_UNKNOWN"


def test_a_specification_that_an_ordering_service_filled_in_is_ignored_in_children_too() -> None:
    false = a_specification("fibre-tree", "TM-9")
    tree = a_tree(children=2)
    forged = tree.model_copy(
        update={
            "specification": false,
            "children": tuple(child.model_copy(update={"specification": false}) for child in tree.children),
        }
    )
    assert as_ordered(forged) == tree


def test_a_document_without_a_specification_is_not_copied() -> None:
    tree = a_tree()
    assert as_ordered(tree) is tree
    assert without_specification(tree) is tree


def test_an_id_that_the_northbound_interface_derived_gives_way_to_that_of_the_definition() -> None:
    derived, kept = requested_measure_id("TR0001", "metric TM-1", ""), requested_measure_id("TR0001", "other", "")
    measures = (
        RequestedMeasure(id=derived, metric_name="metric TM-1"),
        RequestedMeasure(id=kept, metric_name="other"),
    )
    run = a_document().model_copy(update={"test_measure": measures})
    applied = apply_specification(run, a_specification("fibre-line", "TM-1"))
    assert [measure.id for measure in applied.test_measure] == ["TM-1", kept]
    assert as_routed(run, applied) == applied
