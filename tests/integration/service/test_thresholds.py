"""Thresholds on a real broker, counted across processes: none is exceeded, and every waiting run is sent in the end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from aiohttp import ClientSession

from router.selection.thresholds import window_at
from schemas.vocabulary import Phase, UpdateKind
from southbound.settings.settings import RoutingSettings
from southbound.simulator.behaviours import completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.processes import a_deployment, describe_lost_runs, unexplained_posts, unique_id
from tests.fixtures.published_tables import POLICY, publish_tables
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from router.runs.run import RequestRow, RunRow
    from southbound.service.serve import RunningService
    from tests.fixtures.processes import Deployment

SCRIPT = Script(default=completes_immediately(response_delay=0.01))
UNLIMITED_PERIOD = "P10000D"  # its window does not end during a test


def a_selector(period: str, **room: int) -> str:
    """Return a selector with a definition for each system, in order, each with a threshold in a period."""
    rows = [
        f"  - {{id: {system[0].upper()}, order: {order}, when: {{spec: fibre-line}},"
        f" then: {{spoke: {system}-lab}}, threshold: {{max: {most}, period: {period}}}}}\n"
        for order, (system, most) in enumerate(room.items())
    ]
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
    return f"selector: spoke-selector\n{inputs}rows:\n{''.join(rows)}"


def post_counts(deployment: Deployment) -> dict[str, int]:
    return {name: len(system.request_log.posts()) for name, system in deployment.service.systems.items()}


async def rows_of(deployment: Deployment, ids: list[str]) -> list[RunRow | None]:
    store = await deployment.service.store()
    try:
        return list(await asyncio.gather(*map(store.run, ids)))
    finally:
        await store.close()


async def requests_of(deployment: Deployment, ids: list[str]) -> list[RequestRow]:
    rows = [row for row in await rows_of(deployment, ids) if row is not None]
    store = await deployment.service.store()
    try:
        found = await asyncio.gather(*(store.request(row.request_id) for row in rows))
        return [request for request in found if request is not None]
    finally:
        await store.close()


async def wait_until_all_end(deployment: Deployment, ids: list[str], seconds: float) -> None:
    try:
        await deployment.service.wait_until(lambda: deployment.ended_runs() >= {*ids}, "all results", seconds)
    except AssertionError as timeout:
        raise AssertionError(await describe_lost_runs(deployment, {*ids} - deployment.ended_runs())) from timeout


def waiting_runs(deployment: Deployment) -> set[str]:
    """Return the runs that were reported as waiting."""
    return {update.run_id for update in deployment.service.updates() if update.kind is UpdateKind.WAITING}


async def test_two_services_send_exactly_as_many_runs_as_the_threshold_allows_and_the_rest_after_it_is_raised(
    kafka_bootstrap: str, gateway_store_url: str, tmp_path: Path
) -> None:
    ids = [f"{unique_id('full')}-{n}" for n in range(60)]
    async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT, store=gateway_store_url) as deployment:
        service = deployment.service
        deployment.selector = a_selector(UNLIMITED_PERIOD, fibre=17, copper=5)
        first, second = await deployment.start("routing", "dispatch"), await deployment.start("routing", "dispatch")
        await service.wait_until(lambda: deployment.group_members("routing") == 2, "both share the work")
        await service.request(*(a_document(run_id) for run_id in ids[:40]))
        await service.wait_until(
            lambda: len(deployment.ended_runs()) + len(waiting_runs(deployment)) >= 40, "all went or wait"
        )
        first.send(signal.SIGKILL)
        await service.request(*(a_document(run_id) for run_id in ids[40:]))
        await service.wait_until(
            lambda: len(deployment.ended_runs()) + len(waiting_runs(deployment)) == 60, "all went or wait"
        )
        await service.wait_until(lambda: not deployment.consumer_lag(), "who waits holds up no commit")
        assert post_counts(deployment) == {"fibre-lab": 17, "copper-lab": 5}
        rows = [row for row in await rows_of(deployment, ids) if row is not None]
        assert Counter(row.phase for row in rows) == {Phase.FULFILLED: 22, Phase.WAITING: 38}
        definitions = ("spoke-selector#F", "spoke-selector#C")
        assert {row.waits_for for row in rows if row.phase is Phase.WAITING} == {definitions}
        second.send(signal.SIGTERM)
        assert await second.wait_for_exit() == 0, second.log_text()
        deployment.selector = a_selector(UNLIMITED_PERIOD, fibre=30, copper=100)
        await deployment.start("routing", "dispatch")
        await wait_until_all_end(deployment, ids, 90)
        assert post_counts(deployment) == {"fibre-lab": 30, "copper-lab": 30}
        assert unexplained_posts(deployment) == []
        assert service.dead_letters() == []


async def test_waiting_runs_are_sent_window_by_window_although_services_are_killed(
    kafka_bootstrap: str, gateway_store_url: str, tmp_path: Path
) -> None:
    ids = [f"{unique_id('turn')}-{n:02}" for n in range(40)]
    period, most = timedelta(seconds=4), 8
    async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT, store=gateway_store_url) as deployment:
        service = deployment.service
        deployment.selector = a_selector("PT4S", fibre=most)
        first, _ = await deployment.start("routing", "dispatch"), await deployment.start("routing", "dispatch")
        await service.wait_until(lambda: deployment.group_members("routing") == 2, "both share the work")
        begun = time.monotonic()
        await service.request(*(a_document(run_id) for run_id in ids))
        await service.wait_until(lambda: len(deployment.ended_runs()) >= most + 1, "a second window has opened")
        first.send(signal.SIGKILL)
        await deployment.start("routing", "dispatch")
        await wait_until_all_end(deployment, ids, 90)
        # 40 runs, 8 per window: 5 windows, of which the first and the last may be cut short.
        assert time.monotonic() - begun > 3 * period.total_seconds()
        used = Counter(window_at(period, request.created_at).start for request in await requests_of(deployment, ids))
        assert max(used.values()) <= most
        assert sum(used.values()) == len(ids)
        assert len(service.systems["fibre-lab"].request_log.posts()) == len(ids)
        assert unexplained_posts(deployment) == []
        assert service.dead_letters() == []


async def test_publishing_a_higher_threshold_releases_waiting_runs_which_metrics_count_without_a_restart(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    ids = [f"{unique_id('more')}-{n}" for n in range(6)]
    routing = RoutingSettings(tables="topic")
    async with a_service(kafka_bootstrap, tmp_path, script=SCRIPT, routing=routing, started=False) as service:
        await publish_tables(service.settings, POLICY, a_selector(UNLIMITED_PERIOD, fibre=2))
        running = await service.start()
        await service.request(*(a_document(run_id) for run_id in ids[:5]))
        await service.wait_until(
            lambda: len(service.results()) + len(service.updates()) >= 7, "two ended and three wait"
        )
        await wait_for_metric(running, 'southbound_requests_waiting{role="routing"} 3.0')
        await wait_for_metric(running, 'southbound_definitions_used_up{role="routing"} 1.0')
        await publish_tables(service.settings, a_selector(UNLIMITED_PERIOD, fibre=4))
        await service.wait_until(lambda: len(service.results()) >= 4, "two more go")
        await wait_for_metric(running, 'southbound_requests_waiting{role="routing"} 1.0')
        await publish_tables(service.settings, a_selector(UNLIMITED_PERIOD, fibre=100))
        await service.request(a_document(ids[5]))
        await service.wait_until(lambda: {result.run_id for result in service.results()} == {*ids}, "all end")
        assert len(service.systems["fibre-lab"].request_log.posts()) == len(ids)


async def wait_for_metric(running: RunningService, line: str) -> None:
    """Wait until the metrics contain this line."""
    async with asyncio.timeout(60), ClientSession() as session:
        while line not in (answer := await _metrics(session, running)):
            assert "southbound_requests_waiting" in answer
            await asyncio.sleep(0.05)


async def _metrics(session: ClientSession, running: RunningService) -> str:
    async with session.get(f"http://127.0.0.1:{running.health_port}/metrics") as response:
        return await response.text()
