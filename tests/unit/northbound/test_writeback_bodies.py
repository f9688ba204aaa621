"""What a run looks like in the requests to a target."""

from __future__ import annotations

from dataclasses import replace as replace_fields
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.writeback import (
    DERIVED_ID_LENGTH,
    MAX_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
    MeasureIds,
    TargetDialect,
    TargetFormat,
    ValueForm,
    create_body,
    derived_id,
    unique_name,
    update_body,
    value_as_text,
)
from router.runs.run import RunRow, replace
from schemas.results import ReportedMeasure, RuleViolation, TolerancePeriod
from schemas.run_document import Characteristic, JsonText, RequestedMeasure, RunDocument
from schemas.vocabulary import MeasureIdOrigin, Mode, Phase, RunState
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.instance.rules import check_run
from southbound.simulator.tmf_definition import official_definition
from tests.builders.runs import NOON, a_document, a_run
from tests.generators.run_rows import characters, documents, nonempty_texts, run_rows, values

SERVICENOW = TargetFormat()
TMF653 = TargetFormat(dialect=TargetDialect.TMF653, value_form=ValueForm.OBJECT)
ZONES = st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Kiritimati"), ZoneInfo("America/Adak")])
servicenow_forms = st.builds(
    TargetFormat, value_form=st.sampled_from(ValueForm), measure_ids=st.sampled_from(MeasureIds), zone=ZONES
)
long_texts = st.none() | st.text(characters, min_size=240, max_size=260) | st.text(characters, max_size=9)
comparators = st.sampled_from(
    [None, "is", ">", "Greater than", ">=", "<", "lesser than", "less than or equal to", "around"]
)
rules = st.builds(
    RuleViolation,
    name=long_texts,
    severity=st.sampled_from([None, "High", "critical", "low"]),
    consequence=long_texts,
    conformance_target_lower=long_texts,
    conformance_target_upper=long_texts,
    conformance_comparator_lower=comparators,
    conformance_comparator_upper=comparators,
)


def a_measure(measure_id: str = "M1", **more: Any) -> ReportedMeasure:  # noqa: ANN401 - any field
    return ReportedMeasure(id=measure_id, id_origin=MeasureIdOrigin.REPORTED, **more)


def an_ended_run(*measures: ReportedMeasure, **more: Any) -> RunRow:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {"measures": measures, "finished_at": NOON} | more
    return a_run("TR1", phase=Phase.FULFILLED, state=RunState.COMPLETED, **fields)


def measures_of(body: dict[str, Any]) -> list[Any]:
    measures: list[Any] = body.get("testMeasure", [])
    return measures


def only_violation(row: RunRow) -> Any:  # noqa: ANN401 - JSON
    [measure] = measures_of(update_body(SERVICENOW, row))
    [violation] = measure["ruleViolation"]
    return violation


@given(run_rows(), servicenow_forms)
def test_a_strict_instance_takes_every_run(row: RunRow, form: TargetFormat) -> None:
    for body in (create_body(form, row), update_body(form, row)):
        check_run(orjson.loads(orjson.dumps(body)))


@given(run_rows(), st.lists(rules, max_size=3).map(tuple), long_texts)
def test_a_strict_instance_takes_long_texts_shortened(
    row: RunRow, violations: tuple[RuleViolation, ...], text: str | None
) -> None:
    measure = a_measure(metric_name=text, accuracy=1e-300, rule_violation=violations)
    document = row.requested.model_copy(
        update={
            "name": f"name {text}",
            "description": (text or "") * 20,
            "related_service": row.requested.related_service,
        }
    )
    body = create_body(SERVICENOW, replace(row, requested=document, measures=(measure,)))
    check_run(orjson.loads(orjson.dumps(body)))
    assert len(str(body["name"])) <= MAX_NAME_LENGTH
    assert len(str(body.get("description", ""))) <= MAX_DESCRIPTION_LENGTH


@pytest.mark.parametrize(
    ("value_type", "written"),
    [
        ("string", "single_line_text"),
        ("Single line text", "single_line_text"),
        ("boolean", "yes_no"),
        ("yes/no", "yes_no"),
        ("dateTime", "date_time"),
        ("choice", "choice"),
        ("number", None),
        (None, None),
    ],
)
def test_a_characteristic_has_a_type_that_servicenow_has_or_none(value_type: str | None, written: str | None) -> None:
    one = Characteristic(name="line", value="A", value_type=value_type)
    row = replace(a_run("TR1"), requested=a_document("TR1").model_copy(update={"characteristic": (one,)}))
    body: dict[str, Any] = create_body(SERVICENOW, row)
    check_run(body)
    assert body["characteristic"] == [{"name": "line", "value": "A"} | ({"valueType": written} if written else {})]
    as_ordered: dict[str, Any] = create_body(TMF653, row)
    assert as_ordered["characteristic"][0].get("valueType") == value_type


@given(run_rows())
def test_the_official_definition_takes_every_run(row: RunRow) -> None:
    document = row.requested.model_copy(update={"start_date_time": NOON})
    row = replace(row, requested=document)
    definition = official_definition()
    assert definition.violations("ServiceTest_Create", orjson.loads(orjson.dumps(create_body(TMF653, row)))) == ()
    assert definition.violations("ServiceTest_Update", orjson.loads(orjson.dumps(update_body(TMF653, row)))) == ()


@pytest.mark.parametrize("missing", ["name", "relatedService", "testSpecification"])
def test_servicenow_requires_three_fields_in_a_patch_too(missing: str) -> None:
    body = update_body(SERVICENOW, a_run("TR1"))
    check_run(body)
    with pytest.raises(RequestRefusedError):
        check_run({name: value for name, value in body.items() if name != missing})


def test_tmf653_gets_only_what_a_run_led_to() -> None:
    assert set(update_body(TMF653, an_ended_run(a_measure()))) == {"state", "endDateTime", "testMeasure"}


@given(run_rows(), st.data())
def test_ids_do_not_depend_on_the_order_in_which_violations_are_reported(row: RunRow, data: st.DataObject) -> None:
    named = [RuleViolation(name=name) for name in data.draw(st.lists(nonempty_texts, unique=True, max_size=4))]
    shuffled = data.draw(st.permutations(named))

    def ids_by_name(violations: list[RuleViolation]) -> dict[object, object]:
        changed = replace(row, measures=(a_measure(rule_violation=tuple(violations)),))
        [measure] = measures_of(update_body(SERVICENOW, changed))
        return {one["name"]: one["id"] for one in measure.get("ruleViolation", [])}

    assert ids_by_name(named) == ids_by_name(shuffled)
    assert len(set(ids_by_name(named).values())) == len(named)


def test_equal_violations_of_one_measure_have_ids_of_their_own() -> None:
    row = an_ended_run(a_measure(rule_violation=(RuleViolation(name="slow"), RuleViolation(name="slow"))))
    [measure] = measures_of(update_body(SERVICENOW, row))
    ids = [one["id"] for one in measure["ruleViolation"]]
    assert len(set(ids)) == 2


def test_a_violation_and_its_consequence_have_the_ids_that_they_came_with_or_stable_ones() -> None:
    reported = RuleViolation(id="V7", name="slow", consequence="open a ticket")
    violation = only_violation(an_ended_run(a_measure(rule_violation=(reported,))))
    assert violation["id"] == "V7"
    assert violation["appliedConsequence"] == [
        {"id": derived_id("V7", "open a ticket"), "appliedAction": "open a ticket"}
    ]
    derived = only_violation(an_ended_run(a_measure(rule_violation=(RuleViolation(name="slow"),))))
    assert derived["id"] == derived_id("TR1", "M1", "slow", None, None, "1")
    assert len(str(derived["id"])) == DERIVED_ID_LENGTH


@given(st.lists(nonempty_texts | st.none(), min_size=1), st.lists(nonempty_texts | st.none(), min_size=1))
def test_different_things_have_different_ids(one: list[str | None], other: list[str | None]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [(UTC, "2026-11-23 12:00:00"), (ZoneInfo("Europe/Berlin"), "2026-11-23 13:00:00")],
)
def test_moments_for_servicenow_have_no_zone(zone: ZoneInfo, expected: str) -> None:
    form = replace_fields(SERVICENOW, zone=zone)
    assert update_body(form, an_ended_run())["endDateTime"] == expected
    assert update_body(TMF653, an_ended_run())["endDateTime"] == "2026-11-23T12:00:00.000Z"


def test_a_moment_at_the_edge_of_the_calendar_is_written_in_utc() -> None:
    row = an_ended_run(finished_at=datetime(9999, 12, 31, 23, 30, tzinfo=UTC))
    form = replace_fields(SERVICENOW, zone=ZoneInfo("Europe/Berlin"))
    assert update_body(form, row)["endDateTime"] == "9999-12-31 23:30:00"


def test_the_end_of_a_run_is_written_only_when_it_has_ended() -> None:
    assert "endDateTime" not in update_body(SERVICENOW, a_run("TR1", phase=Phase.ACCEPTED))


@pytest.mark.parametrize(
    ("form", "state", "written"),
    [
        (SERVICENOW, RunState.CANCELLED, "canceled"),
        (TMF653, RunState.CANCELLED, "cancelled"),
        (SERVICENOW, RunState.IN_PROGRESS, "inProgress"),
        (SERVICENOW, None, "pending"),
        (SERVICENOW, RunState.UNKNOWN, "pending"),
        (replace_fields(SERVICENOW, states={RunState.FAILED: "broken"}), RunState.FAILED, "broken"),
    ],
)
def test_a_state_is_spelled_as_the_target_spells_it(form: TargetFormat, state: RunState | None, written: str) -> None:
    assert update_body(form, a_run("TR1", state=state))["state"] == written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3000, "3000"),
        (3000.0, "3000"),
        (0.00000012, "0.00000012"),
        (True, "true"),
        ("good", "good"),
        (JsonText(json_text='{"a":1}'), '{"a":1}'),
        (None, ""),
    ],
)
def test_a_value_as_text(value: object, text: str) -> None:
    assert value_as_text(value) == text  # type: ignore[arg-type] # any JSON value


@given(values)
def test_a_number_as_text_is_the_same_number(value: object) -> None:
    if isinstance(value, float):
        assert float(value_as_text(value)) == value


def test_a_value_is_a_text_or_an_object_by_the_form_of_the_target() -> None:
    row = an_ended_run(a_measure(metric_name="speed", value=3000), a_measure("M2"))
    first, second = measures_of(update_body(SERVICENOW, row))
    assert (first["value"], "value" in second) == ("3000", False)
    written = measures_of(update_body(replace_fields(SERVICENOW, value_form=ValueForm.OBJECT), row))[0]["value"]
    assert written == {"name": "speed", "valueType": "number", "value": 3000}


def test_a_measure_can_be_written_with_the_id_of_its_definition() -> None:
    requested = (
        RequestedMeasure(id="M1", metric_name="a", definition_id="D1"),
        RequestedMeasure(id="M2", metric_name="b", definition_id="D2"),
        RequestedMeasure(id="M3", metric_name="c", definition_id="D2"),
    )
    document = a_document("TR1").model_copy(update={"test_measure": requested})
    row = an_ended_run(*map(a_measure, ("M1", "M2", "M3", "M4")), document=document)
    form = replace_fields(SERVICENOW, measure_ids=MeasureIds.DEFINITION)
    assert [measure["id"] for measure in measures_of(update_body(form, row))] == ["D1", "M2", "M3", "M4"]


def test_choices_that_servicenow_does_not_have_are_left_out() -> None:
    rule = RuleViolation(id="V1", severity="critical")
    row = an_ended_run(a_measure(capture_method="robot", rule_violation=(rule,)))
    [measure] = measures_of(update_body(SERVICENOW, row))
    assert "captureMethod" not in measure
    assert measure["ruleViolation"] == [{"id": "V1"}]
    assert measures_of(update_body(TMF653, row))[0]["captureMethod"] == "robot"


def test_a_comparator_that_servicenow_does_not_have_on_its_side_is_left_out_and_the_target_stays() -> None:
    rule = RuleViolation(
        id="V1",
        conformance_target_lower="10",
        conformance_comparator_lower="less than",
        conformance_target_upper="2500",
        conformance_comparator_upper="greater than",
    )
    row = an_ended_run(a_measure(rule_violation=(rule,)))
    assert only_violation(row) == {"id": "V1", "conformanceTargetLower": "10", "conformanceTargetUpper": "2500"}
    [measure] = measures_of(update_body(TMF653, row))
    assert measure["ruleViolation"][0]["conformanceComparatorUpper"] == "greater than"


@pytest.mark.parametrize("units", ["minutes", "minute", "MINUTES"])
def test_the_unit_of_a_tolerance_period_is_written_as_servicenow_spells_it(units: str) -> None:
    rule = RuleViolation(id="V1", tolerance_period=TolerancePeriod(amount=1, units=units))
    row = an_ended_run(a_measure(rule_violation=(rule,)))
    assert only_violation(row)["tolerancePeriod"] == {"amount": 1, "units": "minutes"}


def test_a_tolerance_period_whose_unit_servicenow_does_not_have_is_left_out() -> None:
    rule = RuleViolation(id="V1", tolerance_period=TolerancePeriod(amount=1, units="weeks"))
    assert only_violation(an_ended_run(a_measure(rule_violation=(rule,)))) == {"id": "V1"}


@given(documents())
def test_a_name_that_is_looked_up_has_no_comma_and_no_space_that_a_system_may_drop(run: RunDocument) -> None:
    assert "," not in unique_name(run)
    assert unique_name(run) == " ".join(unique_name(run).split())


def test_a_name_that_is_looked_up_contains_the_run_id() -> None:
    run = a_document("TR1", name="Line test, of TR10")
    assert unique_name(run) == "TR1 Line test; of TR10"
    assert unique_name(a_document("TR1")) == "Line test TR1"


def test_the_id_of_a_created_run_is_the_run_id_only_at_servicenow() -> None:
    row = a_run("TR1", document=a_document("TR1", mode=Mode.UNKNOWN))
    assert create_body(SERVICENOW, row)["id"] == "TR1"
    assert create_body(SERVICENOW, row)["mode"] == "ONDEMAND"
    assert "id" not in create_body(TMF653, row)
