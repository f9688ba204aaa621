"""A simulated external system does what its script says, over real connections."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
import uvloop

from schemas.results import Reason
from southbound.simulator.behaviours import (
    Behaviour,
    BehaviourStep,
    completes_by_callback,
    completes_immediately,
    rejects,
    stays_pending,
)
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.script import Script
from southbound.simulator.tmf_definition import official_definition
from tests.fakes.callback_sink import CallbackSink
from tests.harness.repeated_posts import repeated_posts
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def a_body(name: str = "Speed TR1", **more: object) -> dict[str, Any]:
    measure = {"id": "TM1", "metricName": "Flow speed", "unitOfMeasure": "Mbit/s"}
    return {
        "name": name,
        "relatedService": {"id": "PI1"},
        "testSpecification": {"id": "fibre-line"},
        "testMeasure": [measure],
        **more,
    }


@dataclass(slots=True)
class SystemResponse:
    status: int
    headers: Any
    content: Any


@dataclass(slots=True)
class SystemClient:
    """An HTTP client of one system."""

    system: ExternalSystem
    session: aiohttp.ClientSession

    async def request(self, method: str, path: str, body: object = None, **headers: str) -> SystemResponse:
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        kind = {"content-type": "application/json"} if data is not None else {}
        url = path if path.startswith("http") else f"{self.system.base_url}{path}"
        async with self.session.request(method, url, data=data, headers=kind | headers) as answer:
            text = await answer.read()
            return SystemResponse(answer.status, answer.headers, orjson.loads(text) if text else None)

    async def post(self, body: object = None, **headers: str) -> SystemResponse:
        return await self.request("POST", "/serviceTest", body or a_body(), **headers)

    async def wait_for_state(self, identity: str, state: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (test := (await self.request("GET", f"/serviceTest/{identity}")).content)["state"] != state:  # noqa: ASYNC110 - it happens at the other end of a socket
                await asyncio.sleep(0.01)
            return dict(test)


@asynccontextmanager
async def a_system(behaviour: Behaviour | Script | None = None, **options: Any) -> AsyncIterator[SystemClient]:  # noqa: ANN401 - of the system
    script = behaviour if isinstance(behaviour, Script) else Script(default=behaviour or completes_immediately())
    async with (
        ExternalSystem(name="fibre-lab", script=script, **options) as system,
        aiohttp.ClientSession() as session,
    ):
        yield SystemClient(system, session)


async def test_a_synchronous_answer_is_final_and_carries_the_measures() -> None:
    async with a_system(completes_immediately()) as client:
        answer = await client.post()
    test = answer.content
    assert (answer.status, test["state"]) == (201, "completed")
    assert test["href"] == f"{client.system.base_url}/serviceTest/{test['id']}" == answer.headers["Location"]
    assert test["testMeasure"][0]["id"] == "TM1"
    assert isinstance(test["testMeasure"][0]["value"]["value"], float)
    assert not official_definition().violations("ServiceTest", test)


async def test_an_asynchronous_test_is_acknowledged_and_reported_step_by_step() -> None:
    async with CallbackSink() as sink, a_system(completes_by_callback(0.02), callback_url=sink.url) as client:
        answer = await client.post()
        assert (answer.status, answer.content["state"]) == (201, "acknowledged")
        test = await sink.wait_for("completed")
    assert sink.states == ["inProgress", "completed"]
    assert set(sink.types) == {"ServiceTestStateChangeEvent"}
    assert test["id"] == answer.content["id"]
    assert test["testMeasure"][0]["id"] == "TM1"
    assert len({event["eventId"] for event in sink.events}) == 2


async def test_a_notification_is_repeated_until_it_is_acknowledged() -> None:
    async with CallbackSink(refuse=2) as sink, a_system(completes_by_callback(0.02), callback_url=sink.url) as client:
        await client.post()
        await sink.wait_for("completed")
    assert sink.refused == 2
    assert sink.states == ["inProgress", "completed"]


async def test_a_notification_goes_to_the_path_of_its_event_with_credentials_if_configured() -> None:
    options: dict[str, Any] = {"event_in_path": True, "callback_headers": {"x-token": "t"}}
    async with (
        CallbackSink() as sink,
        a_system(completes_by_callback(0.02), callback_url=sink.url, **options) as client,
    ):
        await client.post()
        await sink.wait_for("completed")
    assert set(sink.paths) == {"/listener/ServiceTestStateChangeEvent"}
    assert sink.headers[0]["x-token"] == "t"


async def test_thin_events_contain_only_the_state() -> None:
    async with (
        CallbackSink() as sink,
        a_system(completes_by_callback(0.02, minimal_events=True), callback_url=sink.url) as client,
    ):
        await client.post()
        test = await sink.wait_for("completed")
        assert set(test) == {"id", "href", "state"}
        assert (await client.request("GET", test["href"])).content["testMeasure"][0]["value"]


async def test_measures_can_come_in_an_event_of_their_own() -> None:
    behaviour = completes_by_callback(0.02, separate_measures_event=True)
    async with CallbackSink() as sink, a_system(behaviour, callback_url=sink.url) as client:
        await client.post()
        assert "testMeasure" not in await sink.wait_for("completed")
    apart = sink.events[1]
    assert (apart["eventType"], apart["fieldPath"]) == ("ServiceTestAttributeValueChangeEvent", "testMeasure")
    assert apart["event"]["serviceTest"]["testMeasure"][0]["id"] == "TM1"


async def test_a_system_that_does_not_notify_can_be_polled() -> None:
    async with (
        CallbackSink() as sink,
        a_system(completes_by_callback(0.02, notifies=False), callback_url=sink.url) as client,
    ):
        identity = (await client.post()).content["id"]
        assert (await client.wait_for_state(identity, "completed"))["testMeasure"]
    assert sink.events == []


async def test_a_refusal_is_422_with_its_reason() -> None:
    reason = Reason(code="referenceNotFound", message="no such pair", property_path="/relatedService/id")
    async with a_system(rejects(reason)) as client:
        first = await client.post()
    assert (first.status, first.content["code"], first.content["message"]) == (422, "referenceNotFound", "no such pair")
    assert not official_definition().violations("Error", first.content)
    async with a_system(rejects(reason, Reason(code="invalidValue", message="too far"))) as client:
        several = await client.post()
        assert [error["code"] for error in several.content] == ["referenceNotFound", "invalidValue"]
        assert (await client.request("GET", "/serviceTest")).content == []


async def test_a_busy_system_refuses_each_command_the_configured_number_of_times() -> None:
    async with a_system(completes_immediately(busy_times=2, retry_after=3)) as client:
        first = [await client.post(**{"idempotency-key": "a"}) for _ in range(3)]
        other = await client.post(**{"idempotency-key": "b"})
        assert len((await client.request("GET", "/serviceTest")).content) == 1
    assert [answer.status for answer in first] == [503, 503, 201]
    assert (first[0].headers["Retry-After"], other.status) == ("3", 503)


async def test_a_slow_answer_comes_after_the_test_was_created() -> None:
    async with a_system(completes_immediately(response_delay=3.0)) as client:
        posting = asyncio.create_task(client.post())
        async with asyncio.timeout(60):
            while not (await client.request("GET", "/serviceTest")).content:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert not posting.done()
        assert (await posting).status == 201


@pytest.mark.parametrize("stores", [True, False])
async def test_a_connection_reset_may_come_with_or_without_creating_the_test(*, stores: bool) -> None:
    async with a_system(completes_immediately(reset_times=1, accept_before_reset=stores)) as client:
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await client.post(**{"idempotency-key": "a"})
        assert len((await client.request("GET", "/serviceTest?name=Speed TR1")).content) == int(stores)
        assert (await client.post(**{"idempotency-key": "a"})).status == 201
        assert repeated_posts(client.system.request_log) == {"a": 2}


def test_a_reset_is_a_reset_under_uvloop_too() -> None:
    async def body_was_read_and_the_connection_reset() -> None:
        async with a_system(completes_immediately(reset_times=1)) as client:
            with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
                await client.post()
            assert client.system.received[0].json() == a_body()

    uvloop.run(body_was_read_and_the_connection_reset())


async def test_an_acknowledgement_may_come_without_an_id() -> None:
    async with a_system(completes_immediately(response_status=202, returns_id=False)) as client:
        answer = await client.post()
        assert (answer.status, answer.content) == (202, None)
        assert "Location" not in answer.headers
        assert len((await client.request("GET", "/serviceTest?name=Speed TR1")).content) == 1


async def test_a_pending_test_is_cancelled_on_request() -> None:
    async with CallbackSink() as sink, a_system(stays_pending(None), callback_url=sink.url) as client:
        identity = (await client.post()).content["id"]
        await sink.wait_for("pending")
        answer = await client.request("PATCH", f"/serviceTest/{identity}", {"state": "cancelled"})
        assert (answer.status, answer.content["state"]) == (200, "cancelled")
        await sink.wait_for("cancelled")
        again = await client.request("PATCH", f"/serviceTest/{identity}", {"description": "late"})
        assert (again.status, again.content["code"]) == (409, "illegalState")


async def test_a_cancelled_test_does_not_go_on() -> None:
    # It is pending for seconds, so that it does not go on before it is cancelled.
    async with CallbackSink() as sink, a_system(stays_pending(3.0), callback_url=sink.url) as client:
        identity = (await client.post()).content["id"]
        await sink.wait_for("pending")
        await client.request("PATCH", f"/serviceTest/{identity}", {"state": "cancelled"})
        await sink.wait_for("cancelled")
        other = (await client.post(a_body("other"))).content["id"]
        await client.wait_for_state(other, "completed")
        assert sink.states[:2] == ["pending", "cancelled"]
        assert (await client.request("GET", f"/serviceTest/{identity}")).content["state"] == "cancelled"


async def test_what_cannot_be_cancelled_goes_on() -> None:
    async with a_system(completes_by_callback(0.1, cancelable=False)) as client:
        identity = (await client.post()).content["id"]
        assert (await client.request("PATCH", f"/serviceTest/{identity}", {"state": "canceled"})).status == 409
        await client.wait_for_state(identity, "completed")


async def test_a_change_is_accepted_notified_and_shown_in_the_result() -> None:
    behaviour = stays_pending(0.05, echo_characteristics=True, waits_for={"url": "http://b.example"})
    async with CallbackSink() as sink, a_system(behaviour, callback_url=sink.url) as client:
        url = {"name": "url", "value": "http://a.example"}
        identity = (await client.post(a_body(characteristic=[url]))).content["id"]
        patch = {"characteristic": [url | {"value": "http://b.example"}]}
        answer = await client.request("PATCH", f"/serviceTest/{identity}", patch)
        assert (answer.status, answer.content["characteristic"]) == (200, patch["characteristic"])
        test = await sink.wait_for("completed")
    assert test["testMeasure"][0]["value"]["value"] == "http://b.example"
    changed = next(event for event in sink.events if event["eventType"] == "ServiceTestAttributeValueChangeEvent")
    assert changed["fieldPath"] == "characteristic"


async def test_null_deletes_a_field_but_not_one_that_is_required() -> None:
    async with a_system(stays_pending(None)) as client:
        identity = (await client.post(a_body(description="old"))).content["id"]
        answer = await client.request("PATCH", f"/serviceTest/{identity}", {"description": None})
        assert answer.status == 200
        assert "description" not in answer.content
        refused = await client.request("PATCH", f"/serviceTest/{identity}", {"name": None})
        assert (refused.status, refused.content["propertyPath"]) == (400, "/name")


async def test_a_test_that_cannot_be_changed_answers_with_the_reason() -> None:
    async with a_system(stays_pending(None, changeable=False)) as client:
        identity = (await client.post()).content["id"]
        answer = await client.request("PATCH", f"/serviceTest/{identity}", {"description": "new"})
    assert (answer.status, answer.content["propertyPath"]) == (422, "/description")


async def test_a_rule_violation_is_part_of_the_measure() -> None:
    async with a_system(completes_immediately(violate_threshold=True)) as client:
        test = (await client.post()).content
    assert test["testMeasure"][0]["ruleViolation"][0]["name"]
    assert not official_definition().violations("ServiceTest", test)


async def test_a_test_can_fail() -> None:
    failing = Behaviour(
        transitions=(BehaviourStep(after=0.01, state=Behaviour().initial_state), BehaviourStep(state="failed"))
    )
    async with CallbackSink() as sink, a_system(failing, callback_url=sink.url) as client:
        await client.post()
        test = await sink.wait_for("failed")
    assert "value" not in test["testMeasure"][0]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (a_body() | {"name": 7}, 400, "/name"),
        (a_body() | {"relatedService": {}}, 400, "/relatedService/id"),
        (a_body() | {"id": "mine"}, 400, "/id"),
        (a_body() | {"childServiceTest": [a_body("child") | {"name": 7}]}, 400, "/childServiceTest/0/name"),
        (b"rubbish", 400, None),
        (b"[]", 400, None),
    ],
)
async def test_a_schema_violation_is_400_with_a_pointer(body: object, status: int, pointer: str | None) -> None:
    async with a_system() as client:
        answer = await client.post(body)
        assert (answer.status, answer.content.get("propertyPath")) == (status, pointer)
        assert not official_definition().violations("Error", answer.content)
        assert (await client.request("GET", "/serviceTest")).content == []


async def test_another_media_type_is_415() -> None:
    async with a_system() as client:
        assert (await client.post(a_body(), **{"content-type": "text/xml"})).status == 415


async def test_a_child_is_refused_while_its_parent_is_not_known() -> None:
    async with a_system(
        Script(default=stays_pending(None), children={"fibre-line": completes_immediately()})
    ) as client:

        async def child_of(parent: str) -> SystemResponse:
            relationship = {"id": parent, "relationshipType": "dependency", "role": "parent"}
            return await client.post(a_body("child", serviceTestRelationship=[relationship]))

        early = await child_of("nobody")
        assert (early.status, early.content["propertyPath"]) == (422, "/serviceTestRelationship/0/id")
        parent = (await client.post()).content
        child = (await child_of(parent["id"])).content
    assert (parent["state"], child["state"]) == ("acknowledged", "completed")


async def test_a_bundle_is_acknowledged_with_an_id_per_test() -> None:
    async with a_system() as client:
        tree = a_body("root", childServiceTest=[a_body("a", childServiceTest=[a_body("b")]), a_body("c")])
        root = (await client.post(tree)).content
        known = (await client.request("GET", "/serviceTest?fields=id")).content
    ids = {
        root["id"],
        root["childServiceTest"][0]["id"],
        root["childServiceTest"][0]["childServiceTest"][0]["id"],
        root["childServiceTest"][1]["id"],
    }
    assert ids == {test["id"] for test in known}
    assert len(ids) == 4


async def test_fault_a_child_that_is_changed_in_its_root_does_not_go_on() -> None:
    behaviour = completes_by_callback(0.02, waits_for={"go": "on"}, ends_after_children=True)
    go_on = {"characteristic": [{"name": "go", "value": "on"}]}
    async with CallbackSink() as sink, a_system(behaviour, callback_url=sink.url) as client:
        root = (await client.post(a_body("root", childServiceTest=[a_body("a"), a_body("b")]))).content
        first, second = (child["id"] for child in root["childServiceTest"])
        path = f"/serviceTest/{root['id']}"
        await client.request("PATCH", path, go_on)
        changed = [a_body("a") | go_on | {"id": first}, a_body("b") | {"id": second}]
        answer = await client.request("PATCH", path, {"childServiceTest": changed})
        assert [child.get("characteristic") for child in answer.content["childServiceTest"]] == [
            go_on["characteristic"],
            None,
        ]
        await client.wait_for_state(first, "completed")
        # Its other child goes on, and so does the root, which can be changed for it.
        both = [changed[0] | {"description": "too late"}, changed[1] | go_on]
        assert (await client.request("PATCH", path, {"childServiceTest": both})).status == 200
        await client.wait_for_state(root["id"], "completed")
        tests = (await client.request("GET", "/serviceTest")).content
    assert {test["state"] for test in tests} == {"completed"}
    assert "description" not in next(test for test in tests if test["id"] == first)


async def test_tests_are_found_by_name_and_service_and_counted() -> None:
    async with a_system() as client:
        for number in range(3):
            await client.post(a_body(f"Speed TR{number}", relatedService={"id": f"PI{number % 2}"}))
        by_name = await client.request("GET", "/serviceTest?name=Speed%20TR1&relatedService.id=PI1")
        page = await client.request("GET", "/serviceTest?relatedService.id=PI0&fields=name&limit=1&offset=1")
        wrong = await client.request("GET", "/serviceTest?limit=many")
    assert [test["name"] for test in by_name.content] == ["Speed TR1"]
    assert [test["name"] for test in page.content] == ["Speed TR2"]
    assert set(page.content[0]) == {"id", "href", "name"}
    assert (page.headers["X-Total-Count"], page.headers["X-Result-Count"]) == ("2", "1")
    assert wrong.status == 400


async def test_a_deleted_test_is_gone() -> None:
    async with a_system() as client:
        identity = (await client.post()).content["id"]
        assert (await client.request("DELETE", f"/serviceTest/{identity}")).status == 204
        for method in ("GET", "DELETE", "PATCH"):
            answer = await client.request(method, f"/serviceTest/{identity}", {} if method == "PATCH" else None)
            assert (answer.status, answer.content["code"]) == (404, "notFound")


async def test_subscribers_of_the_hub_get_what_their_query_selects() -> None:
    behaviour = completes_by_callback(0.1, waits_for={"go": "on"})
    async with CallbackSink() as all_events, CallbackSink() as changes, a_system(behaviour) as client:
        query = "eventType=ServiceTestAttributeValueChangeEvent"
        first = await client.request("POST", "/hub", {"callback": all_events.url})
        await client.request("POST", "/hub", {"callback": changes.url, "query": query})
        assert (first.status, first.content["callback"]) == (201, all_events.url)
        identity = (await client.post()).content["id"]
        go_on = {"characteristic": [{"name": "go", "value": "on"}]}
        await client.request("PATCH", f"/serviceTest/{identity}", go_on)
        await all_events.wait_for("completed")
        await wait_until(lambda: changes.types)  # the other subscriber may be served later
    assert changes.types == ["ServiceTestAttributeValueChangeEvent"]
    assert sorted(set(all_events.types)) == ["ServiceTestAttributeValueChangeEvent", "ServiceTestStateChangeEvent"]


async def test_a_callback_is_subscribed_once_until_it_is_unsubscribed() -> None:
    async with a_system() as client:
        subscription = {"callback": "http://127.0.0.1:9/listener"}
        identity = (await client.request("POST", "/hub", subscription)).content["id"]
        assert (await client.request("POST", "/hub", subscription)).status == 409
        assert (await client.request("DELETE", f"/hub/{identity}")).status == 204
        assert (await client.request("DELETE", f"/hub/{identity}")).status == 404
        assert (await client.request("POST", "/hub", subscription)).status == 201
        assert (await client.request("POST", "/hub", {"query": "x"})).content["propertyPath"] == "/callback"


async def test_the_request_log_contains_refused_requests_too() -> None:
    async with a_system(completes_immediately(busy_times=1)) as client:
        for _ in range(2):
            await client.post(a_body("Speed TR1"), **{"idempotency-key": "k1", "authorization": "Bearer s3cret"})
        await client.post(a_body("Speed TR2"), **{"idempotency-key": "k2"})
        system = client.system
        assert [r.idempotency_key for r in system.received] == ["k1", "k1", "k2"]
        assert repeated_posts(system.request_log) == {"k1": 2}
        assert system.request_log.posted_names() == ("Speed TR1", "Speed TR1", "Speed TR2")
        outside = system.base_url.partition("/tmf-api")[0] + "/_simulator/received"
        requests = (await client.request("GET", f"{outside}?idempotencyKey=k1")).content
    assert [(r["number"], r["method"], r["path"]) for r in requests] == [
        (1, "POST", "/serviceTest"),
        (2, "POST", "/serviceTest"),
    ]
    assert requests[0]["body"]["name"] == "Speed TR1"
    assert requests[0]["headers"]["authorization"] == "***"


async def test_every_request_can_be_made_to_take_a_while() -> None:
    async with a_system(latency=0.05) as client:
        begun = monotonic()
        await client.post()
        assert monotonic() - begun >= 0.05


async def test_an_unknown_path_is_a_tmf_error() -> None:
    async with a_system() as client:
        assert (await client.request("GET", "/nothing")).content["code"] == "404"
        assert (await client.request("PUT", "/serviceTest", {})).content["code"] == "405"


async def test_a_stop_leaves_nothing_running() -> None:
    async with a_system(stays_pending(None), callback_url="http://127.0.0.1:9/listener") as client:
        await client.post()
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]


async def test_a_test_waits_for_values_that_a_change_brings_and_not_if_it_has_them() -> None:
    waiting = completes_by_callback(0.02, waits_for={"profile": "fast"})
    slow, fast = ([{"name": "profile", "value": value}] for value in ("slow", "fast"))
    async with a_system(waiting) as client:
        ready = (await client.post(a_body("Speed TR1", characteristic=fast))).content["id"]
        await client.wait_for_state(ready, "completed")
        waits = (await client.post(a_body("Speed TR2", characteristic=slow))).content["id"]
        await client.wait_for_state(waits, "pending")
        await client.request("PATCH", f"/serviceTest/{waits}", {"description": "other"})
        assert not client.system.tests[waits].changed.is_set()
        await client.request("PATCH", f"/serviceTest/{waits}", {"characteristic": fast})
        await client.wait_for_state(waits, "completed")
