"""Runs are ordered over HTTP: nothing is lost and nothing doubled, with several processes and when one is killed."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from southbound.service.roles import Role
from southbound.settings.settings import ApiSettings
from tests.fixtures.api_process import SERVICE_TEST, address_of, start_api_process
from tests.fixtures.kafka_proxy import a_kafka_proxy
from tests.fixtures.service import DEFAULT_ROLES, a_service
from tests.integration.service.order_burst import OrderBurst

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.processes import ChildProcess
    from tests.fixtures.service import ServiceUnderTest

BURST = 24  # orders
ORDER: dict[str, Any] = {
    "name": "Line test",
    "relatedService": {"id": "PI0001"},
    "testSpecification": {"id": "fibre-line"},
    "testMeasure": [{"id": "TM1", "metricName": "metric TM1", "metricHref": "urn:metric:1"}],
}


async def wait_for_listed(http: aiohttp.ClientSession, address: str, name: str) -> Any:  # noqa: ANN401 - JSON
    """Read the list until it has a run with this name."""
    async with asyncio.timeout(60):
        while True:
            if found := await _listed(http, address, name):
                return found
            await asyncio.sleep(0.02)


async def wait_for_state(http: aiohttp.ClientSession, address: str, service: ServiceUnderTest, state: str) -> Any:  # noqa: ANN401 - JSON
    """Read a run until it has this state."""
    shown: list[Any] = []

    async def read() -> None:
        while not shown:
            async with http.get(address) as response:
                run = await response.json()
            if run["state"] == state:
                shown.append(run)
            await asyncio.sleep(0.02)

    reading = asyncio.create_task(read())
    try:
        return (await service.wait_until(lambda: shown, f"{address} is {state}"))[0]
    finally:
        reading.cancel()


def posts_of(service: ServiceUnderTest, name: str) -> int:
    """Return how often the external systems were sent a run with this name."""
    requests = [request for system in service.systems.values() for request in system.request_log.requests]
    return sum(request.method == "POST" and name in str(request.body) for request in requests)


async def test_an_order_is_read_at_once_and_shows_its_result(kafka_bootstrap: str, tmp_path: Path) -> None:
    api = ApiSettings(port=0)
    async with a_service(kafka_bootstrap, tmp_path, started=False, api=api) as service:
        running = await service.start((*DEFAULT_ROLES, Role.API))
        base = f"http://127.0.0.1:{running.api_port}{SERVICE_TEST}"
        children = [{**ORDER, "name": f"Child {n}", "testMeasure": []} for n in (1, 2)]
        async with aiohttp.ClientSession() as http:
            valid = {"endDateTime": "2027-01-31T09:35:43.000Z"}
            async with http.post(base, json={**ORDER, "id": "SN-1", "validFor": valid, "state": "failed"}) as response:
                assert response.status == 201, await response.text()
                ordered = await response.json()
                assert (ordered["validFor"], response.headers["Southbound-Not-Kept"]) == (valid, "/state")
            async with http.get(f"{base}/SN-1") as response:
                assert (response.status, (await response.json())["id"]) == (200, ordered["id"])
            tree = {**ORDER, "testSpecification": {"id": "fibre-tree"}, "childServiceTest": children}
            async with http.post(base, json=tree) as response:
                root = await response.json()
            done = await wait_for_state(http, f"{base}/{ordered['id']}", service, "completed")
            shown = {each["name"]: each["value"] for each in done["characteristic"]}
            assert (shown["southbound.spoke"], shown["southbound.result"]) == ("fibre-lab", "pass")
            assert [measure["id"] for measure in done["testMeasure"]] == ["TM1"]
            assert done["testMeasure"][0]["value"]["value"] is not None
            assert done["validFor"] == valid
            requests = [each for system in service.systems.values() for each in system.request_log.requests]
            sent = [orjson.loads(each.body) for each in requests if each.method == "POST" and b"TM1" in each.body]
            assert valid in [body.get("validFor") for body in sent]
            related = [each["id"] for each in root["serviceTestRelationship"]]
            for run_id in (root["id"], *related):
                await wait_for_state(http, f"{base}/{run_id}", service, "completed")
            unknown = {**ORDER, "relatedService": {"id": "PI0002"}, "testSpecification": {"id": "nowhere"}}
            async with http.post(base, json=unknown) as response:
                refused = await response.json()
            rejected = await wait_for_state(http, f"{base}/{refused['id']}", service, "rejected")
            reasons = next(each["value"] for each in rejected["characteristic"] if each["name"] == "southbound.reasons")
            assert [reason["code"] for reason in reasons] == ["NO_ROW_MATCHES"]
            [letter] = await service.wait_until(service.dead_letters, "its event is a dead letter")
            event = orjson.loads(letter.value or b"")  # the default without a schema registry
            assert (event["run"]["run_id"], letter.header("content-type")) == (refused["id"], "application/json")
            cancel = {"state": "cancelled"}
            async with http.patch(f"{base}/{refused['id']}", json=cancel) as response:
                assert response.status == 409
            async with http.get(base, params={"relatedService.id": "PI0001"}) as response:
                assert (response.status, response.headers["X-Total-Count"]) == (200, "4")
            await check_filters(http, base, [related[0], related[1]], ordered["id"])
            await check_children_of_a_root_that_is_sent_alone(http, base, service, {**tree, "name": "Alone"})


async def check_filters(http: aiohttp.ClientSession, base: str, children: list[str], single: str) -> None:
    """Check filters that the database decides and filters that the process decides, over runs that have ended."""
    wanted = [
        ({"name": "Child 1,Child 2", "state": "completed"}, set(children)),
        ({"name.regex": "^Child", "southbound.result": "pass"}, None),
        ({"testMeasure.id": "TM1", "testSpecification.id": "fibre-line"}, {single}),
        ({"startDateTime.gte": "2020-01-01"}, set()),
        ({"state": "completed", "validFor.endDateTime.lt": "2027-02-01"}, {single}),
    ]
    for filters, expected in wanted:
        async with http.get(base, params={**filters, "fields": "name"}) as response:
            listed = await response.json()
            if expected is None:
                assert (response.status, listed["code"]) == (400, "invalidValue"), listed
                continue
            assert ({each["id"] for each in listed}, response.headers["X-Total-Count"]) == (
                expected,
                f"{len(expected)}",
            ), filters
    async with http.get(base, params={"state": "completed", "limit": "1", "sort": "name"}) as response:
        assert (response.status, [each["name"] for each in await response.json()]) == (206, ["Child 1"])


async def check_children_of_a_root_that_is_sent_alone(
    http: aiohttp.ClientSession, base: str, service: ServiceUnderTest, tree: dict[str, Any]
) -> None:
    """Check that nested children end, with the reason, if the table sends only their root."""
    tree = {**tree, "testSpecification": {"id": "fibre-flat"}}
    measure = {**ORDER["testMeasure"][0], "value": {"name": "v", "value": 1}}
    tree["childServiceTest"] = [{**child, "testMeasure": [measure]} for child in tree["childServiceTest"]]
    async with http.post(base, json=tree) as response:
        left_out = "/childServiceTest/0/testMeasure/0/value, /childServiceTest/1/testMeasure/0/value"
        assert response.headers["Southbound-Not-Kept"] == left_out
        root = await response.json()
    for child in root["serviceTestRelationship"]:
        shown = await wait_for_state(http, f"{base}/{child['id']}", service, "cancelled")
        reasons = next(each["value"] for each in shown["characteristic"] if each["name"] == "southbound.reasons")
        assert [reason["code"] for reason in reasons] == ["ROOT_SENT_ALONE"]
    await wait_for_state(http, f"{base}/{root['id']}", service, "completed")


async def test_processes_share_orders_and_a_killed_one_loses_and_doubles_none(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        a_kafka_proxy(kafka_bootstrap) as proxy,
        aiohttp.ClientSession() as http,
    ):
        await service.start()
        doomed, other = await asyncio.gather(
            start_api_process(service, tmp_path, "doomed", bootstrap=proxy.bootstrap, publish_timeout=60),
            start_api_process(service, tmp_path, "other", publish_timeout=0.5),
        )
        try:
            headers = {"Idempotency-Key": "both"}
            twice = await asyncio.gather(
                *(http.post(address_of(each), json=ORDER, headers=headers) for each in (doomed, other))
            )
            assert {response.status for response in twice} <= {201, 202}  # 202: Kafka took longer than half a second
            run_id, *others = {(await response.json())["id"] for response in twice}
            assert not others
            async with http.get(f"{address_of(other)}/{run_id}") as response:
                assert response.status == 200
            proxy.requests = False  # what is stored from here on is not published
            body = {**ORDER, "name": "Left behind"}
            posting = asyncio.create_task(http.post(address_of(doomed), json=body, headers={"Idempotency-Key": "k"}))
            left = await wait_for_listed(http, address_of(other), "Left behind")
            doomed.kill()
            with pytest.raises(aiohttp.ClientError):
                await posting
            run = await wait_for_state(http, f"{address_of(other)}/{left[0]['id']}", service, "completed")
            async with http.post(address_of(other), json=body, headers={"Idempotency-Key": "k"}) as response:
                assert (response.status, (await response.json())["id"]) == (201, run["id"])
            assert len(await _listed(http, address_of(other), "Left behind")) == 1
            assert posts_of(service, "Left behind") == 1
            assert len([result for result in service.distinct_results() if result.run_id == run["id"]]) == 1
            assert service.dead_letters() == []
            await kill_during_a_burst(service, tmp_path, other)
        finally:
            doomed.kill()
            other.kill()


async def kill_during_a_burst(service: ServiceUnderTest, tmp_path: Path, doomed: ChildProcess) -> None:
    """Kill a process at a random point of many orders; each is one run, one request and one result nevertheless."""
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)  # noqa: S311 - no secret
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    heir = await start_api_process(service, tmp_path, "heir", publish_timeout=0.5)
    try:
        alive = [doomed, heir]
        burst = OrderBurst(lambda: [address_of(process) for process in alive], ORDER)
        names = [f"Burst {number:02}" for number in range(BURST)]
        ordering = asyncio.create_task(burst.order_all(names))
        answers = chance.randrange(BURST * 3 // 4)
        await service.wait_until(lambda: burst.answers >= answers or ordering.done(), f"{answers} orders are answered")
        await asyncio.sleep(chance.random() * 0.03)  # within an order, at any of its steps
        doomed.kill()
        alive.remove(doomed)
        await ordering
        ids = {name: found for name, (found, *others) in burst.run_ids.items() if not others}
        assert sorted(ids) == sorted(names), f"seed {seed}: a repeated order has another id: {burst.run_ids}"
        wanted = set(ids.values())
        await service.wait_until(
            lambda: wanted <= {result.run_id for result in service.results()}, f"every run has ended, seed {seed}"
        )
        assert {name: posts_of(service, name) for name in names} == dict.fromkeys(names, 1), f"seed {seed}"
        ended = [result.run_id for result in service.distinct_results() if result.run_id in wanted]
        assert sorted(ended) == sorted(wanted), f"seed {seed}"
        assert service.dead_letters() == []
    finally:
        heir.kill()


async def _listed(http: aiohttp.ClientSession, address: str, name: str) -> Any:  # noqa: ANN401 - JSON
    async with http.get(address, params={"name": name}) as response:
        return await response.json()
