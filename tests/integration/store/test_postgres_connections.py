"""What happens to a connection to PostgreSQL is an outage of the run store and no other error, at whatever moment."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from consumers.store.databases.address import database_at
from consumers.store.databases.postgres import PostgresDatabase
from consumers.store.port import StoreUnavailableError
from tests.fixtures.cutting_proxy import a_cutting_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from consumers.store.databases.database import Database

MAX_CHUNKS = 100


@asynccontextmanager
async def a_database(url: str, lock_timeout: float = 5.0) -> AsyncIterator[Database]:
    database = database_at(url, lock_timeout=lock_timeout)
    try:
        yield database
    finally:
        await database.close()


def one(connection: Connection) -> object:
    return connection.execute(text("SELECT 1")).scalar()


async def test_a_connection_that_ends_while_it_is_prepared_is_an_outage_at_every_step(postgres_url: str) -> None:
    url = make_url(postgres_url)
    async with a_cutting_proxy(url.host or "", url.port or 5432) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        outages = 0
        for chunks in range(MAX_CHUNKS):
            proxy.chunks = chunks
            async with a_database(through) as database:
                (answer,) = await asyncio.gather(database.write(one), return_exceptions=True)
            if answer == 1:
                break
            assert isinstance(answer, StoreUnavailableError)
            outages += 1
    # The greeting, the codecs, the limit of transactions, the level of isolation, the work and its commit.
    assert 5 <= outages < MAX_CHUNKS


async def test_a_host_that_answers_nothing_does_not_keep_the_next_one_from_its_turn(postgres_url: str) -> None:
    url = make_url(postgres_url)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:  # it accepts, and never answers
        hosts = (f"127.0.0.1:{silent.getsockname()[1]}", f"{url.host}:{url.port}")
        both = url.set(host=None, port=None).update_query_dict({"host": hosts, "target_session_attrs": "read-write"})
        async with a_database(both.render_as_string(hide_password=False), lock_timeout=2.0) as database:
            assert database.name.startswith(f"PostgreSQL {hosts[0]},{hosts[1]}/")
            assert await database.write(one) == 1


async def test_a_server_that_became_read_only_is_left_for_another_one(postgres_url: str) -> None:
    def write(connection: Connection) -> None:
        connection.execute(text("CREATE TEMPORARY TABLE written (n int)"))

    def make_read_only(connection: Connection) -> None:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))

    async with a_database(postgres_url) as database:
        await database.write(make_read_only)  # what a standby's connections are
        await database.write(write)


async def test_that_no_connection_becomes_free_is_an_outage(postgres_url: str) -> None:
    async with a_database(postgres_url, lock_timeout=0.5) as database, AsyncExitStack() as stack:
        assert isinstance(database, PostgresDatabase)
        for _ in range(5):  # as many as there may be, each in the midst of something
            await stack.enter_async_context(database._reader.connect())
        with pytest.raises(StoreUnavailableError, match="cannot be used: QueuePool limit"):
            await database.read(one)


async def test_no_host_that_takes_writes_is_an_outage(postgres_url: str) -> None:
    url = make_url(postgres_url).update_query_dict({"target_session_attrs": "standby"})
    async with a_database(url.render_as_string(hide_password=False)) as database:
        with pytest.raises(StoreUnavailableError, match="target attribute"):
            await database.write(one)
