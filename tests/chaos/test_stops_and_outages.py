"""Stops and outages at the worst moment: what was under way is finished or read again, and nothing is lost."""

from __future__ import annotations

import signal
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import aiohttp
import pytest

from southbound.broker.jvm import jvm_broker
from southbound.broker.server import reserve_port
from southbound.exit_codes import ExitCode
from southbound.simulator.behaviours import completes_by_callback, completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.postgres import INITDB_MISSING, PostgresCluster, find_programs
from tests.fixtures.processes import a_deployment, unexplained_posts, unique_id
from tests.harness.ports import a_quiet_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from southbound.simulator.external_system import ExternalSystem
    from tests.fixtures.processes import Deployment

SLOW = Script(specifications={"fibre-line": completes_immediately(response_delay=3.0)}, default=completes_immediately())
# Seconds: no answer comes, and no patience with one ends, before a stop with nothing to wait for has ended.
SILENT = Script(
    specifications={"fibre-line": completes_immediately(response_delay=240.0)}, default=completes_immediately()
)
PATIENT = {"timeouts": {"connect": 60, "read": 240, "total": 240}}
DRAIN = 180.0
MAX_STOP_SECONDS = 60.0


async def wait_until_posted(deployment: Deployment, *names: str) -> None:
    """Wait until these runs were POSTed to the fibre lab."""
    ledger = deployment.service.systems["fibre-lab"].request_log
    await deployment.service.wait_until(
        lambda: all(any(n in p for p in ledger.posted_names()) for n in names), "the POST"
    )


async def wait_until_finished(deployment: Deployment, *ids: str) -> None:
    """Wait for the results of these runs, and for topics without lag."""
    await deployment.service.wait_until(lambda: deployment.ended_runs().issuperset(ids), "all results")
    await deployment.service.wait_until(lambda: not deployment.consumer_lag(), "no lag")


async def send_callback(deployment: Deployment) -> tuple[int, str | None]:
    """Send a notification; return the status and the Retry-After header of the response."""
    url = f"http://127.0.0.1:{deployment.service.settings.listener.port}/fibre-lab/listener"
    ended = next(result for result in deployment.service.results() if result.spoke == "fibre-lab")
    test = {"id": ended.external_id, "state": "completed"}
    notice = {"eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": test}}
    async with aiohttp.ClientSession() as session, session.post(url, json=notice) as answer:
        return answer.status, answer.headers.get("Retry-After")


async def test_a_stop_waits_for_a_slow_answer_and_publishes_its_result(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path, script=SLOW) as deployment:
        process, run = await deployment.start(), unique_id("slow")
        await deployment.service.request(a_document(run))
        await wait_until_posted(deployment, run)
        process.send(signal.SIGTERM)
        assert await process.wait_for_exit() == ExitCode.SUCCESS, process.log_text()
        await wait_until_finished(deployment, run)
        assert len(deployment.service.systems["fibre-lab"].request_log.posts()) == 1


async def test_a_stop_that_cannot_wait_exits_unclean_and_the_next_start_looks_up_what_was_sent(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path, script=SILENT, profile=PATIENT) as deployment:
        process, run = await deployment.start(drain=0.3), unique_id("cut")
        await deployment.service.request(a_document(run))
        await wait_until_posted(deployment, run)
        process.send(signal.SIGTERM)
        assert await process.wait_for_exit(MAX_STOP_SECONDS) == ExitCode.UNCLEAN_SHUTDOWN, process.log_text()
        await deployment.start()
        await wait_until_finished(deployment, run)
        assert len(deployment.service.systems["fibre-lab"].request_log.posts()) == 1
        assert deployment.service.dead_letters() == []


async def test_a_second_signal_stops_at_once_and_nothing_is_lost(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_deployment(kafka_bootstrap, tmp_path, script=SILENT, profile=PATIENT) as deployment:
        process, run = await deployment.start(drain=DRAIN), unique_id("twice")
        await deployment.service.request(a_document(run))
        await wait_until_posted(deployment, run)
        process.send(signal.SIGTERM)
        await deployment.service.wait_until(lambda: process.has_handled(signal.SIGTERM), "the first one is taken")
        process.send(signal.SIGTERM)
        assert await process.wait_for_exit(MAX_STOP_SECONDS) == ExitCode.UNCLEAN_SHUTDOWN, process.log_text()
        await deployment.start()
        await wait_until_finished(deployment, run)
        assert len(deployment.service.systems["fibre-lab"].request_log.posts()) == 1


async def test_a_system_that_is_down_delays_only_its_own_runs_and_no_stop(kafka_bootstrap: str, tmp_path: Path) -> None:
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
    async with a_deployment(kafka_bootstrap, tmp_path, script=script, profile=few) as deployment:
        service, tag = deployment.service, unique_id("down")
        process = await deployment.start(with_listener=True, drain=DRAIN)
        fibre, copper = [f"{tag}-f{n}" for n in range(30)], [f"{tag}-c{n}" for n in range(30)]
        async with _stopped_abruptly(service.systems["fibre-lab"]):
            await service.request(*(a_document(run) for run in fibre))
            await service.request(*(a_document(run, spec="copper-line") for run in copper))
            await service.wait_until(lambda: deployment.ended_runs().issuperset(copper), "the results of the other one")
            process.send(signal.SIGTERM)
            assert await process.wait_for_exit(MAX_STOP_SECONDS) == ExitCode.SUCCESS, process.log_text()
            await deployment.start(with_listener=True)
        await wait_until_finished(deployment, *fibre)
        assert service.dead_letters() == []
        assert unexplained_posts(deployment) == []


@asynccontextmanager
async def _stopped_abruptly(system: ExternalSystem) -> AsyncIterator[None]:
    """Stop a system while the block runs; nobody else gets its port meanwhile."""
    port = int(system.base_url.split(":")[2].split("/")[0])
    await system.stop()
    with reserve_port(port):
        yield
        system._address = ("127.0.0.1", port)
        await system.start()


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresCluster]:
    """A PostgreSQL that this test may stop, unlike the one that all tests share."""
    programs = find_programs()
    if programs is None:
        pytest.skip(INITDB_MISSING)
    with TemporaryDirectory(prefix="southbound-postgres-") as folder:
        cluster = PostgresCluster(programs=programs, home=Path(folder))
        cluster.create()
        yield cluster


async def test_a_database_outage_delays_runs_but_no_stop_and_loses_none(
    kafka_bootstrap: str, tmp_path: Path, database: PostgresCluster
) -> None:
    port = a_quiet_port()
    database.start(port)
    script, tag = Script(default=completes_immediately(response_delay=0.2)), unique_id("store")
    url = f"postgresql+asyncpg://southbound@127.0.0.1:{port}/postgres"
    try:
        async with a_deployment(kafka_bootstrap, tmp_path, script=script, store=url) as deployment:
            service, process = deployment.service, await deployment.start(drain=DRAIN)
            runs = [f"{tag}-{n}" for n in range(120)]
            await service.request(*map(a_document, runs[:100]))
            await service.wait_until(lambda: len(deployment.ended_runs()) > 10, "work goes on")
            database.stop("fast")
            await service.wait_until(lambda: "STORE_UNAVAILABLE" in process.log_text(), "the outage is logged")
            database.start(port)
            await wait_until_finished(deployment, *runs[:100])
            database.stop("fast")
            await service.request(*map(a_document, runs[100:]))
            process.send(signal.SIGTERM)
            assert await process.wait_for_exit(MAX_STOP_SECONDS) == ExitCode.SUCCESS, process.log_text()
            database.start(port)
            await deployment.start()
            await wait_until_finished(deployment, *runs)
            assert unexplained_posts(deployment) == []
            assert service.dead_letters() == []
    finally:
        with suppress(CalledProcessError):  # it may already be stopped
            database.stop()


async def test_a_broker_that_restarts_while_runs_are_under_way_loses_nothing(tmp_path: Path) -> None:
    polled = {"result_channels": ["sync", "callback", "poll"], "poll_interval": 1, "poll_after": 2}
    script = Script(
        specifications={"fibre-line": completes_by_callback(1.0), "copper-line": completes_by_callback(0.2)}
    )
    data, tag = tmp_path / "kafka", unique_id("restart")
    runs = [a_document(f"{tag}-{n}", spec=("fibre-line", "copper-line", "fibre-quick")[n % 3]) for n in range(300)]
    with ExitStack() as brokers:
        port = a_quiet_port()
        bootstrap = brokers.enter_context(jvm_broker(print, folder=data, port=port)).bootstrap
        async with a_deployment(bootstrap, tmp_path, script=script, profile=polled) as deployment:
            service, process = deployment.service, await deployment.start(with_listener=True)
            await service.request(*runs)
            await service.wait_until(lambda: len(deployment.ended_runs()) > 30, "work goes on")
            brokers.close()
            assert await send_callback(deployment) == (503, "2")
            brokers.enter_context(jvm_broker(print, folder=data, port=port))
            await wait_until_finished(deployment, *(run.run_id for run in runs))
            assert unexplained_posts(deployment) == []
            assert service.dead_letters() == []
            process.send(signal.SIGTERM)
            assert await process.wait_for_exit() == ExitCode.SUCCESS, process.log_text()
