"""Specifications that `southbound specs apply` writes reach running services, and the store."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from southbound.exit_codes import CommandFailedError
from southbound.operations.specifications.apply import apply_specifications, delete_specification
from southbound.service.roles import Role
from southbound.settings.settings import ApiSettings, RoutingSettings
from southbound.simulator.behaviours import completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.builders.specifications import a_definition, a_specification_document
from tests.fixtures.service import DEFAULT_ROLES, a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest

PATH = "/tmf-api/serviceTestManagement/v4/serviceTestSpecification"
FROM_TOPIC = RoutingSettings(specifications="topic", unknown_specification="refuse")


async def apply(service: ServiceUnderTest, file: Path, *documents: object) -> None:
    def write_and_apply() -> None:
        file.write_text(json.dumps(documents))
        apply_specifications(service.settings, str(file), "tests", "", as_json=False)

    await asyncio.to_thread(write_and_apply)


async def check_both_forms(service: ServiceUnderTest, http: ClientSession, address: str, file: Path) -> None:
    """Check that a file in the form of version 5 is shown in both forms, and one with mistakes is not applied."""
    newer = PATH.replace("/v4/", "/v5/")
    document = a_specification_document("both", "TM-9")
    related = {"id": "fibre-line", "relationshipType": "dependency"}
    with pytest.raises(CommandFailedError, match="/validFor: must be an object"):
        await apply(service, file, document, document | {"id": "wrong", "validFor": "always"})
    await apply(service, file, document | {"serviceTestSpecificationRelationship": [related]})
    shown = {}
    async with asyncio.timeout(30):
        for path in (PATH, newer):
            while True:
                async with http.get(f"{address}{path}/both") as response:
                    if response.status == 200:
                        shown[path] = await response.json()
                        break
                await asyncio.sleep(0.1)  # the copy in the store
    assert shown[PATH]["serviceTestSpecRelationship"] == [related]
    [typed] = shown[newer]["serviceTestSpecificationRelationship"]
    assert typed == {**related, "@type": "ServiceTestSpecificationRelationship"}
    path = "/testMeasureDefinition/unitOfMeasure?testMeasureDefinition.id=TM-9"
    patch = [{"op": "add", "path": path, "value": "ms"}]
    kind = {"Content-Type": "application/json-patch-query+json"}
    async with http.patch(f"{address}{newer}/both", json=patch, headers=kind) as response:
        assert (await response.json())["testMeasureDefinition"][0]["unitOfMeasure"] == "ms"
    await asyncio.to_thread(delete_specification, service.settings, "both")


async def test_the_result_of_a_run_has_the_measure_ids_of_the_specification_that_was_applied(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script = Script(default=completes_immediately(response_delay=0.01))
    file = tmp_path / "specifications.json"
    first = a_specification_document("fibre-line", a_definition("TM-1", unitOfMeasure="dBm"), "TM-2")
    api = ApiSettings(port=0)
    async with (
        a_service(kafka_bootstrap, tmp_path, script=script, routing=FROM_TOPIC, api=api, started=False) as service,
        ClientSession() as http,
    ):
        await apply(service, file, first, a_specification_document("gone"))
        running = await service.start((*DEFAULT_ROLES, Role.API))
        await service.request(a_document("TR1"))
        result = await service.result_of("TR1")
        assert [(measure.id, measure.metric_name) for measure in result.test_measure] == [
            ("TM-1", "metric TM-1"),
            ("TM-2", "metric TM-2"),
        ]

        known = running.resources.specifications.runs.known
        await check_both_forms(service, http, f"http://127.0.0.1:{running.api_port}", tmp_path / "copper.json")
        base = f"http://127.0.0.1:{running.api_port}{PATH}"
        async with http.post(base, json=a_specification_document("copper-line", "TM-3")) as response:
            assert response.status == 201, await response.text()
        async with http.get(base) as response:
            assert "copper-line" in [each["id"] for each in await response.json()]
        await asyncio.to_thread(delete_specification, service.settings, "gone")
        await service.wait_until(lambda: known().keys() == {"fibre-line", "copper-line"}, "both are followed")
        await service.request(a_document("TR2", spec="copper-line"), a_document("TR3", spec="gone"))
        assert [measure.id for measure in (await service.result_of("TR2")).test_measure] == ["TM-3"]
        letter = await service.wait_until(service.dead_letters, "the run of the deleted one is refused")
        assert letter[0].header("southbound-dlq-code") == "SPECIFICATION_UNKNOWN"

        stored = running.resources.store.specifications.revisions
        async with asyncio.timeout(30):
            while (await stored()).keys() != {"fibre-line", "copper-line"}:  # noqa: ASYNC110 - a copy in a database
                await asyncio.sleep(0.1)
