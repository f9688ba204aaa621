"""A process that is killed in the middle of its work leaves nothing that its successor does not finish."""

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
# What a system reports while nobody listens is lost: the poller is there to ask.
POLLED = {"result_channels": ["sync", "callback", "poll"], "poll_interval": 0.5, "poll_after": 1.0}


async def test_killed_twice_in_the_middle_of_three_hundred_runs_every_run_ends_exactly_once(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    tag = unique_id("kill")
    singles = [a_document(f"{tag}-{n}", spec=("fibre-quick", "copper-line")[n % 2]) for n in range(220)]
    trees = [a_tree(f"{tag}-tree-{n}") for n in range(20)]
    ids = {run.run_id for root in (*singles, *trees) for run in (root, *root.children)}
    async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT, profile=POLLED) as site:
        await site.service.request(*singles, *trees)
        for share in (0.15, 0.5):
            process = await site.start(with_listener=True)
            await wait_until_ended(site, int(share * len(ids)))
            process.send(signal.SIGKILL)
            await process.ended()
        last = await site.start(with_listener=True)
        try:
            await site.service.wait_until(lambda: ids <= site.ended_runs(), "all results")
        except AssertionError as late:
            raise AssertionError(await describe_lost_runs(site, ids - site.ended_runs())) from late
        await site.service.wait_until(lambda: not site.consumer_lag(), "everything is committed")
        heard = site.service.reader.on(site.service.topics.results)
        ends = {(one.header("ce_id"), one.header("ce_subject")) for one in heard if _is_a_run(one.header("ce_type"))}
        assert Counter(subject for _, subject in ends) == Counter(ids)
        assert unexplained_posts(site) == []
        assert site.service.dead_letters() == []
        last.send(signal.SIGTERM)
        assert await last.ended() == 0, last.said()


async def wait_until_ended(site: Deployment, number: int) -> None:
    await site.service.wait_until(lambda: len(site.ended_runs()) > number, "work goes on")


def _is_a_run(kind: str | None) -> bool:
    return kind == "southbound.RunResult"
