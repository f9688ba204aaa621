"""A ServiceNow instance orders runs over HTTP, gets the results as answers, and in its table; the page shows how."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from consumers.northbound.servicenow.openapi import REQUESTS_PATH
from consumers.northbound.servicenow.spoke_requests import SpokeRequestSettings
from consumers.northbound.writeback.target import WritebackTarget
from router.northbound.principal import LOCAL_PRINCIPAL
from southbound.service.roles import Role
from southbound.settings.servicenow import ServiceNowSettings
from southbound.settings.settings import ApiSettings
from southbound.simulator.instance.service_now import ServiceNowInstance
from tests.fixtures.service import DEFAULT_ROLES, a_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

PAGE = Path(__file__).parents[3] / "docs/how-to/connect-a-servicenow-instance.md"
COMMANDS = re.findall(r"<!-- commands -->\n```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
ADDRESS = "http://127.0.0.1:8710"
MEASURE = {"id": "TM1", "metricName": "metric TM1"}
RUN: dict[str, Any] = {"name": "Line test", "relatedService": {"id": "PI0001"}, "testMeasure": [MEASURE]}


async def test_runs_are_ordered_answered_and_captured_in_the_table(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the look at the run store that stands in for Kafka: every answer comes because of what is published.
    waking = partial(SpokeRequestSettings, read_again_after=3_600)
    monkeypatch.setattr("southbound.service.composition.servicenow.SpokeRequestSettings", waking)
    settings = ServiceNowSettings(requests=True, paths=True, time_limit=120)
    async with (
        ServiceNowInstance() as instance,
        a_service(kafka_bootstrap, tmp_path, started=False, api=ApiSettings(port=0), servicenow=settings) as service,
        aiohttp.ClientSession() as http,
    ):
        for own in ("sys-1", "sys-2", "sys-3"):
            instance.table.add(sys_id=own, state="pending", name="Line test")
        desk = WritebackTarget(
            name="service-desk", base_url=instance.base_url, ordering_client=LOCAL_PRINCIPAL.name, updates=frozenset()
        )
        service.rules = replace(service.rules, targets=(desk,))
        running = await service.start((*DEFAULT_ROLES, Role.API))
        address = f"http://127.0.0.1:{running.api_port}"

        async def ask(own_id: str, spec: str, **more: object) -> Any:  # noqa: ANN401 - JSON
            body = RUN | {"id": own_id, "testSpecification": {"id": spec}} | more
            content = {"table_name": "sn_st_mgmt_test", "request_body": orjson.dumps(body).decode()}
            async with http.post(address + REQUESTS_PATH, json=content) as response:
                answer = await response.json()
                return response.status, answer["status_code"], answer["status_reason"], answer["response_body"]

        children = [
            {**RUN, "id": f"sys-2-{n}", "testSpecification": {"id": "fibre-tree"}, "testMeasure": []} for n in (1, 2)
        ]
        line, tree, refused, (single, paths) = await asyncio.gather(
            ask("sys-1", "fibre-line"),
            ask("sys-2", "fibre-tree", childServiceTest=children),
            ask("sys-3", "satellite-link"),
            asyncio.gather(*(run_commands(block, address) for block in COMMANDS)),
        )
        run = orjson.loads(line[3])
        assert (line[:2], run["id"], run["state"]) == ((200, "1"), "sys-1", "completed")
        assert [(measure["id"], bool(measure["value"])) for measure in run["testMeasure"]] == [("TM1", True)]
        root = orjson.loads(tree[3])
        assert (tree[:2], [child["state"] for child in root["childServiceTest"]]) == ((200, "1"), ["completed"] * 2)
        assert refused[:2] == (200, "0")
        assert "NO_ROW_MATCHES" in refused[2]
        [printed] = single
        assert (printed["status_code"], printed["response_body"]["testMeasure"][0]["id"]) == ("1", "TM0007")
        ordered, read, listed, cancelled = paths
        assert (ordered["id"], read["testMeasure"][0]["id"]) == ("TR0001013", "TM0008")
        assert isinstance(listed, list)
        # It is cancelled at the test system, unless it had ended before.
        assert cancelled.get("id") == "TR0001013" or "completed" in cancelled["reason"]
        assert (await ask("sys-1", "fibre-line"))[3] == line[3]
        [never_sent] = instance.table.of_run("sys-3")
        await service.wait_until(lambda: never_sent.fields["state"] == "rejected", "the refused order in the table")
        for own in ("sys-1", "sys-2"):
            [record] = instance.table.of_run(own)
            await service.wait_until(lambda record=record: record.fields["state"] == "completed", own)  # type: ignore[misc] # bound
            assert list(record.measures()) == ["TM1"]


async def run_commands(block: str, address: str) -> Sequence[Any]:
    """Run the commands of a block of the page against a service, and return what they print: JSON."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-e", "-c", block.replace(ADDRESS, address), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 180)
    assert process.returncode == 0
    text, found = printed.decode(), []
    while text:
        value, end = json.JSONDecoder().raw_decode(text)
        found.append(value)
        text = text[end:]
    return found
