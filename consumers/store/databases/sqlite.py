"""Keep the run store in a SQLite file: one thread writes, one reads, and neither waits for the other.

SQLAlchemy's asyncio bridge hops between threads several times per statement; a transaction of ours is one hop
(measured: 1.2 ms instead of 2.4 ms of CPU for eight small statements).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlite3 import OperationalError, register_adapter
from typing import TYPE_CHECKING, Literal, TypeVar

from sqlalchemy import NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from consumers.store.databases.database import is_unstorable_row
from consumers.store.port import StoreUnavailableError
from consumers.store.row_mapping import TEXT_MOMENTS
from consumers.store.statements import statements_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection as DriverConnection

    from sqlalchemy import URL, Connection, Engine

T = TypeVar("T")

# NORMAL: what was saved survives the end of the process at any moment; a power cut may lose the last moments,
# and never damages the file. FULL: it survives a power cut too, at one disk flush per transaction.
Synchronous = Literal["NORMAL", "FULL"]


REOPEN_DELAY = 0.02  # seconds, on the store's own thread


class SqliteDatabase:
    """A file with a write-ahead log beside it."""

    moments = TEXT_MOMENTS

    def __init__(self, url: URL, *, lock_timeout: float, synchronous: Synchronous) -> None:
        self.name = f"SQLite {url.database}"
        self._lock_timeout = lock_timeout
        self._file = Path(url.database or "").absolute()
        # The directory of a first start; whether it can be written is reported when the file is opened.
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(url, lock_timeout, synchronous)
        self.sql = statements_for(self._engine.dialect)
        # The write lock is taken first: a transaction that reads first could not get it any more.
        self._writer = _ConnectionThread(self._engine, begin="BEGIN IMMEDIATE")
        self._reader = _ConnectionThread(self._engine, begin="BEGIN")

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that reads one consistent state."""
        return await self._run(self._reader, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work and commit."""
        return await self._run(self._writer, work)

    async def read_anew(self, work: Callable[[Connection], T]) -> T | None:
        """Run work that reads the file that has the name now; None if there is none, or one without tables."""
        if not await asyncio.to_thread(self._file.exists):
            return None
        connection = _ConnectionThread(self._engine, begin="BEGIN")
        try:
            return await self._run(connection, work)
        except StoreUnavailableError as error:
            if "no such table" in str(error):
                return None
            raise
        finally:
            await connection.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._writer.close()
        await self._reader.close()

    async def _run(self, desk: _ConnectionThread, work: Callable[[Connection], T]) -> T:
        try:
            return await desk.transact(work)
        except DBAPIError as error:
            if is_unstorable_row(error):
                raise
            raise StoreUnavailableError(self._sentence(error)) from error

    def _sentence(self, error: DBAPIError) -> str:
        if "locked" in str(error.orig):
            return (
                f"run store {self.name}: another process has kept the database locked for {self._lock_timeout:g} s;"
                " let it finish or stop it"
            )
        return f"run store {self.name} cannot be used: {error.orig}; check the file, its directory and the disk"


class _ConnectionThread:
    """One thread with one connection, opened when it is first needed and again after an error."""

    def __init__(self, engine: Engine, *, begin: str) -> None:
        self._engine = engine
        self._begin = begin
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="run-store")

    async def transact(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_connection)
        self._thread.shutdown(wait=False)
        self._engine.clear_compiled_cache()  # megabytes, which last as long as anything refers to the store

    def _transact(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            self._connection.exec_driver_sql(self._begin)
            result = work(self._connection)
            self._connection.commit()
        except BaseException:
            self._close_connection()  # which rolls back; opening a file again is cheap
            raise
        return result

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _create_for_owner(file: Path) -> None:
    """Create a new database file that only its owner reads; SQLite gives its log beside it the same mode."""
    # An existing file keeps its mode, and where none can be created SQLite reports it.
    with contextlib.suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _engine(url: URL, lock_timeout: float, synchronous: Synchronous) -> Engine:
    # Otherwise the driver looks up how to store None and bool each time, and the look-up fails.
    register_adapter(type(None), _as_it_is)
    register_adapter(bool, int)
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": lock_timeout})

    @event.listens_for(engine, "do_connect")
    def create(*_: object) -> None:
        _create_for_owner(Path(url.database or "").absolute())

    @event.listens_for(engine, "connect")
    def set_up(connection: DriverConnection, _: object) -> None:
        _enable_wal(connection, lock_timeout)
        for pragma in (f"synchronous = {synchronous}", "cache_size = -32000"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine


def _as_it_is(nothing: None) -> None:
    return nothing


def _enable_wal(connection: DriverConnection, lock_timeout: float) -> None:
    # Turning a new file to WAL while others open it fails with "locked" at once, whatever the timeout is.
    deadline = time.monotonic() + lock_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(REOPEN_DELAY)
        else:
            return
