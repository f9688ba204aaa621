"""A process that is killed at work loses nothing: its successor finishes every run."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

from southbound.simulator.behaviours import completes_by_callback, completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document, a_tree
from tests.fixtures.processes import a_deployment, describe_lost_runs, unexplained_posts, unique_id

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.processes import Deployment

SCRIPT = Script(
    specifications={
        "fibre-quick": completes_immediately(response_delay=0.05),
        "fibre-tree": completes_by_callback(0.1, response_delay=0.05),
        "fibre-tree-child": completes_by_callback(0.1, response_delay=0.05),
        "copper-line": completes_by_callback(0.1),
    }
)
# Notifications that no listener receives are lost, so these runs are polled.
POLLED = {"result_channels": ["sync", "callback", "poll"], "poll_interval": 0.5, "poll_after": 1.0}


async def test_every_run_ends_exactly_once_although_the_process_is_killed_twice(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    tag = unique_id("kill")
    singles = [a_document(f"{tag}-{n}", spec=("fibre-quick", "copper-line")[n % 2]) for n in range(220)]
    trees = [a_tree(f"{tag}-tree-{n}") for n in range(20)]
    ids = {run.run_id for root in (*singles, *trees) for run in (root, *root.children)}
    async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT, profile=POLLED) as deployment:
        await deployment.service.request(*singles, *trees)
        for share in (0.15, 0.5):
            process = await deployment.start(with_listener=True)
            await wait_until_ended(deployment, int(share * len(ids)))
            process.send(signal.SIGKILL)
            await process.wait_for_exit()
        last = await deployment.start(with_listener=True)
        try:
            await deployment.service.wait_until(lambda: ids <= deployment.ended_runs(), "all results")
        except AssertionError as timeout:
            raise AssertionError(await describe_lost_runs(deployment, ids - deployment.ended_runs())) from timeout
        await deployment.service.wait_until(lambda: not deployment.consumer_lag(), "everything is committed")
        events = deployment.service.reader.on(deployment.service.topics.results)
        ends = {
            (event.header("ce_id"), event.header("ce_subject"))
            for event in events
            if _is_a_run(event.header("ce_type"))
        }
        assert Counter(subject for _, subject in ends) == Counter(ids)
        assert unexplained_posts(deployment) == []
        assert deployment.service.dead_letters() == []
        last.send(signal.SIGTERM)
        assert await last.wait_for_exit() == 0, last.log_text()


async def wait_until_ended(deployment: Deployment, number: int) -> None:
    await deployment.service.wait_until(lambda: len(deployment.ended_runs()) > number, "work goes on")


def _is_a_run(kind: str | None) -> bool:
    return kind == "southbound.RunResult"
