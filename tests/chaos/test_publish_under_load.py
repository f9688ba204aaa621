"""Tables are published while runs flow: no run is lost, sent twice or decided by tables of different versions."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from southbound.settings.settings import RoutingSettings
from southbound.simulator.behaviours import completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.processes import a_deployment, describe_lost_runs, unique_id
from tests.fixtures.published_tables import POLICY, SELECTOR, publish_tables

if TYPE_CHECKING:
    from pathlib import Path

    from router.runs.run import RunRow
    from schemas.run_document import RunDocument
    from tests.fixtures.processes import ChildProcess, Deployment

RATE = 1_000  # runs a second
BATCH = 50
RESULT = "southbound.RunResult"
SCRIPT = Script(default=completes_immediately())
NEXT_POLICY = f"# The next version.\n{POLICY}"
COPPER_SELECTOR = SELECTOR.partition("\ntests:\n")[0].replace("spoke: fibre-lab", "spoke: copper-lab")


def runs(tag: str, count: int) -> list[RunDocument]:
    return [a_document(f"{tag}-{number}", spec="fibre-quick") for number in range(count)]


@dataclass(slots=True)
class ConstantLoad:
    """Requests runs at a constant rate until `stop` is set."""

    deployment: Deployment
    tag: str
    ids: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> float:
        """Request runs; return the rate that was reached."""
        started = time.monotonic()
        while not self.stop.is_set():
            documents = runs(f"{self.tag}-{len(self.ids)}", BATCH)
            await self.deployment.service.request(*documents)
            self.ids += [document.run_id for document in documents]
            await asyncio.sleep(max(0.0, started + len(self.ids) / RATE - time.monotonic()))
        return len(self.ids) / (time.monotonic() - started)


async def wait_until_used_by_all(deployment: Deployment, processes: list[ChildProcess], version: str) -> None:
    """Wait until every process has logged that it uses this version."""
    log_entry = f'"version":"{version}"'
    await deployment.service.wait_until(
        lambda: all(log_entry in process.log_text() for process in processes), f"{version} is used by all"
    )


async def rows_of(deployment: Deployment) -> list[RunRow]:
    store = await deployment.service.store()
    try:
        return list(await store.list_runs(limit=100_000))
    finally:
        await store.close()


def table_versions_of(row: RunRow) -> tuple[str, str]:
    assert row.decision is not None
    return tuple(
        row_name.partition("@")[2].partition("#")[0] for row_name in (row.decision.policy, row.decision.selector)
    )  # type: ignore[return-value] # two


def post_counts(deployment: Deployment, system: str) -> Counter[str]:
    names = deployment.service.systems[system].request_log.posted_names()
    return Counter(name.rpartition(" ")[2] for name in names)


@pytest.mark.timeout(300)
async def test_publishing_while_a_thousand_runs_a_second_flow_loses_none_and_mixes_no_decision(
    kafka_bootstrap: str, gateway_store_url: str, tmp_path: Path
) -> None:
    tag = unique_id("flow")
    late = runs(f"{tag}-late", 200)
    async with a_deployment(
        kafka_bootstrap, tmp_path, script=SCRIPT, store=gateway_store_url, routing=RoutingSettings(tables="topic")
    ) as deployment:
        settings = deployment.service.settings
        policy, selector = await publish_tables(settings, POLICY, SELECTOR)
        processes = [await deployment.start(with_listener=True), await deployment.start()]
        await deployment.service.wait_until(lambda: deployment.group_members("routing") == 2, "both share the work")
        flow = ConstantLoad(deployment, tag)
        flowing = asyncio.create_task(flow.run())
        await deployment.service.wait_until(lambda: len(deployment.ended_runs()) > 500, "runs flow")
        (newer_policy,) = await publish_tables(settings, NEXT_POLICY)
        await wait_until_used_by_all(deployment, processes, newer_policy)
        (newer_selector,) = await publish_tables(settings, COPPER_SELECTOR)
        await wait_until_used_by_all(deployment, processes, newer_selector)
        flow.stop.set()
        rate = await flowing
        await deployment.service.request(*late)
        expected = {*flow.ids, *(run.run_id for run in late)}
        try:
            await deployment.service.wait_until(lambda: expected <= deployment.ended_runs(), "all results", 200)
        except AssertionError as missing:
            raise AssertionError(await describe_lost_runs(deployment, expected - deployment.ended_runs())) from missing
        rows = {row.run_id: row for row in await rows_of(deployment) if row.run_id in expected}
        pairs = Counter(table_versions_of(row) for row in rows.values())
        print(f"{rate:.0f} runs/s ordered; decided by {pairs}")  # noqa: T201 - pytest shows it when it fails

        # No run is lost or sent twice.
        events = deployment.service.reader.on(deployment.service.topics.results)
        ends = {
            (event.header("ce_id"), event.header("ce_subject")) for event in events if event.header("ce_type") == RESULT
        }
        assert Counter(run for _, run in ends) == Counter(expected)
        assert post_counts(deployment, "fibre-lab") + post_counts(deployment, "copper-lab") == Counter(expected)
        assert deployment.service.dead_letters() == []

        # Every run was decided by two tables that were live together, and went to their spoke.
        old, between, new = (policy, selector), (newer_policy, selector), (newer_policy, newer_selector)
        assert set(pairs) == {old, between, new}
        assert {run for run, row in rows.items() if table_versions_of(row) == new} == set(
            post_counts(deployment, "copper-lab")
        )
        decided = {event.key: event.header("southbound-decision") for event in events}
        assert all(decided[run.encode()] == row.decision.policy for run, row in rows.items() if row.decision)

        # The old tables decide nothing after every worker has logged that it uses the new ones.
        assert {table_versions_of(rows[run.run_id]) for run in late} == {new}
