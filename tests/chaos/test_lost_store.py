"""A run store that was lost is rebuilt from the topics, and no run is POSTed a second time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from schemas.lifecycle import RunCancelled, RunChanged
from schemas.vocabulary import RunState
from southbound.simulator.behaviours import Behaviour, BehaviourStep, completes_by_callback, completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document, a_tree
from tests.fixtures.processes import ROOT, a_deployment, describe_lost_runs, unexplained_posts, unique_id

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.processes import Deployment

SCRIPT = Script(
    specifications={
        "fibre-quick": completes_immediately(response_delay=0.05),
        "fibre-tree": completes_by_callback(2.0, response_delay=0.05),
        "fibre-tree-child": completes_by_callback(2.0, response_delay=0.05),
        "copper-line": completes_by_callback(2.0, response_delay=0.1),
        # A list that shows a run which has not begun proves more.
        "fibre-line": Behaviour(
            transitions=(BehaviourStep(after=60, state=RunState.IN_PROGRESS), BehaviourStep(state=RunState.COMPLETED))
        ),
    }
)
PROFILE = {"result_channels": ["sync", "callback", "poll"], "poll_interval": 0.5, "poll_after": 1.0, "settle_time": 2.0}


PROGRAM = "from southbound.cli.app import main; main()"


async def replay(deployment: Deployment, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `southbound replay` with the settings of the first process."""
    command = [sys.executable, "-c", PROGRAM, "replay", *options, "--config", "settings-1.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=deployment.folder, env=environment, check=False
    )


def delete_store(folder: Path) -> None:
    for file in folder.glob("runs.db*"):
        file.unlink()


def posts(deployment: Deployment) -> Counter[str]:
    systems = deployment.service.systems.values()
    return Counter(name.rpartition(" ")[2] for system in systems for name in system.request_log.posted_names())


def _have_ended(deployment: Deployment, number: int) -> bool:
    return len(deployment.ended_runs()) > number


async def test_a_lost_store_is_rebuilt_without_one_second_post(kafka_bootstrap: str, tmp_path: Path) -> None:
    tag = unique_id("lost")
    singles = [a_document(f"{tag}-{n}", spec=("fibre-quick", "copper-line")[n % 2]) for n in range(160)]
    singles.append(a_document(f"{tag}-waiting", spec="fibre-line"))
    trees = [a_tree(f"{tag}-tree-{n}") for n in range(15)]
    ids = {run.run_id for root in (*singles, *trees) for run in (root, *root.children)}
    changed = a_document(singles[1].run_id, spec="copper-line", version=2, description="again")
    cancelled = singles[3].run_id
    async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT, profile=PROFILE) as deployment:
        await deployment.service.request(*singles, *trees)
        await deployment.service.publish(RunChanged(run=changed), RunCancelled(run_id=cancelled, root_run_id=cancelled))
        for share in (0.2, 0.5):
            process = await deployment.start(with_listener=True)
            await deployment.service.wait_until(partial(_have_ended, deployment, int(share * len(ids))), "work goes on")
            process.send(signal.SIGKILL)
            await process.wait_for_exit()
            delete_store(tmp_path)
            rebuilt = await replay(deployment, "--rebuild")
            assert rebuilt.returncode == 0, rebuilt.stderr
            compared = await replay(deployment, "--compare")
            assert (compared.returncode, compared.stdout.count("are equal")) == (0, 1), compared
        refused = await replay(deployment, "--rebuild")
        assert (refused.returncode, "fills an empty store only" in refused.stderr) == (2, True), refused
        last = await deployment.start(with_listener=True)
        try:
            await deployment.service.wait_until(lambda: ids <= deployment.ended_runs(), "all results", 240)
        except AssertionError as timeout:
            raise AssertionError(await describe_lost_runs(deployment, ids - deployment.ended_runs())) from timeout
        await deployment.service.wait_until(lambda: not deployment.consumer_lag(), "everything is committed")
        last.send(signal.SIGTERM)
        assert await last.wait_for_exit() == 0, last.log_text()
        assert {name: count for name, count in posts(deployment).items() if count > 1} == {}
        assert unexplained_posts(deployment) == []
        assert deployment.service.dead_letters() == []
        requests = {each.request_id for each in deployment.service.results()}
        assert {each.request_id for each in deployment.service.request_results()} == requests
        compared = await replay(deployment, "--compare")
        assert compared.returncode == 0, compared.stdout + compared.stderr
