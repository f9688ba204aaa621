"""A Service Test Request of ServiceNow's spoke selector: what is taken, and the answer within its limits."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode
from router.northbound.next_order import OrderCause, new_order
from router.northbound.order import OrderRefusal, RunView
from router.northbound.servicenow.service_test_request import (
    MAX_TABLE_NAME_LENGTH,
    RUN_TABLE,
    AnswerForm,
    RequestAnswer,
    answer_of,
    is_settled,
    later_answer,
    read_service_test_request,
    refusal_answer,
)
from router.northbound.servicenow.shorten import MAX_ANSWER_LENGTH, length_of, shorten
from router.northbound.writeback import TargetFormat
from schemas.results import Reason, ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState
from tests.builders.runs import NOON, TREE, a_document, a_run
from tests.generators.run_rows import any_text, json_values, run_rows

FORM = AnswerForm(form=TargetFormat(), client="desk", address="/tmf-api/serviceTestManagement/v4/serviceTest/1")
BODY = {"id": "sys-1", "name": "Speed Test", "relatedService": {"id": "PI1"}, "testSpecification": {"id": "TD1"}}


def a_view(run_id: str = "R1", **more: Any) -> RunView:  # noqa: ANN401 - any field of a row
    return RunView(row=a_run(run_id, **more), order=None)


def ended(run_id: str = "R1", state: RunState = RunState.COMPLETED, **more: Any) -> RunView:  # noqa: ANN401 - as above
    return a_view(run_id, phase=Phase.FULFILLED, state=state, finished_at=NOON, **more)


def measures(count: int, **more: Any) -> tuple[ReportedMeasure, ...]:  # noqa: ANN401 - any field of a measure
    return tuple(
        ReportedMeasure(id=f"measure-{n}", id_origin=MeasureIdOrigin.REPORTED, value="3000", **more)
        for n in range(count)
    )


# Requests


@pytest.mark.parametrize("is_text", [True, False])
def test_a_request_body_is_json_or_a_text_of_json(is_text: bool) -> None:  # noqa: FBT001 - a parameter of the test
    written = orjson.dumps(BODY).decode() if is_text else BODY
    request = read_service_test_request({"table_name": RUN_TABLE, "request_body": written}, {RUN_TABLE})
    assert (request.own_id, request.body, request.is_text) == ("sys-1", BODY, is_text)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ([], ""),
        ({"request_body": BODY}, "/table_name"),
        ({"table_name": "incident", "request_body": BODY}, "/table_name"),
        ({"table_name": "t" * (MAX_TABLE_NAME_LENGTH + 1), "request_body": BODY}, "/table_name"),
        ({"table_name": RUN_TABLE}, "/request_body"),
        ({"table_name": RUN_TABLE, "request_body": "{"}, "/request_body"),
        ({"table_name": RUN_TABLE, "request_body": "[]"}, "/request_body"),
        ({"table_name": RUN_TABLE, "request_body": "{}"}, "/request_body/id"),
        ({"table_name": RUN_TABLE, "request_body": '{"id": 7}'}, "/request_body/id"),
        ({"table_name": RUN_TABLE, "request_body": '{"id": "7", "a": 0.1e400}'}, "/request_body"),
        ({"table_name": RUN_TABLE, "request_body": '{"id": "7", "a":' + "[" * 70 + "]" * 70 + "}"}, "/request_body/a"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_with_its_place(content: object, place: str) -> None:
    with pytest.raises(ApiRefusedError) as refused:
        read_service_test_request(content, {RUN_TABLE})
    assert refused.value.status == 400
    assert refused.value.mistakes[0].pointer.startswith(place)


def test_a_body_that_servicenow_cut_off_is_recognised() -> None:
    text = orjson.dumps(BODY | {"description": "d" * 5_000}).decode()[:MAX_ANSWER_LENGTH]
    with pytest.raises(ApiRefusedError, match="perhaps cut"):
        read_service_test_request({"table_name": RUN_TABLE, "request_body": text}, {RUN_TABLE})


@given(json_values)
def test_any_content_is_read_or_refused(content: object) -> None:
    with suppress(ApiRefusedError):
        request = read_service_test_request({"table_name": RUN_TABLE, "request_body": content}, {RUN_TABLE})
        assert request.body["id"]


# Answers


def test_a_completed_run_is_a_success_whether_its_test_passed_or_not() -> None:
    for result in (Result.PASS, Result.FAIL):
        answer = answer_of([ended(result=result)], (), FORM)
        assert (answer.status_code, answer.status_reason) == (
            "1",
            f"The test run is completed, with the result {result.value}.",
        )
        assert answer.response_body["state"] == "completed"


@pytest.mark.parametrize("state", [RunState.REJECTED, RunState.FAILED, RunState.CANCELLED])
def test_a_run_that_was_not_executed_is_a_failure_with_its_reasons(state: RunState) -> None:
    view = ended(state=state, reasons=(Reason(code="OUT_OF_AREA", message="no such line"),))
    answer = answer_of([view], (), FORM)
    assert answer.status_code == "0"
    assert answer.status_reason == f"The test run is {state.value}: OUT_OF_AREA: no such line"


def test_a_run_in_fallout_and_one_that_routing_refused_are_failures() -> None:
    reason = Reason(code="NO_ROW", message="no row matches")
    waiting = a_view(phase=Phase.FALLOUT, reasons=(reason,))
    assert is_settled([waiting])
    assert answer_of([waiting], (), FORM).status_code == "0"
    refused = answer_of([a_view(phase=Phase.CREATED)], (reason,), FORM)
    assert (refused.status_code, "NO_ROW: no row matches" in refused.status_reason) == ("0", True)


def test_an_order_that_was_refused_is_a_failure_with_the_reasons_that_are_stored() -> None:
    cause = OrderCause(client="desk", traceparent=None, at=NOON, event_id="E1")
    refusal = OrderRefusal("E1", (Reason(code="NO_ROW", message="no row matches"),), NOON)
    view = RunView(row=None, order=replace(new_order(cause, a_document("R1"), "sys-1"), refusal=refusal))
    assert is_settled([view])
    answer = answer_of([view], (), FORM)
    assert (answer.status_code, answer.status_reason) == ("0", "The test run was refused: NO_ROW: no row matches")
    assert answer.response_body["state"] == "rejected"


def test_an_answer_that_comes_later_is_no_failure_and_has_the_state() -> None:
    answer = later_answer([a_view(phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS)], FORM)
    assert (answer.status_code, answer.response_body["state"]) == ("1", "inProgress")
    assert "later" in answer.status_reason


def test_a_hierarchy_is_settled_with_its_last_child_and_fails_with_one_of_them() -> None:
    root = ended(document=a_document("R1"), decision=TREE)
    done, failed, out = ended("C1"), ended("C2", state=RunState.FAILED), a_view("C3", phase=Phase.IN_PROGRESS)
    assert not is_settled([root, done, out])
    assert is_settled([root, done, failed])
    assert answer_of([root, done], (), FORM).status_code == "1"
    answer = answer_of([root, done, failed], (), FORM)
    assert answer.status_code == "0"
    assert "1 of its child runs are not completed" in answer.status_reason
    children: Any = answer.response_body["childServiceTest"]
    assert [(child["id"], child["state"]) for child in children] == [("C1", "completed"), ("C2", "failed")]


def test_children_of_a_root_that_is_sent_alone_are_not_waited_for() -> None:
    assert is_settled([ended(), a_view("C1", phase=Phase.CREATED)])


def test_a_refusal_is_a_failure_with_every_mistake() -> None:
    mistakes = [Mistake(MistakeCode.MISSING, "name is missing", "/name"), Mistake(MistakeCode.OTHER, "no")]
    answer = refusal_answer(ApiRefusedError(400, mistakes))
    assert (answer.status_code, answer.status_reason) == ("0", "name is missing; no")
    assert answer.response_body["errors"] == [
        {"code": "missingProperty", "reason": "name is missing", "propertyPath": "/name"},
        {"code": "otherIssue", "reason": "no", "propertyPath": ""},
    ]


# Limits


def assert_within_limits(answer: RequestAnswer) -> None:
    written = answer.as_json(is_text=True)
    assert len(answer.status_reason) <= MAX_ANSWER_LENGTH
    assert len(str(written["response_body"])) <= MAX_ANSWER_LENGTH
    assert orjson.loads(str(written["response_body"])) == orjson.loads(orjson.dumps(answer.response_body))


@given(st.lists(run_rows(), min_size=1, max_size=5), st.lists(st.builds(Reason, code=st.just("X"), message=any_text)))
def test_every_answer_is_within_the_limits(rows: list[Any], reasons: list[Reason]) -> None:
    family = [RunView(row=row, order=None) for row in rows]
    for answer in (answer_of(family, reasons, FORM), later_answer(family, FORM)):
        assert_within_limits(answer)
        assert answer.response_body["id"] == rows[0].run_id


@given(st.lists(st.builds(Mistake, st.sampled_from(MistakeCode), any_text.map(lambda text: text * 90), any_text)))
def test_every_refusal_is_within_the_limits(mistakes: list[Mistake]) -> None:
    assert_within_limits(refusal_answer(ApiRefusedError(400, mistakes)))


@pytest.mark.parametrize("count", [20, 40, 60, 90, 200])
def test_an_answer_that_is_too_long_keeps_ids_and_values_whole_and_says_what_is_left_out(count: int) -> None:
    view = ended(measures=measures(count, metric_name="Attenuation of the line", metric_href="urn:metric:attenuation"))
    answer = answer_of([view], (), FORM)
    assert_within_limits(answer)
    shown: Any = answer.response_body["testMeasure"]
    assert [(one["id"], one["value"]) for one in shown] == [(f"measure-{n}", "3000") for n in range(len(shown))]
    is_whole = len(shown) == count
    assert is_whole or f"{len(shown)} of {count} testMeasure are here" in str(answer.response_body["shortened"])
    assert ("shortened" in answer.response_body) == ("is shortened" in answer.status_reason)
    assert count == 20 or FORM.address in answer.status_reason


entries = st.fixed_dictionaries({"id": st.text(max_size=90), "value": json_values, "metricName": st.text(max_size=90)})


@given(
    st.fixed_dictionaries({"id": st.text(max_size=255), "state": st.just("completed"), "name": st.text(max_size=250)}),
    st.lists(entries, max_size=30),
    st.lists(entries, max_size=30),
    st.integers(1_900, MAX_ANSWER_LENGTH),
)
def test_whatever_is_shortened_fits_and_invents_no_id(
    run: dict[str, Any], found: list[dict[str, Any]], children: list[dict[str, Any]], limit: int
) -> None:
    body = run | {"testMeasure": found, "childServiceTest": children}
    short = shorten(body, FORM.address, limit)
    assert length_of(short) <= limit
    assert short["id"] == run["id"]
    for name, known in (("testMeasure", found), ("childServiceTest", children)):
        kept: Any = short.get(name, [])
        assert {one["id"] for one in kept} <= {one["id"] for one in known}
        assert len(kept) == len(known) or "shortened" in short
