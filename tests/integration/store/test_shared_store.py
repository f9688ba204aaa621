"""Several processes share one database: one wins each conflict, and outages of the database are reported."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from consumers.store.port import ConflictError, StoreUnavailableError, ThresholdReachedError
from consumers.store.sql_store import open_store
from southbound.broker.server import reserve_port
from tests.builders.runs import NOON, a_run
from tests.contract.store.test_every_run_store import next_revision
from tests.contract.store.test_waiting_queue import a_use, uses_by_window
from tests.fixtures.postgres import PostgresCluster, find_programs
from tests.harness.waiting import wait_until
from tests.integration.store.postgres_database import empty_database, execute, run_store_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from consumers.store.sql_store import SqlRunStore

__all__ = ["run_store_url"]  # a fixture


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without rows."""
    return empty_database(request, tmp_path / "runs.db")


@pytest.fixture
async def pair(address: str) -> AsyncIterator[tuple[SqlRunStore, SqlRunStore]]:
    """Two stores on one database, opened at the same moment while it has no tables."""
    first, second = await asyncio.gather(open_store(address), open_store(address))
    yield first, second
    await asyncio.gather(first.close(), second.close())


async def test_of_two_stores_that_update_a_run_exactly_one_writes_each_revision(
    pair: tuple[SqlRunStore, SqlRunStore],
) -> None:
    won = await asyncio.gather(_update_concurrently(pair[0], 30), _update_concurrently(pair[1], 30))
    assert sorted(won[0] + won[1]) == list(range(1, 31))
    final = await pair[0].run("TR0001")
    assert final is not None
    assert final.revision == 30


async def _update_concurrently(store: SqlRunStore, last: int) -> list[int]:
    """Update one run until it has its last revision; return the revisions that this store wrote."""
    won = []
    while (row := await store.run("TR0001")) is None or row.revision < last:
        row_to_save = next_revision(row) if row else a_run()
        try:
            await store.save(row_to_save)
            won.append(row_to_save.revision)
        except ConflictError:
            continue
    return won


async def test_two_stores_that_count_uses_at_once_never_exceed_the_threshold(
    pair: tuple[SqlRunStore, SqlRunStore],
) -> None:
    saves = [store.save(a_run(f"TR{number}-{n}"), a_use(37)) for n in range(60) for number, store in enumerate(pair)]
    answers = await asyncio.gather(*saves, return_exceptions=True)
    assert answers.count(None) == 37
    assert {type(answer) for answer in answers} == {type(None), ThresholdReachedError}
    assert await uses_by_window(pair[1]) == {("s#S10", NOON): 37}


async def test_a_run_saved_by_one_store_is_read_by_the_other(pair: tuple[SqlRunStore, SqlRunStore]) -> None:
    await pair[0].save(a_run())
    assert await pair[1].run("TR0001") == a_run()


@pytest.fixture
def cluster() -> Iterator[tuple[PostgresCluster, int]]:
    """A PostgreSQL that a test may stop and start."""
    programs = find_programs()
    if programs is None:
        pytest.skip("this test stops its PostgreSQL: it needs one of its own, `apt-get install postgresql`")
    # pytest's own folder is not accessible to the server's user.
    with TemporaryDirectory(prefix="southbound-postgres-", ignore_cleanup_errors=True) as home:
        yield from _running(PostgresCluster(programs=programs, home=Path(home)))


def _running(cluster: PostgresCluster) -> Iterator[tuple[PostgresCluster, int]]:
    cluster.create()
    with reserve_port() as reserved:
        cluster.start(reserved.port)
        try:
            yield cluster, reserved.port
        finally:
            cluster.stop()


async def test_a_server_that_restarts_has_every_run_that_was_saved(
    cluster: tuple[PostgresCluster, int],
) -> None:
    server, port = cluster
    url = f"postgresql://southbound@127.0.0.1:{port}/postgres"
    await execute(url, "ALTER ROLE southbound SET synchronous_commit = on")
    store = await open_store(url)
    confirmed: list[str] = []
    saving = asyncio.create_task(_save_until_refused(store, confirmed))
    await wait_until(lambda: len(confirmed) > 50, seconds=60)
    await asyncio.to_thread(server.stop)
    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}"):
        await saving
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await asyncio.to_thread(server.start, port)
    await store.save(a_run("after"))
    found = await asyncio.gather(*map(store.run, confirmed))
    await store.close()
    assert None not in found


async def _save_until_refused(store: SqlRunStore, saved: list[str]) -> None:
    for number in range(100_000):
        await store.save(a_run(f"TR{number}"))
        saved.append(f"TR{number}")


async def test_an_unreachable_server_is_named_without_its_password() -> None:
    with reserve_port() as reserved, pytest.raises(StoreUnavailableError) as refused:  # nobody listens there
        await open_store(f"postgresql://someone:s3cret@{reserved.address}/runs")
    assert f"{reserved.address}/runs" in str(refused.value)
    assert "s3cret" not in str(refused.value)
