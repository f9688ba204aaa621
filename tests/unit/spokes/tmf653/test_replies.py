"""Every response of a system is read leniently or refused in one sentence."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.spokes.port import NotUnderstoodError
from router.responses import HttpResponse
from router.runs.reports.report import ExternalMeasure, ExternalReport
from schemas.results import ReportedMeasure
from schemas.run_document import JsonText
from schemas.vocabulary import MeasureIdOrigin, Result, RunState
from tests.builders.runs import a_document
from tests.builders.spokes import a_spoke

KEYS = [
    "id",
    "href",
    "name",
    "state",
    "testMeasure",
    "value",
    "accuracy",
    "captureDateTime",
    "ruleViolation",
    "appliedConsequence",
    "unit",
    "unitOfMeasure",
    "amount",
    "alias",
    "characteristic",
    "externalIdentifier",
    "childServiceTest",
    "result",
    "statusReason",
    "event",
    "serviceTest",
    "eventType",
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10)
    | st.sampled_from(["Completed", "9999-12-31T23:59:59-14:00", "0001-01-01", "nan", "1e999", "//[", "\x00"])
)
hostile = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)


def an_answer(body: object = None, status: int = 201, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return HttpResponse(status=status, body=raw, headers=headers)


LATIN = {"content-type": "text/json; charset=ISO-8859-1"}


def read_report(body: object, **profile: Any) -> ExternalReport:  # noqa: ANN401 - any field of a profile
    return a_spoke(**profile).read_reply(an_answer(body))


def only_measure(**fields: object) -> ExternalMeasure:
    (measure,) = read_report({"id": "1", "testMeasure": [fields]}).measures
    return measure


@settings(deadline=None)
@given(hostile | st.dictionaries(st.sampled_from(KEYS), hostile, max_size=8))
def test_any_json_is_read_or_refused(body: object) -> None:
    answer = an_answer(body)
    for attempt in (a_spoke().read_reply, lambda answer: a_spoke().read_page(answer, a_document()).found):
        try:
            report = attempt(answer)
        except NotUnderstoodError:
            continue
        if report is not None:
            assert report.external_id != ""
            assert all(_can_be_passed_on(measure) for measure in report.measures)


def _can_be_passed_on(measure: ExternalMeasure) -> bool:
    fields = {name: getattr(measure, name) for name in ("metric_name", "value", "accuracy", "capture_date_time")}
    passed = ReportedMeasure(id="1", id_origin=MeasureIdOrigin.DERIVED, **fields)
    return "\x00" not in str(passed.value)


@settings(deadline=None)
@given(
    st.binary(max_size=60),
    st.sampled_from([None, "application/json", "text/html; charset=utf-16", "x; charset"]),
)
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    with suppress(NotUnderstoodError):
        a_spoke().read_reply(HttpResponse(status=200, body=body, headers=headers))


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_location_header_is_read_without_an_error(location: str) -> None:
    report = a_spoke().read_reply(an_answer(b"", location=location))
    assert report.external_id is None or report.external_id.strip()


@pytest.mark.parametrize(
    ("answer", "external_id"),
    [
        (an_answer({"id": "89757"}), "89757"),
        (an_answer({"id": 89757}), "89757"),
        (an_answer({"href": "https://ext/v4/serviceTest/89757/"}), "89757"),
        (an_answer({"name": "x"}, location="/v4/serviceTest/a%20b"), "a b"),
        (an_answer(b"", 202, location="https://ext/v4/serviceTest/89757?x=1"), "89757"),
        (an_answer(b"", 202), None),
        (an_answer({"state": "acknowledged"}, 202), None),
        (an_answer(b"", 204), None),
        (an_answer(b'\xef\xbb\xbf{"id":"1"}'), "1"),
        (an_answer('{"id":"é"}'.encode("latin-1"), 200, **LATIN), "é"),
    ],
)
def test_the_external_id_is_found_in_body_or_location(answer: HttpResponse, external_id: str | None) -> None:
    assert a_spoke().read_reply(answer).external_id == external_id


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<html>Welcome</html>", "not JSON"),
        (b"null", "null instead of an object"),
        ([], "a list instead of an object"),
        (7, "a number"),
        ({"code": "22", "reason": "No such line"}, "error in spite of the status: 22, No such line"),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_a_body_that_is_no_run_is_refused_in_a_sentence(body: object, sentence: str) -> None:
    with pytest.raises(NotUnderstoodError, match=sentence):
        read_report(body)


@pytest.mark.parametrize(
    ("raw", "state"),
    [("In_Progress", RunState.IN_PROGRESS), ("Canceled", RunState.CANCELLED), ("brewing", None)],
)
def test_states_are_normalised_and_kept_raw(raw: str, state: RunState | None) -> None:
    report = read_report({"id": "1", "state": raw})
    assert (report.state, report.raw_state) == (state, raw)


def test_a_profile_adds_a_spelling_of_a_state() -> None:
    assert (
        read_report({"id": "1", "state": "Brewing"}, state_spellings={"brewing": "inProgress"}).state
        is RunState.IN_PROGRESS
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "v", "valueType": "Number", "value": 3000}, 3000),
        ("3000", "3000"),
        (3.5, 3.5),
        (False, False),
        (2**63, float(2**63)),
        ([1, 2], JsonText(json_text="[1,2]")),
        ({"value": {"a": 1}}, JsonText(json_text='{"a":1}')),
        ({"amount": 3}, JsonText(json_text='{"amount":3}')),
    ],
)
def test_a_measured_value_is_read_as_object_or_bare(value: object, expected: object) -> None:
    measure = only_measure(metricName="speed", value=value)
    assert measure.value == expected
    assert measure.has_value


@pytest.mark.parametrize(
    ("value", "expected", "unit"),
    [
        ({"value": 1.5, "alias": "speed"}, 1.5, None),
        ({"value": "1.5", "alias": None}, "1.5", None),
        ({"name": "v", "valueType": "Number", "value": {"value": 1.5, "alias": "speed"}}, 1.5, None),
        ({"value": 1.5, "unit": "Mbit/s"}, 1.5, "Mbit/s"),
        ({"value": 1.5, "unitOfMeasure": "Mbit/s"}, 1.5, "Mbit/s"),
        ({"value": {"value": 1.5, "unit": "Mbit/s", "@type": "Quantity"}}, 1.5, "Mbit/s"),
        ({"value": 1.5, "unit": {"id": 3, "name": "Mbit/s"}}, 1.5, "Mbit/s"),
        ({"amount": 1.5, "units": "Mbit/s"}, 1.5, "Mbit/s"),
        ({"value": {"amount": 1.5, "units": "Mbit/s"}}, 1.5, "Mbit/s"),
        ({"value": {"min": 1, "max": 2, "value": 1.5}}, JsonText(json_text='{"min":1,"max":2,"value":1.5}'), None),
        ({"value": {"value": None, "alias": "speed"}}, None, None),
    ],
)
def test_a_value_given_as_an_object_is_its_value_and_has_its_unit(
    value: object, expected: object, unit: str | None
) -> None:
    measure = only_measure(metricName="speed", value=value)
    assert (measure.value, measure.unit_of_measure) == (expected, unit)
    assert measure.has_value is (expected is not None)


def test_the_unit_of_a_value_comes_before_that_of_its_measure() -> None:
    measure = only_measure(metricName="speed", unitOfMeasure="Mbit/s", value={"value": 1500, "unit": "kbit/s"})
    assert measure.unit_of_measure == "kbit/s"
    assert only_measure(metricName="speed", unit={"value": "Mbit/s"}, value=1).unit_of_measure == "Mbit/s"
    assert only_measure(metricName="speed", value=1, accuracy={"value": 0.1, "unit": "%"}).accuracy == 0.1


@pytest.mark.parametrize("value", [None, "", {"name": "v", "value": None}])
def test_an_empty_value_is_none(value: object) -> None:
    assert not only_measure(metricName="speed", value=value).has_value


def test_a_measure_is_read_as_loosely_as_servicenow_writes_it() -> None:
    measure = only_measure(
        id="TM7",
        metricName="speed",
        metricHref="urn:speed",
        accuracy="0.0001",
        unitOfMeasure="Mbit/s",
        captureDateTime="2026-11-23 10:00:00",
        captureMethod="automatic",
        value={"name": "v", "valueType": "Number", "value": "5"},
    )
    assert measure == ExternalMeasure(
        id="TM7",
        metric_name="speed",
        metric_href="urn:speed",
        accuracy=0.0001,
        unit_of_measure="Mbit/s",
        capture_date_time=datetime(2026, 11, 23, 10, tzinfo=UTC),
        capture_method="automatic",
        value="5",
        has_value=True,
        value_type="Number",
    )


@pytest.mark.parametrize("moment", ["", "soon", 5, None, "9999-12-31T23:59:59-14:00"])
def test_an_invalid_time_is_left_out(moment: object) -> None:
    assert only_measure(captureDateTime=moment).capture_date_time is None


def test_rule_violations_pass_through_with_both_spellings() -> None:
    (violation,) = only_measure(
        ruleViolation=[
            {
                "name": "tooMuchTraffic",
                "thresholdRuleSeverity": "high",
                "conformanceTargetUpper": 2500,
                "conformanceComporatorUpper": "greater than",
                "appliedConsequence": [{"appliedAction": "open a ticket"}, {"name": "tell the customer"}],
            }
        ]
    ).rule_violation
    assert violation.name == "tooMuchTraffic"
    assert violation.severity == "high"
    assert violation.conformance_target_upper == "2500"
    assert violation.conformance_comparator_upper == "greater than"
    assert violation.consequence == "open a ticket; tell the customer"


def test_an_unreadable_measure_has_a_problem_and_the_others_are_kept() -> None:
    report = read_report({"id": "1", "testMeasure": ["broken", {"metricName": "speed", "value": 1}]})
    assert [measure.metric_name for measure in report.measures] == ["speed"]
    assert [(reason.code, reason.property_path) for reason in report.reasons] == [
        ("MEASURE_UNREADABLE", "/testMeasure/0")
    ]


def test_characteristics_of_measures_are_left_out_and_told_once() -> None:
    """TMF653 5.0 has them, and a result does not."""
    samples = {"name": "samples", "value": 5, "@type": "IntegerCharacteristic"}
    measures = [{"metricName": name, "value": 1, "testMeasureCharacteristic": [samples]} for name in ("a", "b")]
    report = read_report({"id": "1", "testMeasure": measures})
    assert [measure.metric_name for measure in report.measures] == ["a", "b"]
    assert [reason.code for reason in report.reasons] == ["MEASURE_CHARACTERISTIC_LEFT_OUT"]
    assert read_report({"id": "1", "testMeasure": [{"metricName": "a", "value": 1}]}).reasons == ()


@pytest.mark.parametrize(
    ("written", "verdict"),
    [
        ("fail", Result.FAIL),
        (" FAILED ", Result.FAIL),
        ("Inconclusive", Result.INCONCLUSIVE),
        ("pass", Result.PASS),
        ("42 Mbit/s", None),
        (["fail"], None),
        (None, None),
    ],
)
def test_the_verdict_of_a_system_is_read(written: object, verdict: Result | None) -> None:
    report = read_report({"id": "1", "state": "completed", "result": written})
    assert (report.verdict, report.reasons) == (verdict, ())


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("line is down", "line is down"),
        ("line\n is\x00 down ", "line is down"),
        (["line is down", "port is dark", None], "line is down; port is dark"),
        ({"code": 7}, '{"code":7}'),
        (7, "7"),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_the_explanation_of_a_system_is_one_line(written: object, text: str | None) -> None:
    assert read_report({"id": "1", "statusReason": written}).status_reason == text


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=3000), st.lists, max_leaves=30))
def test_the_explanation_of_a_system_is_bounded(written: object) -> None:
    text = read_report({"id": "1", "statusReason": written}).status_reason
    assert text is None or (0 < len(text) <= 500 and text.isprintable())


def test_a_value_that_is_too_deep_has_a_problem() -> None:
    deep = b'{"id":"1","testMeasure":[{"value":' + b"[" * 300 + b"]" * 300 + b"}]}"
    assert [reason.code for reason in read_report(deep).reasons] == ["MEASURE_UNREADABLE"]


def test_our_own_id_is_recognised_in_an_echo() -> None:
    others = [{"id": "theirs", "owner": "someone"}, {"id": "TR0001", "owner": "southbound"}]
    assert read_report({"id": "1", "externalIdentifier": others}).external_identifier == "TR0001"
    for value in ("TR0001", {"value": "TR0001", "alias": None}):
        echoed = [{"name": "testRunId", "value": value}]
        assert read_report({"id": "1", "characteristic": echoed}).external_identifier == "TR0001"


def test_a_bundle_is_answered_with_an_id_per_run() -> None:
    child = {"id": "2", "externalIdentifier": [{"id": "TR0001-1", "owner": "southbound"}]}
    report = read_report({"id": "1", "childServiceTest": [child, "rubbish"]})
    assert [(run.external_id, run.external_identifier) for run in report.children] == [("2", "TR0001-1")]


NO_RUN = ["/serviceTest", "/serviceTest/", "http://x/serviceTest?id=5", "/serviceTest/null", "/serviceTest/undefined"]


@pytest.mark.parametrize("location", [*NO_RUN, "/serviceTest/{id}", "/serviceTest/..", "/serviceTest/%2e"])
@pytest.mark.parametrize("body", [b"", b'{"state": "acknowledged"}'])
def test_fault_an_address_that_is_no_run_gives_no_id(location: str, body: bytes) -> None:
    response = HttpResponse(status=201, headers={"location": location, "content-type": "application/json"}, body=body)
    assert a_spoke().read_reply(response).external_id is None


@pytest.mark.parametrize("identity", ["null", "undefined", "None", ".", ".."])
def test_fault_what_a_program_writes_in_place_of_an_id_is_none(identity: str) -> None:
    response = HttpResponse(status=201, body=orjson.dumps({"id": identity, "href": "/serviceTest/42"}))
    assert a_spoke().read_reply(response).external_id == "42"


@pytest.mark.parametrize(
    ("state", "read", "raw"),
    [
        ({"value": "completed"}, RunState.COMPLETED, "completed"),
        ({"code": 3, "name": "completed"}, RunState.COMPLETED, "completed"),
        (["completed"], RunState.COMPLETED, "completed"),
        (["completed", "failed"], None, '["completed","failed"]'),
        ({"of": {"what": 1}}, None, '{"of":{"what":1}}'),
        (True, None, "true"),
        (None, None, None),
        ({}, None, None),
    ],
)
def test_fault_a_state_in_an_object_or_a_list_is_read_or_told_as_unknown(
    state: object, read: RunState | None, raw: str | None
) -> None:
    report = a_spoke().read_reply(HttpResponse(status=200, body=orjson.dumps({"id": "42", "state": state})))
    assert (report.state, report.raw_state) == (read, raw)


_DEEP = {"lists": ("[", "]"), "objects": ('{"value":', "}")}


@pytest.mark.parametrize("nested", _DEEP)
@pytest.mark.parametrize(
    "body",
    [
        '{"id":"1","state":%s}',
        '{"error":%s}',
        '{"result":%s}',
        '{"id":"1","state":"completed","testMeasure":[{"id":"TM1","value":%s}]}',
        '{"id":"1","state":"completed","testMeasure":[{"id":"TM1","value":7,"accuracy":%s}]}',
        '{"id":"1","state":"completed","testMeasure":[{"id":"TM1","value":7,"unitOfMeasure":%s}]}',
        '{"id":"1","state":"completed","testMeasure":[{"id":"TM1","value":7,"captureDateTime":%s}]}',
        '{"id":"1","state":"completed","testMeasure":[{"id":"TM1","ruleViolation":[{"tolerancePeriod":%s}]}]}',
        '{"id":"1","testMeasure":[{"id":"TM1","ruleViolation":[{"appliedConsequence":[{"repeatAction":%s}]}]}]}',
        '{"id":"1","childServiceTest":[{"id":"2","state":%s}]}',
    ],
)
def test_an_answer_that_can_be_read_and_not_be_written_again_is_read_or_refused(body: str, nested: str) -> None:
    opening, closing = _DEEP[nested]
    answer = an_answer((body % f"{opening * 600}1{closing * 600}").encode())
    with suppress(NotUnderstoodError):
        assert a_spoke().read_reply(answer).external_id in ("1", None)


def test_a_part_of_a_measure_that_is_nested_deeply_costs_neither_the_value_nor_the_end_of_the_run() -> None:
    nested = "[" * 600 + "]" * 600
    measure = f'{{"id":"TM1","value":7,"accuracy":{nested}}}'
    body = f'{{"id":"1","state":"completed","testMeasure":[{measure}]}}'
    report = a_spoke().read_reply(an_answer(body.encode()))
    assert (report.state, report.measures[0].value) == (RunState.COMPLETED, 7)
    assert "accuracy 'JSON that is nested too deeply to be shown'" in report.reasons[0].message
