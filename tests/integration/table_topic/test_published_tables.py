"""Published tables reach running services without a restart, and unusable tables are not used by any service."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from schemas.lifecycle import RunChanged
from southbound.service.roles import Role
from southbound.service.serve import NotReachableError, serve
from southbound.settings.settings import RoutingSettings
from southbound.simulator.behaviours import completes_by_callback, stays_pending
from southbound.simulator.script import Script
from tests.builders.runs import a_document, a_tree
from tests.fixtures.published_tables import POLICY, SELECTOR, publish_tables, roll_back_table
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from router.runs.run import RunRow
    from southbound.service.serve import RunningService
    from tests.fixtures.service import ServiceUnderTest

FROM_TOPIC = RoutingSettings(tables="topic")
NEXT_POLICY = f"# The next version.\n{POLICY}"
NEXT_SELECTOR = SELECTOR.replace("# Which external", "# The next. Which external")
BROKEN = POLICY.replace("{spec: fibre-flat}", '{spec: "[1..2"}')


@asynccontextmanager
async def a_running_service(
    bootstrap: str, folder: Path, script: Script | None = None
) -> AsyncIterator[tuple[ServiceUnderTest, RunningService, list[str]]]:
    """Run a service that uses published tables; yield it with the versions of its policy and selector."""
    async with a_service(bootstrap, folder, script=script, routing=FROM_TOPIC, started=False) as service:
        versions = await publish_tables(service.settings, POLICY, SELECTOR)
        yield service, await service.start(), versions


def versions_of(running: RunningService) -> list[str]:
    tables = running.resources.tables.current()
    return [tables.policy.table.version, tables.selector.table.version]


async def wait_for_decision(service: ServiceUnderTest, run_id: str) -> RunRow:
    store = await service.store()
    try:
        row = await store.run(run_id)
    finally:
        await store.close()
    assert row is not None
    return row


def without_tests(text: str) -> str:
    return text.partition("\ntests:\n")[0] + "\n"


async def readiness(running: RunningService) -> dict[str, Any]:
    return await asyncio.to_thread(_fetch_readiness, running.health_port)


def _fetch_readiness(port: int) -> dict[str, Any]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=60) as answer:
            found = json.load(answer)
    except HTTPError as refusal:
        found = json.load(refusal)
    assert isinstance(found, dict)
    return found


async def metrics_text(running: RunningService) -> str:
    def ask() -> str:
        with urlopen(f"http://127.0.0.1:{running.health_port}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(ask)


async def test_a_running_service_decides_the_next_run_by_what_was_published(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_running_service(kafka_bootstrap, tmp_path) as (service, running, (policy, selector)):
        await service.request(a_document("TR1", spec="fibre-quick"))
        await service.result_of("TR1")
        (newer,) = await publish_tables(service.settings, NEXT_POLICY)
        await service.wait_until(lambda: versions_of(running) == [newer, selector], "the new one is used")
        await service.request(a_document("TR2", spec="fibre-quick"))
        await service.result_of("TR2")
        decided = {
            event.key: event.header("southbound-decision") for event in service.reader.on(service.topics.results)
        }
        assert decided[b"TR1"] == f"outbound-policy@{policy}#default"
        assert decided[b"TR2"] == f"outbound-policy@{newer}#default"
        assert f'southbound_table_live{{table="outbound-policy",version="{newer}"}} 1.0' in await metrics_text(running)
        assert policy not in await metrics_text(running)


async def test_an_unusable_version_leaves_the_previous_one_live_and_the_alarm_ends_with_a_rollback(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_running_service(kafka_bootstrap, tmp_path) as (service, running, versions):
        await publish_tables(service.settings, BROKEN)
        await service.wait_until(running.resources.tables.warnings, "the alarm")
        assert versions_of(running) == versions
        answer = await readiness(running)
        assert answer["status"] == "ready"
        assert not answer["problems"]
        assert "row R20, column 'spec'" in answer["warnings"]["outbound-policy"]
        assert 'southbound_table_refused{table="outbound-policy"} 1.0' in await metrics_text(running)
        await service.request(a_document("TR1", spec="fibre-quick"))
        await service.result_of("TR1")
        assert await roll_back_table(service.settings, "outbound-policy") == versions[0]
        await service.wait_until(lambda: not running.resources.tables.warnings(), "the end of the alarm")
        assert 'southbound_table_refused{table="outbound-policy"} 0.0' in await metrics_text(running)
        assert (await readiness(running))["warnings"] == {}


async def test_bytes_that_are_no_record_of_ours_change_nothing(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_running_service(kafka_bootstrap, tmp_path) as (service, running, versions):
        await service.produce(service.topics.tables, b"outbound-policy", b"{oops")
        await service.produce(service.topics.tables, b"\xff\xfe", b"\x00")
        await service.wait_until(running.resources.tables.warnings, "the alarm")
        assert versions_of(running) == versions
        assert "cannot be read" in running.resources.tables.warnings()["outbound-policy"]
        (newer,) = await publish_tables(service.settings, NEXT_POLICY)
        await service.wait_until(lambda: versions_of(running) == [newer, versions[1]], "the new one is used")
        assert running.resources.tables.warnings() == {}


async def test_a_service_that_restarts_decides_by_the_live_version(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_running_service(kafka_bootstrap, tmp_path) as (service, _, (_, selector)):
        assert await service.stop()
        (newer,) = await publish_tables(service.settings, NEXT_POLICY)
        assert versions_of(await service.start()) == [newer, selector]
        assert await service.stop()
        await publish_tables(service.settings, BROKEN)
        again = await service.start()
        assert versions_of(again) == [newer, selector]
        assert "outbound-policy" in again.resources.tables.warnings()


async def test_a_service_waits_for_tables_that_are_not_published_yet(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, routing=FROM_TOPIC, started=False) as service:
        await service.request(a_document("TR1", spec="fibre-quick"))
        starting = asyncio.create_task(service.start())
        await publish_tables(service.settings, POLICY)
        await asyncio.wait([starting], timeout=1)
        assert not starting.done()
        await publish_tables(service.settings, SELECTOR)
        async with asyncio.timeout(90):
            await starting
        await service.result_of("TR1")


async def test_a_service_without_published_tables_ends_with_the_remedy(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, routing=FROM_TOPIC, started=False) as service:
        kafka = service.settings.kafka.model_copy(update={"start_timeout": 3.0})
        settings = service.settings.model_copy(update={"kafka": kafka})
        with pytest.raises(NotReachableError, match=r"no policy outbound-policy is live: .*southbound tables publish"):
            await serve(settings, [Role.ROUTING], stop=asyncio.Event(), rules=service.rules)


async def test_a_run_under_way_keeps_its_decision_whatever_is_published_meanwhile(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    # The root does not end by itself: it is under way however long the publishing takes.
    script = Script(specifications={"fibre-tree": stays_pending(None), "fibre-tree-child": completes_by_callback(1.0)})
    async with a_running_service(kafka_bootstrap, tmp_path, script) as (service, running, (policy, selector)):
        tree = a_tree("TREE", children=2)
        await service.request(tree)
        posted = service.systems["fibre-lab"].request_log.posted_names
        await service.wait_until(lambda: len({*posted()}) == 3, "the tree is out")
        # The new tables send only the root of a tree, to another system.
        alone = without_tests(POLICY).replace("{hierarchical: true,", "{hierarchical: false,")
        moved = without_tests(SELECTOR).replace("spoke: fibre-lab", "spoke: copper-lab")
        newer = await publish_tables(service.settings, alone, moved)
        await service.wait_until(lambda: versions_of(running) == newer, "both are used")
        third = a_document("TREE-3", spec="fibre-tree-child", parent="TREE", order=3)
        changed = tree.model_copy(update={"version": tree.version + 1, "children": (*tree.children, third)})
        await service.publish(RunChanged(run=changed))
        await service.result_of("TREE-3")
        for run_id in ("TREE", "TREE-1", "TREE-3"):
            row = await wait_for_decision(service, run_id)
            assert row.spoke == "fibre-lab"
            assert row.decision is not None
            assert row.decision.hierarchical
            assert row.decision.policy.startswith(f"outbound-policy@{policy}#")
            assert row.decision.selector.startswith(f"spoke-selector@{selector}#")
        events = [event for event in service.reader.on(service.topics.results) if event.key == b"TREE"]
        assert {event.header("southbound-decision") for event in events} == {f"outbound-policy@{policy}#R10"}
        await service.request(a_tree("LATER", children=1))
        await service.wait_until(service.systems["copper-lab"].request_log.posts, "the next tree goes elsewhere")
        assert service.dead_letters() == []
