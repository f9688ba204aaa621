"""A run store in PostgreSQL fulfils the contract of run stores and handles lost connections and concurrency."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError

from consumers.store.databases.address import database_at
from consumers.store.databases.postgres import PostgresDatabase
from consumers.store.port import RunStore, ThresholdReachedError, UnstorableError
from consumers.store.sql_store import open_store
from consumers.store.tables import metadata
from tests.builders.runs import a_run
from tests.contract.run_updates.test_redelivered_events import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_every_run_store import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_every_run_store import next_revision
from tests.contract.store.test_order_store import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_poll_claims import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_specifications import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_waiting_hierarchies import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_waiting_queue import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_waiting_queue import a_use, uses_by_window
from tests.contract.store.test_write_claims import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.integration.store.postgres_database import execute, run_store_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.store.sql_store import SqlRunStore

__all__ = ["run_store_url"]  # a fixture


@pytest.fixture  # type: ignore[no-redef]  # replaces the library's
async def store(run_store_url: str) -> AsyncIterator[RunStore]:
    """A run store without rows."""
    async with an_empty_store(run_store_url) as store:
        yield store


@asynccontextmanager
async def an_empty_store(url: str) -> AsyncIterator[SqlRunStore]:
    store = await open_store(url)
    try:
        emptied = [name for name in metadata.tables if name != "store_identity"]
        await execute(url, f"TRUNCATE {', '.join(emptied)}")
        yield store
    finally:
        await store.close()


async def test_connections_that_the_server_closed_are_replaced_without_an_error(
    store: RunStore, run_store_url: str
) -> None:
    await store.save(a_run())
    terminate_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await execute(run_store_url, f"{terminate_others} AND datname = current_database()")
    saved, row = await asyncio.gather(store.save(a_run("TR0002")), store.run("TR0001"))
    assert saved is None
    assert row == a_run()


async def test_a_process_that_froze_within_a_transaction_does_not_keep_its_rows_from_the_others(
    store: RunStore, run_store_url: str
) -> None:
    await store.save(a_run())
    frozen = database_at(run_store_url, lock_timeout=0.5)
    assert isinstance(frozen, PostgresDatabase)
    connection = await frozen._writer.connect()
    await connection.exec_driver_sql("SELECT 1 FROM runs FOR UPDATE")
    async with asyncio.timeout(60):
        await store.save(next_revision(a_run()))
    with suppress(DBAPIError):  # its connection was closed by the server
        await connection.rollback()
    await connection.invalidate()
    await frozen.close()


async def test_a_row_that_postgresql_refuses_fails_only_its_own_save(store: RunStore) -> None:
    rows = [a_run(f"TR{number}") for number in range(50)]
    rows[7] = replace(rows[7], external_id="a NUL \0 here")
    rows[30] = replace(rows[30], accepted_version=2**70)
    answers = await asyncio.gather(*map(store.save, rows), return_exceptions=True)
    assert {n: type(answer) for n, answer in enumerate(answers) if answer} == {7: UnstorableError, 30: UnstorableError}
    assert "TR7" in str(answers[7])


async def test_an_id_that_postgresql_refuses_is_named_in_the_error(store: RunStore) -> None:
    with pytest.raises(UnstorableError, match=r"cannot have a run 'TR\\x00': invalid byte sequence"):
        await store.run("TR\0")


async def test_a_document_with_a_nul_character_is_kept(store: RunStore) -> None:
    row = a_run()
    row = replace(row, requested=row.requested.model_copy(update={"description": "a NUL \0 here"}))
    await store.save(row)
    assert await store.run("TR0001") == row


async def test_of_two_processes_that_insert_the_same_runs_each_run_is_inserted_by_one(
    store: RunStore, run_store_url: str
) -> None:
    other = await open_store(run_store_url)
    rows = [a_run(f"TR{number}") for number in range(300)]
    saves = [each.save(row) for row in rows for each in (store, other)]
    answers = await asyncio.gather(*saves, return_exceptions=True)
    await other.close()
    winners = [answers[n : n + 2].count(None) for n in range(0, len(answers), 2)]
    assert winners == [1] * 300


async def test_two_processes_that_update_the_same_runs_in_any_order_do_not_deadlock(
    store: RunStore, run_store_url: str
) -> None:
    other = await open_store(run_store_url)
    rows = [a_run(f"TR{number}") for number in range(100)]
    await store.save(*rows)
    forth = [store.save(next_revision(row)) for row in rows]
    reversed_saves = [other.save(next_revision(row)) for row in reversed(rows)]
    answers = await asyncio.gather(*forth, *reversed_saves, return_exceptions=True)
    await other.close()
    assert answers.count(None) == 100


async def test_two_processes_that_use_several_definitions_in_any_order_do_not_deadlock(
    store: RunStore, run_store_url: str
) -> None:
    other = await open_store(run_store_url)
    rows = [f"S{number}" for number in range(20)]
    forth = [store.save(a_run(f"A{row}"), a_use(1, row=row)) for row in rows]
    reversed_saves = [other.save(a_run(f"B{row}"), a_use(1, row=row)) for row in reversed(rows)]
    answers = await asyncio.gather(*forth, *reversed_saves, return_exceptions=True)
    await other.close()
    assert {type(answer) for answer in answers} == {type(None), ThresholdReachedError}
    assert answers.count(None) == 20
    assert len(await uses_by_window(store, *(f"s#{row}" for row in rows))) == 20
