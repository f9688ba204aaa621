"""A Service Test Request orders a run and is answered within its time limit, or later, by the same request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiohttp import ClientSession, web

from consumers.northbound.access.refusals import AccessRefusedError
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.server import ApiServer
from consumers.northbound.servicenow.openapi import REQUESTS_PATH
from consumers.store.port import StoreUnavailableError
from router.northbound.api_version import ApiVersion
from router.northbound.principal import Principal, Scope
from router.northbound.servicenow.service_test_request import RUN_TABLE, error_answer
from schemas.results import Reason, ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Phase, RunState
from tests.builders.runs import NOON, TREE
from tests.fixtures.northbound_server import HttpAnswer
from tests.fixtures.servicenow_server import ServiceNowServer, a_servicenow_body, a_servicenow_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiohttp.typedefs import Handler

BODY = a_servicenow_body(id="sys-1", testMeasure=[{"id": "TM1", "metricName": "Flow speed"}])
TIME_LIMIT = 300.0  # seconds, which no test needs
WITHIN = 60.0  # seconds until something that must happen is a failure


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[ServiceNowServer]:
    async with a_servicenow_server(tmp_path, time_limit=TIME_LIMIT, limit=3) as server:
        yield server


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - a condition of the server, which signals nothing to a test
            await asyncio.sleep(0.01)


async def ordered_run_of(desk: ServiceNowServer, own_id: str) -> str:
    """Return the id of a run, once it is ordered."""
    async with asyncio.timeout(WITHIN):
        while (answer := await desk.api.call("GET", own_id)).status != 200:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    return str(answer.body["id"])


async def end(desk: ServiceNowServer, run_id: str, state: RunState = RunState.COMPLETED, **more: Any) -> None:  # noqa: ANN401
    """Store the end of a run, and signal it as Kafka does."""
    await desk.route(run_id, phase=Phase.FULFILLED, state=state, finished_at=NOON, **more)
    view = await desk.api.store.orders.view(run_id)
    assert view is not None
    desk.resources.signals.notify(view.document.root_run_id, {})


async def test_the_result_is_the_answer(desk: ServiceNowServer) -> None:
    asking = asyncio.create_task(desk.request(orjson.dumps(BODY).decode()))
    run_id = await ordered_run_of(desk, "sys-1")
    assert not asking.done()
    await end(desk, run_id, measures=(ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=3000),))
    answer = await asyncio.wait_for(asking, WITHIN)
    assert (answer.status, answer.body["status_code"]) == (200, "1")
    run = orjson.loads(answer.body["response_body"])
    assert (run["id"], run["state"]) == ("sys-1", "completed")
    assert [(measure["id"], measure["value"]) for measure in run["testMeasure"]] == [("TM1", "3000")]
    assert desk.resources.answers == ["completed"]
    assert desk.resources.signals.waiting == 0


async def test_an_object_is_answered_with_an_object(desk: ServiceNowServer) -> None:
    answer = await desk.request(BODY, headers={"Prefer": "respond-async"})
    assert answer.body["response_body"]["id"] == "sys-1"


@pytest.mark.parametrize("prefer", ["wait=0", "Respond-Async", "handling=strict, wait=soon, wait=0"])
async def test_a_result_that_comes_later_is_the_answer_to_the_same_request(desk: ServiceNowServer, prefer: str) -> None:
    first = await desk.request(BODY, headers={"Prefer": prefer})
    assert (first.status, first.body["status_code"], first.body["response_body"]["state"]) == (202, "1", "acknowledged")
    assert "later" in first.body["status_reason"]
    await end(desk, await ordered_run_of(desk, "sys-1"))
    again = await desk.request(BODY)
    assert (again.status, again.body["response_body"]["state"]) == (200, "completed")
    assert len(desk.resources.publisher.published) == 1


async def test_the_same_request_waits_for_the_run_of_a_process_that_was_stopped(tmp_path: Path) -> None:
    async with a_servicenow_server(tmp_path) as before:
        asking = asyncio.create_task(before.request(BODY))
        run_id = await ordered_run_of(before, "sys-1")
        before.resources.signals.close()  # as a process that stops: it answers at once
        assert (await asyncio.wait_for(asking, WITHIN)).status == 202
    async with a_servicenow_server(tmp_path) as after:
        asking = asyncio.create_task(after.request(BODY))
        await until(lambda: after.resources.signals.waiting == 1)
        await end(after, run_id)
        assert (await asyncio.wait_for(asking, WITHIN)).body["response_body"]["state"] == "completed"
    # That Kafka has it was perhaps not stored: then it is published again, under the same id.
    published = [*before.resources.publisher.published, *after.resources.publisher.published]
    assert len({value for message in published for name, value in message.headers if name == "ce_id"}) == 1


async def test_a_run_is_read_again_although_no_signal_comes(tmp_path: Path) -> None:
    async with a_servicenow_server(tmp_path, read_again_after=0.05) as desk:
        asking = asyncio.create_task(desk.request(BODY))
        run_id = await ordered_run_of(desk, "sys-1")
        await desk.route(run_id, phase=Phase.FULFILLED, state=RunState.COMPLETED, finished_at=NOON)
        assert (await asyncio.wait_for(asking, WITHIN)).status == 200


async def test_a_run_that_fails_is_a_failure_with_its_reason(desk: ServiceNowServer) -> None:
    asking = asyncio.create_task(desk.request(BODY))
    run_id = await ordered_run_of(desk, "sys-1")
    await end(desk, run_id, RunState.REJECTED, reasons=(Reason(code="OUT_OF_AREA", message="no such line"),))
    answer = await asyncio.wait_for(asking, WITHIN)
    assert (answer.status, answer.body["status_code"]) == (200, "0")
    assert "OUT_OF_AREA: no such line" in answer.body["status_reason"]


async def test_a_run_that_routing_refuses_is_a_failure_with_its_reason(desk: ServiceNowServer) -> None:
    asking = asyncio.create_task(desk.request(BODY))
    run_id = await ordered_run_of(desk, "sys-1")
    desk.resources.signals.notify(run_id, {run_id: (Reason(code="NO_ROW", message="no row matches"),)})
    answer = await asyncio.wait_for(asking, WITHIN)
    assert (answer.status, answer.body["status_code"]) == (200, "0")
    assert answer.body["status_reason"] == "The test run was refused: NO_ROW: no row matches"


async def test_a_hierarchy_is_answered_when_its_last_child_has_ended(desk: ServiceNowServer) -> None:
    children = [a_servicenow_body(id=f"sys-1-{number}") for number in (1, 2)]
    asking = asyncio.create_task(desk.request(BODY | {"childServiceTest": children}))
    root, *below = [await ordered_run_of(desk, own) for own in ("sys-1", "sys-1-1", "sys-1-2")]
    for run_id in (root, below[0]):
        await end(desk, run_id, decision=TREE)
    await until(lambda: desk.resources.signals.waiting == 1)
    assert not asking.done()
    await end(desk, below[1], RunState.FAILED, decision=TREE)
    answer = await asyncio.wait_for(asking, WITHIN)
    assert (answer.body["status_code"], "1 of its child runs" in answer.body["status_reason"]) == ("0", True)
    shown = [(child["id"], child["state"]) for child in answer.body["response_body"]["childServiceTest"]]
    assert sorted(shown) == [("sys-1-1", "completed"), ("sys-1-2", "failed")]


async def test_what_more_than_the_allowed_number_of_requests_ask_comes_later(desk: ServiceNowServer) -> None:
    asking = [asyncio.create_task(desk.request(a_servicenow_body(id=f"sys-{number}"))) for number in range(3)]
    await until(lambda: desk.resources.signals.waiting == 3)
    answer = await asyncio.wait_for(desk.request(a_servicenow_body(id="sys-9")), WITHIN)
    assert (answer.status, answer.body["status_code"]) == (202, "1")
    desk.resources.signals.close()
    assert [one.status for one in await asyncio.gather(*asking)] == [202, 202, 202]
    assert desk.resources.signals.waiting == 0


async def test_a_client_that_goes_away_frees_its_place_and_its_run_goes_on(tmp_path: Path) -> None:
    async with a_servicenow_server(tmp_path, read_again_after=0.05) as desk:
        asking = asyncio.create_task(desk.request(BODY))
        run_id = await ordered_run_of(desk, "sys-1")
        asking.cancel()
        await until(lambda: desk.resources.signals.waiting == 0)
        await end(desk, run_id)
        assert (await desk.request(BODY)).body["response_body"]["state"] == "completed"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({"table_name": "incident", "request_body": BODY}, 400),
        ({"table_name": RUN_TABLE, "request_body": "no JSON"}, 400),
        ({"table_name": RUN_TABLE, "request_body": {"id": "sys-1"}}, 400),
        ({"table_name": RUN_TABLE, "request_body": BODY | {"name": "another"}}, 409),
        ({"table_name": RUN_TABLE, "request_body": orjson.dumps(BODY | {"name": "another"}).decode()}, 409),
        ({"table_name": RUN_TABLE, "request_body": BODY | {"note": "a\0b"}}, 400),
        ({"table_name": RUN_TABLE, "request_body": orjson.dumps(BODY | {"note": "a\0b"}).decode()}, 400),
        ("no JSON", 400),
    ],
)
async def test_a_request_that_is_refused_is_a_failure_with_its_status(
    desk: ServiceNowServer, content: object, status: int
) -> None:
    await desk.request(BODY, headers={"Prefer": "wait=0"})
    sent = {"data": content, "headers": {"Content-Type": "application/json"}} if isinstance(content, str) else {}
    answer = await desk.api.call("POST", REQUESTS_PATH, None if sent else content, **sent)
    assert (answer.status, answer.body["status_code"]) == (status, "0")
    assert answer.body["status_reason"]
    body = answer.body["response_body"]
    has_text = isinstance(content, dict) and isinstance(content["request_body"], str)
    assert (orjson.loads(body) if has_text else body)["errors"]
    assert desk.resources.answers[-1] == "refused"


async def test_a_client_needs_to_be_allowed_to_order(desk: ServiceNowServer) -> None:
    desk.api.principal = Principal(name="reader", scopes=frozenset({Scope.READ}))
    assert (await desk.request(BODY)).status == 403
    assert desk.resources.publisher.published == []


def check_answer(answer: HttpAnswer, status: int) -> None:
    assert answer.status == status
    assert {*answer.body} == {"status_code", "status_reason", "response_body"}
    assert answer.body["status_code"] == "0"
    assert answer.body["status_reason"]
    for part in answer.body.values():
        assert len(orjson.dumps(part).decode()) <= 4_002  # with the quotes of a text


async def test_a_client_without_the_scope_gets_the_answer_of_the_contract(desk: ServiceNowServer) -> None:
    desk.api.principal = Principal(name="reader", scopes=frozenset({Scope.READ}))
    check_answer(await desk.request(BODY), 403)
    assert desk.resources.answers == ["refused"]


async def test_an_outage_of_the_store_is_answered_by_the_contract(
    desk: ServiceNowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(type(desk.api.store.orders), "save", fail)
    answer = await desk.request(orjson.dumps(BODY).decode())
    check_answer(answer, 503)
    assert answer.headers["Retry-After"]
    assert isinstance(answer.body["response_body"], str)


async def test_a_programming_error_is_answered_by_the_contract(
    desk: ServiceNowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(type(desk.api.store.orders), "save", fail)
    check_answer(await desk.request(BODY), 500)


async def test_a_method_that_the_path_does_not_take_is_answered_by_the_contract(desk: ServiceNowServer) -> None:
    check_answer(await desk.api.call("GET", REQUESTS_PATH), 405)


@pytest.mark.parametrize("status", [401, 403, 413, 429, 503])
async def test_who_is_refused_before_the_request_is_read_gets_the_answer_of_the_contract(status: int) -> None:
    @web.middleware
    async def refuse_all(request: web.Request, handler: Handler) -> web.StreamResponse:
        del request, handler
        return AccessRefusedError(status, "forbidden", "x" * 5_000, {"X-Kept": "yes"}).response()

    async def never(_: web.Request) -> web.Response:
        raise AssertionError

    answered = ResourceRoutes(
        routes=[web.post(REQUESTS_PATH, never)],
        error_forms={REQUESTS_PATH: lambda error: error_answer(error).as_json(is_text=False)},
    )
    server = ApiServer(host="127.0.0.1", port=0, version=ApiVersion.V4_1, resources=[answered], authenticate=refuse_all)
    async with server, ClientSession() as http:
        base = f"http://127.0.0.1:{server.port}"
        async with http.post(f"{base}{REQUESTS_PATH}", json={}) as response:
            answer = HttpAnswer(status=response.status, headers=response.headers.copy(), body=await response.json())
        check_answer(answer, status)
        assert answer.headers["X-Kept"] == "yes"
        async with http.post(f"{base}/elsewhere", json={}) as other:
            assert (await other.json())["@type"] == "Error"
