"""Keep the run store in PostgreSQL, where several processes share it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnectionError
from sqlalchemy.ext.asyncio import create_async_engine

from consumers.store.databases.database import CommitInDoubtError, is_unstorable_row
from consumers.store.databases.postgres_hosts import CONNECT_ERRORS, HostConnector
from consumers.store.port import StoreUnavailableError
from consumers.store.row_mapping import NATIVE_MOMENTS
from consumers.store.statements import statements_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection
    from sqlalchemy.engine import AdaptedConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")
# SQLAlchemy translates what asyncpg raises, except for what it raises while a new connection is prepared. Its own
# TimeoutError, that no connection became free, is not an OSError, as Python's is.
_ERRORS = (DBAPIError, NoFreeConnectionError, *CONNECT_ERRORS)
_READ_ONLY = "25006"


class _BrokenConnectionError(Exception):
    """The connection was broken before anything was committed."""


class PostgresDatabase:
    """A PostgreSQL server, through asyncpg."""

    moments = NATIVE_MOMENTS

    def __init__(self, url: URL, *, lock_timeout: float) -> None:
        self.name = f"PostgreSQL {_hosts(url)}/{url.database or url.username}"
        connector = HostConnector(seconds=lock_timeout)
        # One pool each: when one finds its connection broken, the next it takes cannot be just as old.
        self._writer = _engine(url, connector, isolation="READ COMMITTED")
        # One state for the several statements of a read: a run and its measures belong together.
        self._reader = _engine(url, connector, isolation="REPEATABLE READ")
        self.sql = statements_for(self._writer.dialect)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that reads one consistent state."""
        return await self._run(self._reader, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work and commit."""
        return await self._run(self._writer, work)

    async def read_anew(self, work: Callable[[Connection], T]) -> T:
        """Run work that reads; a server that was replaced has closed the connections to the one before."""
        return await self.read(work)

    async def close(self) -> None:
        """Close the connections."""
        await self._writer.dispose()
        await self._reader.dispose()

    async def _run(self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        try:
            return await self._retry_if_broken(engine, work)
        except _ERRORS as error:
            if is_unstorable_row(error):
                raise
            raise StoreUnavailableError(self._sentence(error)) from error
        except _BrokenConnectionError as broken:
            raise StoreUnavailableError(self._sentence(broken.__cause__ or broken)) from broken

    async def _retry_if_broken(self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        try:
            return await self._transact(engine, work)
        except _BrokenConnectionError:  # most often an old connection to a server that was restarted
            return await self._transact(engine, work)

    async def _transact(self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        async with engine.connect() as connection:
            try:
                result = await connection.run_sync(work)
            except _ERRORS as error:
                await _raise_if_broken(connection, error)
                raise
            await self._commit(connection)
        return result

    async def _commit(self, connection: AsyncConnection) -> None:
        try:
            await connection.commit()
        except _ERRORS as error:
            if is_unstorable_row(error):
                raise
            await connection.invalidate()
            raise CommitInDoubtError(self._sentence(error)) from error

    def _sentence(self, error: BaseException) -> str:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        detail = str(cause.__cause__ or cause).partition("\n")[0] or "it did not answer in time"
        return f"run store {self.name} cannot be used: {detail}; check that the server runs and that it may be reached"


async def _raise_if_broken(connection: AsyncConnection, error: Exception) -> None:
    if isinstance(error, DBAPIError) and not (error.connection_invalidated or _is_transient(error)):
        return
    await connection.invalidate()
    if not isinstance(error, TimeoutError):  # it was slow once; twice would only take twice as long
        raise _BrokenConnectionError from error


def _is_transient(error: DBAPIError) -> bool:
    """Return whether the same work may succeed on another connection.

    Class 40 are deadlocks and serialization failures. 25006: the server is a standby now, another one is the primary.
    """
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return sqlstate.startswith("40") or sqlstate == _READ_ONLY


def _engine(url: URL, connector: HostConnector, *, isolation: str) -> AsyncEngine:
    command_timeout = max(connector.seconds, 1.0) * 2
    engine = create_async_engine(
        _for_asyncpg(url),
        hide_parameters=True,
        # Documents are read and written as text; `row_mapping` converts them.
        json_deserializer=_as_it_is,
        isolation_level=isolation,
        pool_size=1,
        max_overflow=4,  # for lists that people ask for, beside the groups of readers
        pool_recycle=1800,
        pool_timeout=command_timeout,
        connect_args={
            "command_timeout": command_timeout,
            "async_creator_fn": connector.connect,
        },
    )
    event.listen(engine.sync_engine, "connect", partial(_limit_transactions, connector.seconds))
    return engine


def _limit_transactions(seconds: float, connection: AdaptedConnection, _: object) -> None:
    # A machine that freezes or vanishes within a transaction would lock its rows for hours.
    # Set after connecting, not with it: connection poolers refuse settings that they do not know.
    setting = f"SET idle_in_transaction_session_timeout = {max(1, int(seconds * 1000))}"
    connection.run_async(lambda driver: driver.execute(setting))


def _for_asyncpg(url: URL) -> URL:
    """Translate libpq's `sslmode`, which people know, to asyncpg's `ssl`."""
    query = {("ssl" if name == "sslmode" else name): value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query)


def _hosts(url: URL) -> str:
    """Return the hosts with their ports as they are shown."""
    several = url.query.get("host", ())
    names = (several,) if isinstance(several, str) else several
    return ",".join(names) or f"{url.host or 'localhost'}:{url.port or 5432}"


def _as_it_is(text: str) -> str:
    return text
