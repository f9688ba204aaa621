"""The task that cancels a run (v5.0) is read as a report about the run."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.callback_parser import parse_callback
from consumers.spokes.port import NotUnderstoodError
from router.responses import HttpResponse
from router.runs.reports.cancel_task import TaskState
from schemas.partition_keys import key_of
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run
from tests.builders.spokes import a_notification, a_spoke, json_of

RUN = {"id": "89757", "@type": "ServiceTestRef"}
VERSIONS = ["4.1", "5.0"]
ASKING = "ServiceTestInformationRequiredEvent"
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def an_event(event: object, event_type: str = "CancelServiceTestStateChangeEvent") -> dict[str, object]:
    return {"eventId": "e-1", "eventType": event_type, "event": event}


def a_task(**fields: object) -> dict[str, object]:
    return {"id": "C1", "serviceTest": RUN, "@type": "CancelServiceTest", **fields}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("state", "expected", "run_state"),
    [
        ("acknowledged", TaskState.IN_PROGRESS, None),
        ("inProgress", TaskState.IN_PROGRESS, None),
        ("done", TaskState.DONE, RunState.CANCELLED),
        ("rejected", TaskState.REFUSED, None),
        ("cancelled", TaskState.REFUSED, None),
        ("terminatedWithError", TaskState.REFUSED, None),
        ("asleep", TaskState.UNKNOWN, None),
    ],
)
def test_the_state_of_the_task_is_no_state_of_the_run(
    version: str, state: str, expected: TaskState, run_state: RunState | None
) -> None:
    for report in (
        a_spoke(version=version).read_callback(a_notification(an_event({"cancelServiceTest": a_task(state=state)}))),
        a_spoke(version=version).read_reply(HttpResponse(status=201, body=orjson.dumps(a_task(state=state)))),
    ):
        assert (report.external_id, report.state) == ("89757", run_state)
        assert report.cancel_task is not None
        assert (report.cancel_task.id, report.cancel_task.state) == ("C1", expected)


def test_the_errors_of_a_task_are_its_reasons() -> None:
    errors = [{"code": "tooLate", "message": "it runs already"}, {"reason": "no"}, "closed", {}, None]
    body = orjson.dumps(a_task(state="rejected", errorMessage=errors))
    task = a_spoke().read_reply(HttpResponse(status=201, body=body)).cancel_task
    assert task is not None
    assert [(each.code, each.message) for each in task.reasons] == [
        ("tooLate", "it runs already"),
        ("CANCEL_REFUSED", "no"),
        ("CANCEL_REFUSED", "closed"),
    ]


@pytest.mark.parametrize("event", [{"cancelServiceTest": {"id": "C1"}}, {"id": "C1"}])
def test_the_id_of_a_bare_task_is_not_taken_for_that_of_a_run(event: dict[str, object]) -> None:
    body = orjson.dumps(an_event(event))
    received = parse_callback("fibre-lab", body, event_in_path="", content_type=None, at=NOON)
    a_spoke().check_callback(received)
    report = a_spoke().read_callback(received)
    assert report.external_id is None
    assert report.cancel_task is not None
    assert report.cancel_task.id == "C1"


def test_an_event_about_a_task_is_in_order_with_the_events_about_its_run() -> None:
    events = (an_event({"cancelServiceTest": a_task()}), an_event({"serviceTest": {"id": "89757"}}, "x"))
    keys = {
        key_of(parse_callback("lab", orjson.dumps(event), event_in_path="", content_type=None, at=NOON))
        for event in events
    }
    assert len(keys) == 1


def test_a_task_carries_the_reason_and_refers_to_the_run() -> None:
    call = a_spoke(version="5.0").to_cancel(a_run(phase=Phase.ACCEPTED), "x" * 5_000, "key-1")
    assert call.idempotency_key == "key-1"
    body = json_of(call)
    assert body["serviceTest"]["id"] == "ext-TR0001"
    assert len(body["cancellationReason"]) == 1_000


def test_the_task_is_read_below_the_tasks_whatever_its_id() -> None:
    call = a_spoke(version="5.0").to_read_cancellation("../hub?x")
    assert call is not None
    assert (call.method, call.path) == ("GET", "/cancelServiceTest/..%2Fhub%3Fx")


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ([{"op": "add", "path": "/testMeasure"}, {"op": "add", "path": "/testMeasure"}], ["/testMeasure"]),
        ({"op": "add", "path": "characteristic"}, ["/characteristic"]),
        (["/name", " ", 3, {}], ["/name"]),
        ([{"path": f"/characteristic/{number}"} for number in range(90)], [f"/characteristic/{n}" for n in range(20)]),
    ],
)
def test_what_a_system_asks_for_is_bounded_and_read_in_every_form(asked: object, paths: list[str]) -> None:
    event = {"serviceTest": RUN, "informationRequired": asked}
    report = a_spoke().read_callback(a_notification(an_event(event, "ServiceTestInformationRequiredEvent")))
    assert (report.external_id, report.state, report.thin) == ("89757", RunState.PENDING, False)
    assert [each.property_path for each in report.asked] == paths


ASKED = {"informationRequired": [{"op": "add", "path": "/name"}]}


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (an_event({"serviceTest": RUN | ASKED}, ASKING), ["/name"]),
        (an_event({"serviceTest": RUN}, ASKING) | ASKED, ["/name"]),
        (an_event(RUN | ASKED, ASKING), ["/name"]),
        (an_event({"serviceTest": RUN}, ASKING), []),
        (an_event({"serviceTest": RUN | {"state": "inProgress"}}, ASKING), []),
        (an_event({"serviceTest": RUN}, f"org.lab.{ASKING}"), []),
    ],
)
def test_an_event_that_asks_for_information_means_pending_wherever_its_question_stands(
    body: dict[str, object], paths: list[str]
) -> None:
    report = a_spoke().read_callback(a_notification(body))
    assert (report.external_id, report.state, report.thin) == ("89757", RunState.PENDING, False)
    assert [each.property_path for each in report.asked] == paths


def test_only_an_event_that_asks_is_searched_for_its_question() -> None:
    event = an_event({"serviceTest": RUN | {"state": "inProgress"} | ASKED}, "ServiceTestStateChangeEvent")
    report = a_spoke().read_callback(a_notification(event))
    assert (report.state, report.asked) == (RunState.IN_PROGRESS, ())


def test_a_run_that_has_ended_asks_for_nothing_more() -> None:
    event = an_event({"serviceTest": RUN | {"state": "cancelled"}}, ASKING)
    assert a_spoke().read_callback(a_notification(event)).state is RunState.CANCELLED
    event = an_event({"serviceTest": RUN | {"state": "completed"}}, ASKING)
    report = a_spoke().read_callback(a_notification(event))
    assert (report.state, report.thin) == (RunState.COMPLETED, True)


def test_a_task_that_asks_beside_or_inside_itself_is_asked_about() -> None:
    kind = f"Cancel{ASKING}"
    inside = an_event({"cancelServiceTest": a_task() | ASKED}, kind)
    for body in (inside, an_event({"cancelServiceTest": a_task()}, kind) | ASKED):
        report = a_spoke().read_callback(a_notification(body))
        assert [(each.code, each.property_path) for each in report.asked] == [("CANCEL_INFORMATION_REQUIRED", "/name")]


@given(json, json)
def test_whatever_a_task_or_a_question_holds_it_is_read_or_refused(one: object, other: object) -> None:
    for event in (
        {"cancelServiceTest": one},
        {"cancelServiceTest": {"id": "C1", "serviceTest": one, "state": other, "errorMessage": other}},
        {"serviceTest": one, "informationRequired": other},
    ):
        try:
            report = a_spoke().read_callback(a_notification(an_event(event), external_id=""))
        except NotUnderstoodError:
            continue
        assert len(report.asked) <= 20
