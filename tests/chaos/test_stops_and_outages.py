"""Stops and outages at the worst moment: what was under way is finished or read again, never lost."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import aiohttp
import pytest

from southbound.broker.jvm import jvm_broker
from southbound.broker.server import reserve_port
from southbound.cli.exit_codes import ExitCode
from southbound.simulator.behaviours import completes_by_callback, completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.postgres import INITDB_MISSING, PostgresCluster, find_programs
from tests.fixtures.processes import a_deployment, unexplained_posts, unique_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from southbound.simulator.external_system import ExternalSystem
    from tests.fixtures.processes import Deployment

SLOW = Script(specifications={"fibre-line": completes_immediately(response_delay=3.0)}, default=completes_immediately())
MAX_STOP_SECONDS = 5.0  # seconds for a stop that has nothing to wait for


async def wait_until_posted(site: Deployment, *names: str) -> None:
    """Wait until these runs have reached the fibre lab."""
    ledger = site.service.systems["fibre-lab"].request_log
    await site.service.wait_until(lambda: all(any(n in p for p in ledger.posted_names()) for n in names), "the POST")


async def wait_until_finished(site: Deployment, *ids: str) -> None:
    """Wait for the results of these runs and for topics without lag."""
    await site.service.wait_until(lambda: site.ended_runs().issuperset(ids), "all results")
    await site.service.wait_until(lambda: not site.consumer_lag(), "no lag")


async def send_callback(site: Deployment) -> tuple[int, str | None]:
    """Send a notification; return the status and what is said about trying again."""
    url = f"http://127.0.0.1:{site.service.settings.listener.port}/fibre-lab/listener"
    ended = next(result for result in site.service.results() if result.spoke == "fibre-lab")
    test = {"id": ended.external_id, "state": "completed"}
    notice = {"eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": test}}
    async with aiohttp.ClientSession() as session, session.post(url, json=notice) as answer:
        return answer.status, answer.headers.get("Retry-After")


async def test_a_stop_waits_for_a_slow_answer_and_publishes_its_result(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path, script=SLOW) as site:
        process, run = await site.start(), unique_id("slow")
        await site.service.request(a_document(run))
        await wait_until_posted(site, run)
        process.send(signal.SIGTERM)
        assert await process.ended() == ExitCode.SUCCESS, process.said()
        await wait_until_finished(site, run)
        assert len(site.service.systems["fibre-lab"].request_log.posts()) == 1


async def test_a_stop_that_cannot_wait_says_so_and_the_next_start_looks_up_what_was_sent(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path, script=SLOW) as site:
        process, run = await site.start(drain=0.3), unique_id("cut")
        await site.service.request(a_document(run))
        await wait_until_posted(site, run)
        process.send(signal.SIGTERM)
        assert await process.ended(MAX_STOP_SECONDS) == ExitCode.UNCLEAN_SHUTDOWN, process.said()
        await site.start()
        await wait_until_finished(site, run)
        assert len(site.service.systems["fibre-lab"].request_log.posts()) == 1
        assert site.service.dead_letters() == []


async def test_a_second_signal_stops_at_once_and_nothing_is_lost(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path, script=SLOW) as site:
        process, run = await site.start(), unique_id("twice")
        await site.service.request(a_document(run))
        await wait_until_posted(site, run)
        process.send(signal.SIGTERM)
        await site.service.wait_until(lambda: process.has_taken(signal.SIGTERM), "the first one is taken")
        process.send(signal.SIGTERM)
        assert await process.ended(MAX_STOP_SECONDS) == ExitCode.UNCLEAN_SHUTDOWN, process.said()
        await site.start()
        await wait_until_finished(site, run)
        assert len(site.service.systems["fibre-lab"].request_log.posts()) == 1


async def test_a_system_that_is_down_holds_only_its_own_runs_and_delays_no_stop(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    few = {
        "retry": {
            "initial_interval": 0.2,
            "backoff_coefficient": 2,
            "max_interval": 30,
            "max_attempts": 3,
            "max_elapsed": 2,
        }
    }
    script = Script(specifications={"copper-line": completes_by_callback(0.1)}, default=completes_immediately())
    async with a_deployment(kafka_bootstrap, tmp_path, script=script, profile=few) as site:
        service, tag = site.service, unique_id("down")
        process = await site.start(with_listener=True)
        fibre, copper = [f"{tag}-f{n}" for n in range(30)], [f"{tag}-c{n}" for n in range(30)]
        await _stop_system_abruptly(service.systems["fibre-lab"])
        await service.request(*(a_document(run) for run in fibre))
        await service.request(*(a_document(run, spec="copper-line") for run in copper))
        await service.wait_until(lambda: site.ended_runs().issuperset(copper), "the results of the other system")
        began = time.monotonic()
        process.send(signal.SIGTERM)
        assert await process.ended() == ExitCode.SUCCESS, process.said()
        assert time.monotonic() - began < MAX_STOP_SECONDS
        await site.start(with_listener=True)
        await service.systems["fibre-lab"].start()
        await wait_until_finished(site, *fibre)
        assert service.dead_letters() == []
        assert unexplained_posts(site) == []


async def _stop_system_abruptly(system: ExternalSystem) -> None:
    """Stop it in such a way that `start` brings it back on the same port."""
    port = int(system.base_url.split(":")[2].split("/")[0])
    await system.stop()
    system._address = ("127.0.0.1", port)


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    """A PostgreSQL that may be stopped, unlike the one that all tests share."""
    programs = find_programs()
    if programs is None:
        pytest.skip(INITDB_MISSING)
    with TemporaryDirectory(prefix="southbound-postgres-") as folder:
        cluster = PostgresCluster(programs=programs, home=Path(folder))
        cluster.create()
        yield cluster


async def test_a_database_that_goes_away_and_comes_back_holds_runs_up_and_delays_no_stop(
    kafka_bootstrap: str, tmp_path: Path, database: PostgresCluster
) -> None:
    with reserve_port() as kept:
        port = kept.port
    database.start(port)
    script, tag = Script(default=completes_immediately(response_delay=0.2)), unique_id("store")
    url = f"postgresql+asyncpg://southbound@127.0.0.1:{port}/postgres"
    try:
        async with a_deployment(kafka_bootstrap, tmp_path, script=script, store=url) as site:
            service, process = site.service, await site.start()
            runs = [f"{tag}-{n}" for n in range(120)]
            await service.request(*map(a_document, runs[:100]))
            await service.wait_until(lambda: len(site.ended_runs()) > 10, "work goes on")
            database.stop("fast")
            await service.wait_until(lambda: "STORE_UNAVAILABLE" in process.said(), "somebody is told")
            database.start(port)
            await wait_until_finished(site, *runs[:100])
            database.stop("fast")
            await service.request(*map(a_document, runs[100:]))
            process.send(signal.SIGTERM)
            assert await process.ended(MAX_STOP_SECONDS) == ExitCode.SUCCESS, process.said()
            database.start(port)
            await site.start()
            await wait_until_finished(site, *runs)
            assert unexplained_posts(site) == []
            assert service.dead_letters() == []
    finally:
        with suppress(CalledProcessError):  # it may be stopped already
            database.stop()


async def test_a_broker_that_restarts_in_mid_flight_loses_nothing(tmp_path: Path) -> None:
    polled = {"inbound": ["sync", "callback", "poll"], "poll_interval": 1, "silent_after": 2}
    script = Script(
        specifications={"fibre-line": completes_by_callback(1.0), "copper-line": completes_by_callback(0.2)}
    )
    data, tag = tmp_path / "kafka", unique_id("restart")
    runs = [a_document(f"{tag}-{n}", spec=("fibre-line", "copper-line", "fibre-quick")[n % 3]) for n in range(300)]
    with ExitStack() as brokers:
        bootstrap = brokers.enter_context(jvm_broker(print, folder=data)).bootstrap
        async with a_deployment(bootstrap, tmp_path, script=script, profile=polled) as site:
            service, process = site.service, await site.start(with_listener=True)
            await service.request(*runs)
            await service.wait_until(lambda: len(site.ended_runs()) > 30, "work goes on")
            brokers.close()
            assert await send_callback(site) == (503, "2")
            brokers.enter_context(jvm_broker(print, folder=data, port=int(bootstrap.partition(":")[2])))
            await wait_until_finished(site, *(run.run_id for run in runs))
            assert unexplained_posts(site) == []
            assert service.dead_letters() == []
            process.send(signal.SIGTERM)
            assert await process.ended() == ExitCode.SUCCESS, process.said()
