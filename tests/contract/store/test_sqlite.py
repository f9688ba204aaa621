"""A run store in a SQLite file reports locks, missing files and files that are no database."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

import orjson
import pytest
from pydantic import SecretStr

from consumers.store.databases.address import database_at
from consumers.store.databases.database import CommitInDoubtError
from consumers.store.migrate import upgrade_database
from consumers.store.port import ConflictError, StoreUnavailableError
from consumers.store.row_mapping import TEXT_MOMENTS, measure_values
from consumers.store.sql_store import SqlRunStore, open_store
from consumers.store.tables import run_measures
from schemas.results import ReportedMeasure, RuleViolation
from schemas.vocabulary import MeasureIdOrigin
from southbound.service.open_resources import open_run_store
from southbound.settings.settings import StoreSettings
from tests.builders.runs import a_run
from tests.contract.store.test_every_run_store import next_revision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from consumers.store.databases.sqlite import Synchronous
    from consumers.store.row_mapping import ColumnValues

T = TypeVar("T")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of the store."""
    return tmp_path / "runs.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqlRunStore]:
    """A store that waits only briefly for a lock."""
    store = await open_store(f"sqlite:///{file}", lock_timeout=0.1)
    yield store
    await store.close()


@pytest.fixture
def open_elsewhere(file: Path) -> Callable[[], closing[sqlite3.Connection]]:
    """Return a function that opens the same file as another program does."""
    return lambda: closing(sqlite3.connect(file, isolation_level=None))


async def test_a_lock_that_stays_is_reported_and_nothing_is_lost(
    store: SqlRunStore, open_elsewhere: Callable[[], closing[sqlite3.Connection]]
) -> None:
    await store.save(a_run("TR0"))
    with open_elsewhere() as second:
        second.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(*(store.save(a_run(f"TR{n}")) for n in (1, 2)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailableError] * 2
        assert "locked for 0.1 s" in str(answers[0])
        assert await store.run("TR0") == a_run("TR0")
        second.execute("ROLLBACK")
    await asyncio.gather(*(store.save(a_run(f"TR{n}")) for n in (1, 2)))
    assert await store.run("TR2") == a_run("TR2")


async def test_a_lock_that_passes_is_waited_for(
    file: Path, store: SqlRunStore, open_elsewhere: Callable[[], closing[sqlite3.Connection]]
) -> None:
    patient = await open_store(f"sqlite:///{file}", lock_timeout=10)
    with open_elsewhere() as second:
        second.execute("BEGIN IMMEDIATE")
        saving = asyncio.ensure_future(patient.save(a_run()))
        await asyncio.wait([saving], timeout=0.2)
        assert not saving.done()
        second.execute("COMMIT")
        await saving
    await patient.close()
    assert await store.run("TR0001") == a_run()


@pytest.mark.parametrize(("synchronous", "kept_by_sqlite_as"), [("NORMAL", 1), ("FULL", 2)])
async def test_the_settings_determine_the_lock_timeout_and_what_survives_a_power_cut(
    file: Path,
    open_elsewhere: Callable[[], closing[sqlite3.Connection]],
    synchronous: Synchronous,
    kept_by_sqlite_as: int,
) -> None:
    store = await open_run_store(
        StoreSettings(url=SecretStr(f"sqlite:///{file}"), lock_timeout=0.2, synchronous=synchronous)
    )
    pragma = await store._database.write(lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar())
    with open_elsewhere() as second:
        second.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match=r"locked for 0\.2 s"):
            await store.save(a_run())
    await store.close()
    assert pragma == kept_by_sqlite_as


async def test_a_store_survives_a_power_failure_unless_the_settings_say_otherwise(file: Path) -> None:
    by_settings = await open_run_store(StoreSettings(url=SecretStr(f"sqlite:///{file}")))
    by_itself = await open_store(f"sqlite:///{file}")
    for store in (by_settings, by_itself):
        pragma = await store._database.write(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar())
        await store.close()
        assert pragma == 2  # FULL


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, " * 100)
    with pytest.raises(StoreUnavailableError, match=r"notes\.txt cannot be used: file is not a database"):
        await open_store(f"sqlite:///{tmp_path}/notes.txt")


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError, match=r"runs\.db cannot be used: unable to open"):
        await open_store(f"sqlite:///{tmp_path}/file/runs.db")


async def test_readiness_follows_the_database(store: SqlRunStore, file: Path) -> None:
    await store.ping()
    with closing(sqlite3.connect(file)) as second:
        second.execute("DROP TABLE runs")
    with pytest.raises(StoreUnavailableError, match="no such table: runs"):
        await store.ping()


async def test_a_store_that_can_be_read_and_not_written_is_not_ready(
    store: SqlRunStore, open_elsewhere: Callable[[], closing[sqlite3.Connection]]
) -> None:
    await store.ping()
    with open_elsewhere() as second:
        second.execute("BEGIN IMMEDIATE")
        assert await store.run("TR0001") is None
        pings = await asyncio.gather(*(store.ping() for _ in range(50)), return_exceptions=True)
        assert {type(error) for error in pings} == {StoreUnavailableError}
    await store.ping()


async def test_closing_waits_for_pending_saves(file: Path, store: SqlRunStore) -> None:
    second = await open_store(f"sqlite:///{file}")
    saves = [asyncio.ensure_future(second.save(a_run(f"TR{number}"))) for number in range(1000)]
    await asyncio.sleep(0)  # let the saves start
    await second.close()
    await asyncio.gather(*saves)
    assert await store.run("TR999") == a_run("TR999")


KILLED_PROGRAM = """
import asyncio, os, signal, sys
from consumers.store.sql_store import open_store
from tests.builders.runs import a_run

async def main():
    store = await open_store("sqlite:///" + sys.argv[1])
    for number in range(100):
        await store.save(a_run(f"TR{number}"))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_was_saved_survives_the_sudden_end_of_the_process(file: Path) -> None:
    here = {**os.environ, "PYTHONPATH": "."}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_PROGRAM, str(file), env=here)
    assert await process.wait() == -signal.SIGKILL
    store = await open_store(f"sqlite:///{file}")
    found = await asyncio.gather(*(store.run(f"TR{number}") for number in range(100)))
    await store.close()
    assert None not in found


class ConnectionLosingDatabase:
    """A database that loses its connection once, before or after its next commit."""

    def __init__(self, address: str, *, after: bool) -> None:
        self._database = database_at(address)
        self._after = after
        self._due = False
        self.name, self.sql, self.moments = self._database.name, self._database.sql, self._database.moments

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._database.read(work)

    async def read_anew(self, work: Callable[[Connection], T]) -> T | None:
        return await self._database.read_anew(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        due, self._due = self._due, False
        if due and not self._after:
            raise CommitInDoubtError("lost before the commit arrived")
        result = await self._database.write(work)
        if due:
            raise CommitInDoubtError("lost after the commit arrived")
        return result

    async def close(self) -> None:
        await self._database.close()

    def lose_next_connection(self) -> None:
        self._due = True


@pytest.mark.parametrize("after", [False, True])
async def test_a_commit_that_was_never_answered_is_looked_up_not_repeated(file: Path, *, after: bool) -> None:
    database = ConnectionLosingDatabase(f"sqlite:///{file}", after=after)
    await upgrade_database(database)
    store = SqlRunStore(database)
    await store.save(a_run("TR1"))
    database.lose_next_connection()
    second = next_revision(a_run("TR1"), processed_reports=("E1",))
    answers = await asyncio.gather(
        *map(store.save, (second, a_run("TR2"), a_run("TR1", cancel_requested=True))), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [type(None), type(None), ConflictError]
    assert await store.run("TR1") == second
    assert await store.run("TR2") == a_run("TR2")
    await store.close()


async def test_several_stores_can_open_one_new_file_at_once(tmp_path: Path) -> None:
    for number in range(10):
        address = f"sqlite:///{tmp_path}/{number}.db"
        opened = await asyncio.gather(*(open_store(address) for _ in range(6)), return_exceptions=True)
        stores = [store for store in opened if isinstance(store, SqlRunStore)]
        await asyncio.gather(*(store.close() for store in stores))
        assert len(stores) == len(opened), opened


async def test_a_new_store_is_readable_by_its_owner_only(file: Path) -> None:
    before = os.umask(0)
    try:
        store = await open_store(f"sqlite:///{file}")
        await store.save(a_run())
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
        await store.close()
    finally:
        os.umask(before)
    assert modes == {"runs.db": 0o600, "runs.db-wal": 0o600, "runs.db-shm": 0o600}


async def test_an_existing_store_keeps_its_mode(file: Path) -> None:
    await (await open_store(f"sqlite:///{file}")).close()
    os.chmod(file, 0o640)  # noqa: PTH101 - a test may block
    await (await open_store(f"sqlite:///{file}")).close()
    assert os.stat(file).st_mode & 0o777 == 0o640  # noqa: PTH116 - as above


def test_a_process_of_the_version_before_reads_the_violations_of_this_one() -> None:
    """It refuses fields that it does not know, and reads the same rows during an upgrade."""
    known_then = {
        "id",
        "name",
        "description",
        "severity",
        "conformance_target_lower",
        "conformance_target_upper",
        "conformance_target_exact",
        "conformance_comparator_lower",
        "conformance_comparator_upper",
        "consequence",
    }
    violations = (RuleViolation(id="V1", number_of_allowed_crossing=2), RuleViolation(id="V2", consequence="ticket"))
    whole = ReportedMeasure(id="M1", id_origin=MeasureIdOrigin.REPORTED, rule_violation=violations)
    plain = ReportedMeasure(id="M2", id_origin=MeasureIdOrigin.REPORTED, rule_violation=violations[1:])
    written = [dict(zip(run_measures.c.keys(), values, strict=True)) for values in measures_of(whole, plain)]
    assert all({*found} == known_then for each in written for found in orjson.loads(each["rule_violation"]))
    assert [each["violations"] is None for each in written] == [False, True]


def measures_of(*measures: ReportedMeasure) -> list[ColumnValues]:
    return measure_values(a_run(measures=measures), TEXT_MOMENTS)
