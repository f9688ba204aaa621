"""While the run store is locked or unavailable, records wait; nothing is lost, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from southbound.broker.server import reserve_port
from southbound.settings.settings import StoreSettings
from tests.builders.runs import a_document
from tests.fixtures.postgres import PostgresCluster, find_programs
from tests.fixtures.service import a_service
from tests.integration.store.postgres_database import execute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from southbound.service.serve import RunningService
    from tests.fixtures.service import ServiceUnderTest

RUNS = [a_document(f"R{number}", spec=("fibre-line", "fibre-quick")[number % 2]) for number in range(40)]
IDS = {run.run_id for run in RUNS}


@pytest.fixture
def cluster() -> Iterator[tuple[PostgresCluster, int]]:
    """A PostgreSQL that a test may stop."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not on this machine")
    # pytest's own folder is not accessible to the server's user.
    with (
        TemporaryDirectory(prefix="southbound-postgres-", ignore_cleanup_errors=True) as home,
        reserve_port() as reserved,
    ):
        server, port = PostgresCluster(programs=programs, home=Path(home)), reserved.port
        server.create()
        server.start(port)
        yield server, port
        server.stop()


async def test_a_locked_sqlite_file_delays_every_run_and_loses_none(kafka_bootstrap: str, tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    store = StoreSettings(url=f"sqlite:///{file}", lock_timeout=0.3)
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service:
        service.settings = service.settings.model_copy(update={"store": store})
        running = await service.start()
        with closing(sqlite3.connect(file, isolation_level=None)) as somebody_else:
            somebody_else.execute("BEGIN IMMEDIATE")
            await service.request(*RUNS)
            await service.wait_until(lambda: is_retrying_store(running, "routing"), "routing waits for the store")
            assert service.systems["fibre-lab"].request_log.posts() == ()
            somebody_else.execute("ROLLBACK")
        await wait_until_all_end_once(service)


async def test_a_postgresql_that_restarts_in_the_middle_loses_no_run(
    kafka_bootstrap: str, tmp_path: Path, cluster: tuple[PostgresCluster, int]
) -> None:
    server, port = cluster
    url = f"postgresql://southbound@127.0.0.1:{port}/postgres"
    await execute(url, "ALTER ROLE southbound SET synchronous_commit = on")
    async with a_service(kafka_bootstrap, tmp_path, store=url, started=False) as service:
        running = await service.start()
        await service.request(*RUNS[:20])
        await service.wait_until(lambda: len(service.results()) > 3, "work goes on")
        await asyncio.to_thread(server.stop)
        await service.request(*RUNS[20:])
        await service.wait_until(lambda: is_retrying_store(running, "routing"), "routing waits for the store")
        await asyncio.to_thread(server.start, port)
        await wait_until_all_end_once(service)


def is_retrying_store(running: RunningService, role: str) -> bool:
    heads = [status.oldest for status in running.workers[role].status() if status.oldest is not None]
    return any(head.problem is not None and head.problem.code == "STORE_UNAVAILABLE" for head in heads)


def result_ids(service: ServiceUnderTest) -> set[tuple[str | None, str | None]]:
    return {(event.header("ce_id"), event.header("ce_subject")) for event in service.reader.on(service.topics.results)}


async def wait_until_all_end_once(service: ServiceUnderTest) -> None:
    await service.wait_until(lambda: {result.run_id for result in service.results()} >= IDS, "all results of runs")
    # The results of a run and of its request are two messages; the second may come later.
    await service.wait_until(lambda: len(result_ids(service)) >= 2 * len(IDS), "all results of requests")
    assert Counter(subject for _, subject in result_ids(service)) == Counter(dict.fromkeys(IDS, 2))
    assert service.dead_letters() == []
    assert Counter(service.systems["fibre-lab"].request_log.posted_names()).most_common(1)[0][1] == 1
    assert await service.stop()
