"""Several processes and one database: who wins, and what happens when the database goes away."""

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
from tests.integration.store.postgres_database import empty_database, execute, run_store_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from consumers.store.sql_store import SqlRunStore

__all__ = ["run_store_url"]  # a fixture


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without rows."""
    return empty_database(request, tmp_path / "runs.db")


@pytest.fixture
async def pair(address: str) -> AsyncIterator[tuple[SqlRunStore, SqlRunStore]]:
    """Two stores on one database, opened at the same moment while it has no tables yet."""
    one, other = await asyncio.gather(open_store(address), open_store(address))
    yield one, other
    await asyncio.gather(one.close(), other.close())


async def test_of_two_who_race_for_a_run_exactly_one_wins_each_revision(pair: tuple[SqlRunStore, SqlRunStore]) -> None:
    won = await asyncio.gather(_update_concurrently(pair[0], 30), _update_concurrently(pair[1], 30))
    assert sorted(won[0] + won[1]) == list(range(1, 31))
    final = await pair[0].run("TR0001")
    assert final is not None
    assert final.revision == 30


async def _update_concurrently(store: SqlRunStore, last: int) -> list[int]:
    """Move one run until it is at its last revision; return the revisions that were ours."""
    won = []
    while (row := await store.run("TR0001")) is None or row.revision < last:
        wanted = next_revision(row) if row else a_run()
        try:
            await store.save(wanted)
            won.append(wanted.revision)
        except ConflictError:
            continue
    return won


async def test_two_who_use_a_definition_at_once_never_use_it_more_often_than_its_threshold_says(
    pair: tuple[SqlRunStore, SqlRunStore],
) -> None:
    saves = [store.save(a_run(f"TR{who}-{n}"), a_use(37)) for n in range(60) for who, store in enumerate(pair)]
    answers = await asyncio.gather(*saves, return_exceptions=True)
    assert answers.count(None) == 37
    assert {type(answer) for answer in answers} == {type(None), ThresholdReachedError}
    assert await uses_by_window(pair[1]) == {("s#S10", NOON): 37}


async def test_what_one_saved_the_other_reads(pair: tuple[SqlRunStore, SqlRunStore]) -> None:
    await pair[0].save(a_run())
    assert await pair[1].run("TR0001") == a_run()


@pytest.fixture
def cluster() -> Iterator[tuple[PostgresCluster, int]]:
    """A PostgreSQL that a test may stop and start."""
    programs = find_programs()
    if programs is None:
        pytest.skip("this test stops its PostgreSQL: it needs one of its own, `apt-get install postgresql`")
    # Not in pytest's folder, which the server's user may not enter.
    with TemporaryDirectory(prefix="southbound-postgres-", ignore_cleanup_errors=True) as home:
        yield from _running(PostgresCluster(programs=programs, home=Path(home)))


def _running(cluster: PostgresCluster) -> Iterator[tuple[PostgresCluster, int]]:
    cluster.create()
    with reserve_port() as kept:
        port = kept.port
    cluster.start(port)
    try:
        yield cluster, port
    finally:
        cluster.stop()


async def test_a_server_that_goes_and_comes_back_has_every_run_it_confirmed(
    cluster: tuple[PostgresCluster, int],
) -> None:
    server, port = cluster
    url = f"postgresql://southbound@127.0.0.1:{port}/postgres"
    await execute(url, "ALTER ROLE southbound SET synchronous_commit = on")
    store = await open_store(url)
    confirmed: list[str] = []
    saving = asyncio.create_task(_save_until_refused(store, confirmed))
    await _wait_until(lambda: len(confirmed) > 50)
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


async def _wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what it waits for is a list that grows, not an event
            await asyncio.sleep(0.01)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with reserve_port() as kept:
        port = kept.port
    with pytest.raises(StoreUnavailableError) as refused:
        await open_store(f"postgresql://someone:s3cret@127.0.0.1:{port}/runs")
    assert f"127.0.0.1:{port}/runs" in str(refused.value)
    assert "s3cret" not in str(refused.value)
