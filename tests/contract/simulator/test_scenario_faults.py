"""The faults and deviations of a scenario happen to real connections, in both directions."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.faults.settings import RequestFault
from southbound.simulator.scenario.build_systems import build_system
from southbound.simulator.scenario.scenario import ScenarioSystem
from tests.fakes.callback_sink import CallbackSink
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUICK = {"transitions": [{"after": 0.01, "state": "inProgress"}, {"after": 0.01, "state": "completed"}]}
PENDING = {"transitions": [{"state": "pending"}]}
SECRET = "nobody-guesses-it"  # noqa: S105 - a test value


@dataclass(slots=True)
class Client:
    """An HTTP client of one system of a scenario."""

    system: ExternalSystem
    session: aiohttp.ClientSession

    def post(self, name: str = "Line test TR1", **headers: str) -> aiohttp.client._RequestContextManager:
        body = {"name": name, "relatedService": {"id": "PI1"}, "testSpecification": {"id": "fibre-line"}}
        return self.session.post(f"{self.system.base_url}/serviceTest", json=body, headers=headers)

    def on_port(self, path: str) -> str:
        return self.system.base_url.partition("/tmf-api")[0] + path

    async def faults(self) -> Any:  # noqa: ANN401 - JSON
        async with self.session.get(self.on_port("/_simulator/faults")) as response:
            return await response.json()


@asynccontextmanager
async def a_client(**fields: Any) -> AsyncIterator[Client]:  # noqa: ANN401 - fields of a system
    described = ScenarioSystem.model_validate({"name": "fibre-lab", **fields})
    system = build_system(described, 1, {"SECRET": SECRET})
    assert isinstance(system, ExternalSystem)
    async with system, aiohttp.ClientSession() as session:
        yield Client(system, session)


@pytest.mark.parametrize(
    ("fault", "stored"),
    [("reset_before_reading", 0), ("reset_before_storing", 0), ("reset_after_storing", 1), ("hang_in_body", 1)],
)
async def test_a_connection_is_reset_before_and_after_the_test_is_stored(fault: str, stored: int) -> None:
    async with a_client(request_faults={fault: 1, "hang_seconds": 0.05}) as client:
        with pytest.raises(aiohttp.ClientError):
            async with client.post() as response:
                await response.read()
        assert len(client.system.tests) == stored
        assert await client.faults() == {"requests": {fault: 1}, "callbacks": {}, "tokens": {}}


async def test_half_of_a_body_is_sent_before_the_connection_hangs() -> None:
    async with a_client(request_faults={"hang_in_body": 1, "hang_seconds": 0.05}) as client, client.post() as response:
        assert response.status == 201
        assert (await response.content.readany()).startswith(b"{")


async def test_a_request_that_hangs_is_stored_late_although_nobody_waits_for_it_any_more() -> None:
    async with a_client(request_faults={"hang_before_storing": 1, "hang_seconds": 0.3}) as client:

        async def post() -> None:
            async with client.post():
                pass

        hanging = asyncio.create_task(post())
        while not (await client.faults())["requests"]:
            pass
        hanging.cancel()
        await wait_until(lambda: client.system.tests)


async def test_only_the_methods_that_are_named_are_processed_late() -> None:
    faults = {"hang_before_storing": 1, "hang_seconds": 3600, "late_methods": ["PATCH"]}
    async with a_client(request_faults=faults) as client:
        async with client.post() as response:
            assert response.status == 201
        assert (await client.faults())["requests"] == {}


@pytest.mark.parametrize("seed", range(6))
async def test_garbage_is_no_test_although_the_test_is_stored(seed: int) -> None:
    described = ScenarioSystem.model_validate({"name": "lab", "request_faults": {"garbage": 1}})
    system = build_system(described, seed, {})
    assert isinstance(system, ExternalSystem)
    async with system, aiohttp.ClientSession() as session, Client(system, session).post() as response:
        body = await response.read()
        assert response.status == 201
        assert len(system.tests) == 1
        assert not _is_object(body)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False


async def test_too_many_requests_say_until_when_as_a_date() -> None:
    before = datetime.now(UTC)
    async with (
        a_client(request_faults={"too_many_requests": 1, "retry_after": 5}) as client,
        client.post() as response,
    ):
        assert response.status == 429
        assert (parsedate_to_datetime(response.headers["Retry-After"]) - before).total_seconds() >= 5
        assert not client.system.tests


async def test_too_many_requests_may_say_it_in_seconds() -> None:
    faults = {"too_many_requests": 1, "retry_after": 5, "retry_after_form": "seconds"}
    async with a_client(request_faults=faults) as client, client.post() as response:
        assert response.headers["Retry-After"] == "5"


async def test_a_slow_request_is_processed() -> None:
    async with a_client(request_faults={"slow": 1, "slow_seconds": 0.05}) as client, client.post() as response:
        assert response.status == 201


async def test_faults_happen_to_the_api_alone() -> None:
    async with a_client(request_faults={"reset_before_reading": 1}) as client:
        async with client.session.get(client.on_port("/_simulator/received")) as response:
            assert response.status == 200
        assert (await client.faults())["requests"] == {}


TOKENS = {"client_id": "me", "client_secret": "env:SECRET", "expires_in": 60}


async def get_token(client: Client, secret: str = SECRET) -> tuple[int, dict[str, Any]]:
    form = {"grant_type": "client_credentials"}
    headers = {"Authorization": f"Basic {b64encode(f'me:{secret}'.encode()).decode()}"}
    async with client.session.post(client.on_port("/oauth2/token"), data=form, headers=headers) as response:
        return response.status, await response.json()


async def test_a_request_needs_a_token_and_a_token_the_right_secret() -> None:
    async with a_client(access_tokens=TOKENS) as client:
        assert (await get_token(client, "wrong"))[0] == 401
        _, issued = await get_token(client)
        assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 60)
        async with client.post() as response:
            assert (response.status, response.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
        async with client.post(Authorization=f"Bearer {issued['access_token']}") as response:
            assert response.status == 201


async def test_a_token_ends_before_it_says() -> None:
    async with a_client(access_tokens=TOKENS, request_faults={"expired_token": 1}) as client:
        _, issued = await get_token(client)
        async with client.post(Authorization=f"Bearer {issued['access_token']}") as response:
            assert response.status == 401
        counts = await client.faults()
        assert counts["requests"] == {RequestFault.EXPIRED_TOKEN: 1}
        assert counts["tokens"] == {"issued": 1, "refused": 1}
    async with a_client(access_tokens=TOKENS | {"lifetime": 0.001}) as client:
        _, issued = await get_token(client)
        await asyncio.sleep(0.002)
        async with client.post(Authorization=f"Bearer {issued['access_token']}") as response:
            assert response.status == 401


async def test_credentials_of_a_client_may_be_in_the_body() -> None:
    async with a_client(access_tokens=TOKENS) as client:
        form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": SECRET}
        async with client.session.post(client.on_port("/oauth2/token"), data=form) as response:
            assert response.status == 200
        async with client.session.post(client.on_port("/oauth2/token"), data={"grant_type": "password"}) as response:
            assert response.status == 400


@asynccontextmanager
async def a_sink_and_client(**fields: Any) -> AsyncIterator[tuple[CallbackSink, Client]]:  # noqa: ANN401 - of a system
    async with CallbackSink() as sink, a_client(callback={"url": sink.url}, default=QUICK, **fields) as client:
        yield sink, client


async def ended(client: Client) -> None:
    """Wait until every test has ended, and every notification was sent."""
    await wait_until(lambda: all(test.ended for test in client.system.tests.values()))
    await wait_until(lambda: not client.system.notifications.under_way)


async def test_a_lost_notification_is_never_sent() -> None:
    async with a_sink_and_client(callback_faults={"lost": 1}) as (sink, client), client.post():
        await ended(client)
        assert sink.events == []
        assert (await client.faults())["callbacks"] == {"lost": 2}


async def test_a_doubled_notification_is_sent_twice_with_one_id() -> None:
    async with a_sink_and_client(callback_faults={"doubled": 1}) as (sink, client), client.post():
        await ended(client)
        assert sink.states == ["inProgress", "inProgress", "completed", "completed"]
        assert len({event["eventId"] for event in sink.events}) == 2


async def test_a_reordered_notification_comes_after_later_ones() -> None:
    faults = {"reordered": 0.5, "reordered_by": 0.2}
    async with a_sink_and_client(callback_faults=faults) as (sink, client):
        for number in range(20):
            async with client.post(f"Line test TR{number}"):
                pass
        await ended(client)
        of_each: dict[str, list[str]] = defaultdict(list)
        for test in (event["event"]["serviceTest"] for event in sink.events):
            of_each[test["id"]].append(test["state"])
    assert [sorted(states) for states in of_each.values()] == [["completed", "inProgress"]] * 20
    assert ["completed", "inProgress"] in of_each.values()


async def test_deviations_of_the_release_18_5() -> None:
    async with a_client(preset="r18.5", default=PENDING) as client:
        async with client.post() as response:
            created = await response.json()
            assert response.status == 201
        url = f"{client.system.base_url}/serviceTest/{created['id']}"
        async with client.session.patch(url, json={"description": "Second visit"}) as response:
            assert (response.status, (await response.json())["description"]) == (201, "Second visit")
        async with client.session.get(f"{url}0") as response:
            error = await response.json()
        assert (response.status, set(error), error["code"]) == (404, {"code", "reason", "message"}, 404)


async def test_a_refusal_of_the_release_18_5_is_a_400_and_too_many_requests_a_403() -> None:
    refuses = {"refusals": [{"code": "noLine", "message": "there is no line"}]}
    async with a_client(preset="r18.5", default=refuses) as client, client.post() as response:
        assert (response.status, (await response.json())["code"]) == (400, 400)
    async with a_client(preset="r18.5", default={"busy_times": 1}) as client, client.post() as response:
        assert response.status == 403


async def test_states_and_events_have_other_names() -> None:
    deviations = {
        "state_spellings": {"inProgress": "running"},
        "event_types": {"ServiceTestStateChangeEvent": "ServiceTestCompleteEvent"},
        "unknown_test": "empty",
        "ignores_filters": True,
    }
    async with a_sink_and_client(deviations=deviations) as (sink, client), client.post():
        await ended(client)
        assert sink.states == ["running", "completed"]
        assert set(sink.types) == {"ServiceTestCompleteEvent"}
        collection = f"{client.system.base_url}/serviceTest"
        async with client.session.get(f"{collection}/nobody") as response:
            assert (response.status, await response.read()) == (200, b"")
        async with client.session.patch(f"{collection}/nobody", json={"description": "x"}) as response:
            assert (response.status, await response.json()) == (200, None)
        async with client.session.get(f"{collection}?name=nobody") as response:
            assert len(await response.json()) == 1


@pytest.mark.parametrize("fault", ["garbage", "hang_in_body"])
async def test_a_response_without_a_body_can_have_a_fault_too(fault: str) -> None:
    async with a_client(request_faults={fault: 1, "hang_seconds": 0.05}, default=PENDING) as client:
        with suppress(aiohttp.ClientError):
            async with client.post() as response:
                await response.read()
        (test_id,) = client.system.tests
        with suppress(aiohttp.ClientError):
            async with client.session.delete(f"{client.system.base_url}/serviceTest/{test_id}") as response:
                await response.read()
        assert client.system.tests == {}
        assert (await client.faults())["requests"] == {fault: 2}
