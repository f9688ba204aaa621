"""A simulated system of TMF653 v5.0 refuses what its version does not name, and cancels by tasks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from southbound.simulator.behaviours import Behaviour, stays_pending
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.script import Script, read_script
from southbound.simulator.tmf_definition import DEFINITION_FILES, official_definition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    SendToSystem = Callable[..., Awaitable[tuple[int, Any]]]

BODY = {
    "name": "Speed",
    "relatedService": {"id": "S1", "@type": "ServiceRef"},
    "testSpecification": {"id": "T1", "@type": "ServiceTestSpecificationRef"},
    "testMeasure": [{"metricName": "rate", "@type": "TestMeasure"}],
    "@type": "ServiceTest",
}
STRICT = official_definition("5.0")


@asynccontextmanager
async def a_system(behaviour: Behaviour | None = None) -> AsyncIterator[SendToSystem]:
    script = Script(version="5.0", default=behaviour or stays_pending(None))
    async with ExternalSystem(name="lab", script=script) as system, aiohttp.ClientSession() as session:
        assert system.base_url.endswith("/serviceTestManagement/v5")

        async def send(method: str, path: str, body: object = None, kind: str = "application/json") -> tuple[int, Any]:
            data = None if body is None else orjson.dumps(body)
            url = system.base_url + path
            async with session.request(method, url, data=data, headers={"content-type": kind}) as response:
                raw = await response.read()
                return response.status, orjson.loads(raw) if raw else None

        yield send


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"@type": None}, "/@type"),
        ({"relatedParty": [{"id": "C1", "@referredType": "Customer"}]}, "/relatedParty/0"),
        ({"testMeasure": [{"id": "M1", "@type": "TestMeasure"}]}, "/testMeasure/0"),
        ({"characteristic": [{"name": "a", "value": 1, "@type": "StringCharacteristic"}]}, "/characteristic/0/value"),
        ({"characteristic": [{"name": "a", "value": 1}]}, "/characteristic/0/@type"),
        ({"childServiceTest": []}, ""),
        ({"state": "Completed"}, "/state"),
    ],
)
async def test_what_version_5_does_not_name_is_refused_with_its_place(wrong: dict[str, Any], place: str) -> None:
    async with a_system() as send:
        status, error = await send("POST", "/serviceTest", BODY | wrong)
    assert (status, error.get("propertyPath", "")[: len(place)]) == (400, place)
    assert error["@type"] == "Error"


async def test_a_test_is_created_changed_and_cancelled_by_a_task() -> None:
    async with a_system() as send:
        status, test = await send("POST", "/serviceTest", BODY)
        assert (status, STRICT.violations("ServiceTest", test)) == (201, ())
        operations = [{"op": "add", "path": "/description", "value": "new"}]
        patched, test = await send("PATCH", f"/serviceTest/{test['id']}", operations, "application/json-patch+json")
        assert (patched, test["description"]) == (200, "new")
        reference = {"id": test["id"], "@type": "ServiceTestRef"}
        created, task = await send(
            "POST", "/cancelServiceTest", {"serviceTest": reference, "@type": "CancelServiceTest"}
        )
        assert (created, STRICT.violations("CancelServiceTest", task)) == (201, ())
        assert (await send("GET", f"/cancelServiceTest/{task['id']}"))[0] == 200
        assert len((await send("GET", "/cancelServiceTest"))[1]) == 1


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ([{"op": "remove", "path": "/description"}], 409),
        ([{"op": "replace", "path": "/description", "value": "x"}], 409),
        ([{"op": "remove", "path": "/name"}], 400),
        ([{"op": "increase", "path": "/name"}], 400),
        ({"description": "x"}, 400),
    ],
)
async def test_an_operation_that_does_not_fit_the_test_is_refused(operations: object, status: int) -> None:
    async with a_system() as send:
        _, test = await send("POST", "/serviceTest", BODY)
        answer = await send("PATCH", f"/serviceTest/{test['id']}", operations, "application/json-patch+json")
    assert answer[0] == status


@pytest.mark.parametrize(
    ("task", "status"),
    [
        ({"@type": "CancelServiceTest"}, 400),
        ({"serviceTest": {"id": "nobody", "@type": "ServiceTestRef"}, "@type": "CancelServiceTest"}, 422),
        ({"serviceTest": {"id": "nobody"}, "@type": "CancelServiceTest"}, 400),
    ],
)
async def test_a_task_without_a_test_is_refused(task: object, status: int) -> None:
    async with a_system() as send:
        assert (await send("POST", "/cancelServiceTest", task))[0] == status
        assert (await send("GET", "/cancelServiceTest/nobody"))[0] == 404


async def test_a_subscription_can_be_read() -> None:
    async with a_system() as send:
        _, hub = await send("POST", "/hub", {"callback": "http://127.0.0.1:9/x", "@type": "Hub"})
        assert await send("GET", f"/hub/{hub['id']}") == (200, hub)
        assert (await send("GET", "/hub/nobody"))[0] == 404


@pytest.mark.parametrize("version", DEFINITION_FILES)
def test_a_script_names_the_version_as_a_number_or_a_text(version: str, tmp_path: Path) -> None:
    for written in (version, f'"{version}"'):
        file = tmp_path / "script.yaml"
        file.write_text(f"version: {written}\n")
        assert read_script(file).version == version
