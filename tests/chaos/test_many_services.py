"""Several whole services share the work, come, go, die and freeze: every run still ends once."""

from __future__ import annotations

import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from southbound.simulator.behaviours import completes_by_callback, completes_immediately
from southbound.simulator.script import Script
from tests.builders import a_document
from tests.fixtures.processes import a_site, lost, posted_before_their_root, some_id, unexplained_posts

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.run_document import RunDocument
    from tests.fixtures.processes import ChildProcess, Site

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
    """Make runs that are answered at once, and runs that are called back by two systems."""
    specs = ("fibre-quick", "fibre-line", "copper-line")
    return [a_document(f"{tag}-{n}", spec=specs[n % 3]) for n in range(size)]


def trees(tag: str, size: int) -> list[RunDocument]:
    """Make hierarchies of four runs."""
    return [a_family(f"{tag}-tree-{n}") for n in range(size)]


def a_family(root: str) -> RunDocument:
    children = [a_document(f"{root}-child-{n}", spec="fibre-tree-child", parent=root, order=n) for n in (1, 2, 3)]
    return a_document(root, spec="fibre-tree", children=tuple(children))


def ids_of(runs: list[RunDocument]) -> set[str]:
    return {one.run_id for run in runs for one in (run, *run.children)}


async def all_ended_once(site: Site, ids: set[str], seconds: float) -> None:
    """Wait for every result; then no run may have two, and every topic must be worked off."""
    service = site.service
    try:
        await service.until(lambda: ids <= site.ended(), "all results", seconds)
    except AssertionError as late:
        raise AssertionError(await lost(site, ids - site.ended())) from late
    await service.until(lambda: not site.not_finished(), "no lag")
    heard = service.ear.on(service.topics.results)
    ends = {(one.header("ce_id"), one.header("ce_type"), one.header("ce_subject")) for one in heard}
    assert Counter(run for _, kind, run in ends if kind == "southbound.RunResult") == Counter(ids)


def any_ended(site: Site, runs: list[RunDocument]) -> bool:
    return not ids_of(runs).isdisjoint(site.ended())


async def feed_until_it_works(site: Site, process: ChildProcess, runs: list[RunDocument]) -> list[RunDocument]:
    """Send more until the process has ended a run, and give what was sent: others may finish all that came before."""
    for end in range(10, len(runs) + 1, 10):
        portion = runs[end - 10 : end]
        await site.service.request(*portion)
        await site.service.until(partial(any_ended, site, portion), "one of ten more")
        if "run ended" in process.said():
            return runs[:end]
    raise AssertionError(f"{len(runs)} more, and none for it: {process.said()}")


async def test_services_join_leave_die_and_freeze_under_load_and_every_run_ends_once(
    kafka_bootstrap: str, postgres_url: str, tmp_path: Path
) -> None:
    tag = some_id("many")
    runs = single_runs(tag, 450) + trees(tag, 40)
    for_the_third = single_runs(f"{tag}-third", 500)
    async with a_site(kafka_bootstrap, tmp_path, script=SCRIPT, store=postgres_url) as site:
        service = site.service
        await site.start("listener", "inbound", listens=True)
        first = await site.start("routing", "dispatch", "inbound")
        await service.request(*runs[:200])
        await service.until(lambda: len(site.ended()) > 20, "work goes on")
        second = await site.start("routing", "dispatch", "inbound")
        await service.request(*runs[200:300])
        seen = len(site.ended())
        await service.until(lambda: len(site.ended()) > seen + 30, "work goes on with two")
        first.send(signal.SIGKILL)
        third = await site.start("routing", "dispatch", "inbound")
        await service.request(*runs[300:400])
        runs += await feed_until_it_works(site, third, for_the_third)
        third.send(signal.SIGSTOP)
        await service.request(*runs[400:490])
        await service.until(lambda: site.members("dispatch.fibre-lab") == 1, "the dead and the frozen are out")
        third.send(signal.SIGCONT)
        second.send(signal.SIGTERM)
        assert await second.ended() == 0, second.said()
        await all_ended_once(site, ids_of(runs), 40)
        assert unexplained_posts(site) == []
        assert posted_before_their_root(site) == []
        assert service.dead_letters() == []
        third.send(signal.SIGTERM)
        assert await third.ended() == 0, third.said()


async def test_two_services_that_share_one_sqlite_file_by_mistake_are_still_correct(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    tag = some_id("lite")
    runs = single_runs(tag, 150) + trees(tag, 15)
    async with a_site(kafka_bootstrap, tmp_path, script=SCRIPT) as site:
        await site.start(listens=True)
        await site.start("routing", "dispatch", "inbound")
        await site.service.request(*runs)
        await all_ended_once(site, ids_of(runs), 40)
        assert unexplained_posts(site) == []
        assert posted_before_their_root(site) == []
        assert site.service.dead_letters() == []


async def test_a_process_that_froze_with_calls_in_the_queue_makes_none_of_them_when_it_wakes(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script, narrow = Script(default=completes_immediately(response_delay=0.2)), {"concurrency": 2}
    async with a_site(kafka_bootstrap, tmp_path, script=script, profile=narrow) as site:
        service, tag = site.service, some_id("frozen")
        runs = [f"{tag}-{n}" for n in range(24)]
        await site.start("routing")
        frozen = await site.start("dispatch")
        await service.request(*(a_document(run) for run in runs))
        ledger = service.systems["fibre-lab"].request_log
        await service.until(lambda: len(ledger.posts()) >= 4, "the first POSTs")
        frozen.send(signal.SIGSTOP)
        await site.start("dispatch")
        await all_ended_once(site, set(runs), 30)
        frozen.send(signal.SIGCONT)
        frozen.send(signal.SIGTERM)
        await frozen.ended()
        assert unexplained_posts(site) == []
        assert len(ledger.posts()) <= len(runs) + narrow["concurrency"]
