"""The address that a system names for a run is followed to the run, and never to another system."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.conventions.http_conventions import Paths
from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.monitor import follow_call, read_followed, run_id_in
from router.responses import HttpResponse, Purpose
from router.runs.reports.report import ExternalReport
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.builders.spokes import a_spoke
from tests.fakes.external_system import json_answer
from tests.harness.gateway import InMemoryGateway

BASE = "https://lab.example/tmf-api/v4"
RUN = {"id": "7", "testSpecification": {"id": "s"}, "state": "inProgress"}
MONITOR = HttpResponse(status=202, headers={"location": "/monitor/5"})


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("/monitor/5", "/monitor/5"),
        ("https://lab.example/monitor/5?a=1", "/monitor/5?a=1"),
        ("https://LAB.example/monitor/5", "/monitor/5"),
        ("https://other.example/monitor/5", None),
        ("http://lab.example/monitor/5", None),
        ("https://lab.example:8443/monitor/5", None),
        ("//other.example/monitor/5", None),
        ("https://lab.example@other.example/x", None),
        ("monitor/5", None),
        ("https://[", None),
        ("file:///etc/passwd", None),
    ],
)
def test_only_addresses_of_the_system_itself_are_followed(href: str, path: str | None) -> None:
    call = follow_call(BASE, href)
    assert (call.path if call else None) == path


@given(href=st.text())
def test_no_address_raises_or_leaves_the_system(href: str) -> None:
    call = follow_call(BASE, href)
    assert call is None or (call.path.startswith("/") and not call.path.startswith("//"))


@pytest.mark.parametrize(
    ("run", "href", "run_id"),
    [
        ("/serviceTest/{id}", "https://lab/v4/serviceTest/7", "7"),
        ("/serviceTest/{id}", "/serviceTest/a%2Fb", "a/b"),
        ("/serviceTest/{id}", "/monitor/7", None),
        ("/tests/{id}/state", "/v4/tests/7/state", "7"),
        ("/tests/{id}/state", "/v4/tests/7", None),
    ],
)
def test_the_address_of_a_run_is_recognised(run: str, href: str, run_id: str | None) -> None:
    assert run_id_in(Paths(run=run), href) == run_id


@pytest.mark.parametrize(
    ("response", "found"),
    [
        (HttpResponse(status=303, headers={"location": "/v4/serviceTest/7"}), "7"),
        (json_answer(200, {"id": "5", "state": "done", "sourceHref": "/v4/serviceTest/7"}), "7"),
        (json_answer(200, {"id": "5", "resource": {"href": "/serviceTest/7"}}), "7"),
        (json_answer(200, {"response": {"headers": [{"name": "Location", "value": "/serviceTest/7"}]}}), "7"),
        (json_answer(200, {"response": {"statusCode": "201", "body": '{"href": "/serviceTest/7"}'}}), "7"),
        (json_answer(200, RUN), "7"),
        (json_answer(200, {"id": "5", "href": "/monitor/5", "state": "inProgress"}), None),
        (json_answer(200, {"response": {"body": "{"}}), None),
        (HttpResponse(status=204), None),
    ],
)
def test_a_monitor_names_the_run_once_it_is_there(response: HttpResponse, found: str | None) -> None:
    report = read_followed({"inProgress": RunState.IN_PROGRESS}, Paths(), response)
    assert not isinstance(report, str)
    assert (report.external_id if report else None) == found


def test_a_redirect_to_something_else_is_asked_next() -> None:
    response = HttpResponse(status=303, headers={"location": "/tasks/9"})
    assert read_followed({}, Paths(), response) == "/tasks/9"


def test_an_accepted_run_has_no_id_of_the_monitor() -> None:
    report = a_spoke(look_up="location").read_reply(MONITOR)
    assert report == ExternalReport(external_id=None, href="/monitor/5")
    assert a_spoke().read_reply(MONITOR).external_id == "5"  # as it was


async def a_run_behind_a_monitor(*answers: HttpResponse | None, **profile: Any) -> InMemoryGateway:  # noqa: ANN401
    gateway = InMemoryGateway(profile={"look_up": "location"} | profile)
    gateway.system.plan(Purpose.SEND, MONITOR)
    gateway.system.plan(Purpose.LOOK_UP, *answers)
    await gateway.process_request(a_document())
    return gateway


async def test_a_run_is_found_by_way_of_its_monitor() -> None:
    moved = HttpResponse(status=303, headers={"location": "/tasks/9"})
    gateway = await a_run_behind_a_monitor(moved, json_answer(200, RUN))
    assert [call.path for call in gateway.system.calls_made(Purpose.LOOK_UP)] == ["/monitor/5", "/tasks/9"]
    assert (gateway.row().external_id, gateway.row().phase) == ("7", Phase.IN_PROGRESS)


async def test_a_monitor_that_is_not_done_is_asked_again_and_the_run_is_looked_up_by_name_too() -> None:
    working = json_answer(200, {"id": "5", "state": "inProgress"})
    gateway = await a_run_behind_a_monitor(working, json_answer(200, []))
    assert (gateway.row().external_id, gateway.row().external_href) == (None, "/monitor/5")
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, RUN))
    await gateway.advance(30)
    assert gateway.row().external_id == "7"
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_redirects_without_an_end_are_followed_three_times() -> None:
    moved = HttpResponse(status=303, headers={"location": "/monitor/5"})
    gateway = await a_run_behind_a_monitor(*[moved] * 3, json_answer(200, []))
    paths = [call.path for call in gateway.system.calls_made(Purpose.LOOK_UP)]
    assert paths == ["/monitor/5"] * 3 + ["/serviceTest"]
    assert gateway.row().phase is Phase.ACCEPTED


def test_a_look_up_by_name_and_service_asks_for_both() -> None:
    call = a_spoke(look_up="name_and_service").to_look_up(a_document())
    assert call is not None
    assert dict(call.query) == {"name": "Line test TR0001", "relatedService.id": "PI0001"}


def test_a_body_that_is_no_json_is_not_taken_for_a_monitor() -> None:
    with pytest.raises(NotUnderstoodError, match="not JSON"):
        read_followed({}, Paths(), HttpResponse(status=200, body=b"<html>"))


@pytest.mark.parametrize(
    ("monitor", "codes", "messages"),
    [
        ({"state": "Failed"}, ["PROCESSING_FAILED"], ["ended its processing as Failed"]),
        ({"state": "rejected", "code": "noLine", "reason": "there is no line"}, ["noLine"], ["there is no line"]),
        (
            {
                "state": "terminatedWithError",
                "errorMessage": [{"code": "a", "message": "b"}, {"code": "c", "reason": "d"}],
            },
            ["a", "c"],
            ["b", "d"],
        ),
        (
            {"state": "done", "response": {"statusCode": "422", "body": '{"code": "e", "reason": "f"}'}},
            ["e"],
            ["f"],
        ),
        ({"response": {"statusCode": 409}}, ["PROCESSING_FAILED"], ["answered with 409"]),
    ],
)
def test_a_monitor_that_failed_rejects_the_run(
    monitor: dict[str, object], codes: list[str], messages: list[str]
) -> None:
    report = read_followed({}, Paths(), json_answer(200, {"id": "5", "href": "/monitor/5", **monitor}))
    assert isinstance(report, ExternalReport)
    assert (report.state, report.external_id) == (RunState.REJECTED, None)
    assert [reason.code for reason in report.reasons] == codes
    assert all(text in reason.message for text, reason in zip(messages, report.reasons, strict=True))


FAILED = json_answer(200, {"id": "5", "state": "failed", "code": "noLine", "reason": "there is no line"})


async def test_a_run_whose_monitor_failed_at_once_is_rejected_with_the_reason() -> None:
    gateway = await a_run_behind_a_monitor(FAILED)
    (result,) = gateway.results()
    assert (result.state, [reason.code for reason in result.reasons]) == (RunState.REJECTED, ["noLine"])
    assert UpdateKind.ACCEPTED not in gateway.updates()


async def test_a_run_whose_monitor_fails_later_is_rejected_instead_of_waiting_for_its_id() -> None:
    gateway = await a_run_behind_a_monitor(json_answer(200, {"id": "5", "state": "inProgress"}), json_answer(200, []))
    gateway.system.plan(Purpose.LOOK_UP, FAILED)
    await gateway.advance(30)
    (result,) = gateway.results()
    assert (result.state, [reason.code for reason in result.reasons]) == (RunState.REJECTED, ["noLine"])
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().watch is None


async def test_a_change_that_waits_for_the_id_of_a_run_whose_monitor_fails_is_refused() -> None:
    gateway = await a_run_behind_a_monitor(
        json_answer(200, {"id": "5", "state": "inProgress"}), json_answer(200, []), patchable=["description"]
    )
    gateway.system.plan(Purpose.LOOK_UP, FAILED)
    await gateway.process_change(a_document(version=2, description="another"))
    assert UpdateKind.CHANGE_REFUSED in gateway.updates()
    assert gateway.results()[0].state is RunState.REJECTED
