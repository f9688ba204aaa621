"""Several services share the work while some join, leave, die or freeze: every run still ends exactly once."""

from __future__ import annotations

import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from schemas.results import RunUpdate
from southbound.simulator.behaviours import completes_by_callback, completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.processes import (
    a_deployment,
    describe_lost_runs,
    posted_before_their_root,
    unexplained_posts,
    unique_id,
)

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.run_document import RunDocument
    from tests.fixtures.processes import ChildProcess, Deployment
    from tests.fixtures.service import ServiceUnderTest

SCRIPT = Script(
    specifications={
        "fibre-quick": completes_immediately(response_delay=0.02),
        "fibre-line": completes_by_callback(0.3, response_delay=0.02),
        "fibre-tree": completes_by_callback(0.2, response_delay=0.02),
        "fibre-tree-child": completes_by_callback(0.1, response_delay=0.02),
        "copper-line": completes_by_callback(0.05),
    }
)


def single_runs(tag: str, size: int) -> list[RunDocument]:
    """Return runs that are answered at once, and runs whose result comes by callback from two systems."""
    specs = ("fibre-quick", "fibre-line", "copper-line")
    return [a_document(f"{tag}-{n}", spec=specs[n % 3]) for n in range(size)]


def hierarchies(tag: str, size: int) -> list[RunDocument]:
    """Return hierarchies of four runs."""
    return [a_hierarchy(f"{tag}-tree-{n}") for n in range(size)]


def a_hierarchy(root: str) -> RunDocument:
    children = [a_document(f"{root}-child-{n}", spec="fibre-tree-child", parent=root, order=n) for n in (1, 2, 3)]
    return a_document(root, spec="fibre-tree", children=tuple(children))


def run_ids_of(runs: list[RunDocument]) -> set[str]:
    return {member.run_id for run in runs for member in (run, *run.children)}


async def wait_until_all_ended_once(deployment: Deployment, ids: set[str]) -> None:
    """Wait until every run has a result and no topic has lag. Fail if a run has two results."""
    service = deployment.service
    try:
        await service.wait_until(lambda: ids <= deployment.ended_runs(), "all results")
    except AssertionError as timeout:
        raise AssertionError(await describe_lost_runs(deployment, ids - deployment.ended_runs())) from timeout
    await service.wait_until(lambda: not deployment.consumer_lag(), "no lag")
    events = service.reader.on(service.topics.results)
    ends = {(event.header("ce_id"), event.header("ce_type"), event.header("ce_subject")) for event in events}
    assert Counter(run for _, kind, run in ends if kind == "southbound.RunResult") == Counter(ids)
    assert runs_whose_revision_fell(service) == []


def runs_whose_revision_fell(service: ServiceUnderTest) -> list[str]:
    """Return the runs whose updates, each id once, are not in the order of their revisions."""
    newest: dict[str, int] = {}
    seen: set[str | None] = set()
    fell: list[str] = []
    for event in service.reader.on(service.topics.inflight):
        update = service.decoded(event)
        if isinstance(update, RunUpdate) and event.header("ce_id") not in seen:
            seen.add(event.header("ce_id"))
            fell += [update.run_id] if update.revision < newest.get(update.run_id, 0) else []
            newest[update.run_id] = update.revision
    return fell


def wait_until_any_ended(deployment: Deployment, runs: list[RunDocument]) -> bool:
    return not run_ids_of(runs).isdisjoint(deployment.ended_runs())


async def produce_until_process_works(
    deployment: Deployment, process: ChildProcess, runs: list[RunDocument]
) -> list[RunDocument]:
    """Produce runs until the process has ended one of them, and return the runs that were produced."""
    for end in range(10, len(runs) + 1, 10):
        portion = runs[end - 10 : end]
        await deployment.service.request(*portion)
        await deployment.service.wait_until(partial(wait_until_any_ended, deployment, portion), "one of ten more")
        if "run ended" in process.log_text():
            return runs[:end]
    raise AssertionError(f"{len(runs)} more, and none for it: {process.log_text()}")


async def test_services_join_leave_die_and_freeze_under_load_and_every_run_ends_once(
    kafka_bootstrap: str, gateway_store_url: str, tmp_path: Path
) -> None:
    tag = unique_id("many")
    runs = single_runs(tag, 450) + hierarchies(tag, 40)
    for_the_third = single_runs(f"{tag}-third", 500)
    async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT, store=gateway_store_url) as deployment:
        service = deployment.service
        await deployment.start("listener", "inbound", with_listener=True)
        first = await deployment.start("routing", "dispatch", "inbound")
        await service.request(*runs[:200])
        await service.wait_until(lambda: len(deployment.ended_runs()) > 20, "work goes on")
        second = await deployment.start("routing", "dispatch", "inbound")
        await service.request(*runs[200:300])
        seen = len(deployment.ended_runs())
        await service.wait_until(lambda: len(deployment.ended_runs()) > seen + 30, "work goes on with two")
        first.send(signal.SIGKILL)
        third = await deployment.start("routing", "dispatch", "inbound")
        await service.request(*runs[300:400])
        runs += await produce_until_process_works(deployment, third, for_the_third)
        third.send(signal.SIGSTOP)
        await service.request(*runs[400:490])
        await service.wait_until(
            lambda: deployment.group_members("dispatch.fibre-lab") == 1, "the dead and the frozen are out"
        )
        third.send(signal.SIGCONT)
        second.send(signal.SIGTERM)
        assert await second.wait_for_exit() == 0, second.log_text()
        await wait_until_all_ended_once(deployment, run_ids_of(runs))
        assert unexplained_posts(deployment) == []
        assert posted_before_their_root(deployment) == []
        assert service.dead_letters() == []
        third.send(signal.SIGTERM)
        assert await third.wait_for_exit() == 0, third.log_text()


async def test_two_services_that_share_one_sqlite_file_by_mistake_are_still_correct(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    tag = unique_id("lite")
    runs = single_runs(tag, 150) + hierarchies(tag, 15)
    async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT) as deployment:
        await deployment.start(with_listener=True)
        await deployment.start("routing", "dispatch", "inbound")
        await deployment.service.request(*runs)
        await wait_until_all_ended_once(deployment, run_ids_of(runs))
        assert unexplained_posts(deployment) == []
        assert posted_before_their_root(deployment) == []
        assert deployment.service.dead_letters() == []


async def test_a_process_that_froze_with_queued_calls_makes_none_of_them_when_it_resumes(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script, narrow = Script(default=completes_immediately(response_delay=0.2)), {"concurrency": 2}
    async with a_deployment(kafka_bootstrap, tmp_path, script=script, profile=narrow) as deployment:
        service, tag = deployment.service, unique_id("frozen")
        runs = [f"{tag}-{n}" for n in range(24)]
        await deployment.start("routing")
        frozen = await deployment.start("dispatch")
        await service.request(*(a_document(run) for run in runs))
        ledger = service.systems["fibre-lab"].request_log
        await service.wait_until(lambda: len(ledger.posts()) >= 4, "the first POSTs")
        frozen.send(signal.SIGSTOP)
        await deployment.start("dispatch")
        await wait_until_all_ended_once(deployment, set(runs))
        frozen.send(signal.SIGCONT)
        frozen.send(signal.SIGTERM)
        await frozen.wait_for_exit()
        assert unexplained_posts(deployment) == []
        assert len(ledger.posts()) <= len(runs) + narrow["concurrency"]
