"""An old primary of PostgreSQL that starts again after the failover is written to by nobody."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, text

from consumers.store.databases.address import database_at
from consumers.store.port import StoreUnavailableError
from tests.chaos.conductor.store_server import StoreKind, a_store
from tests.fixtures.postgres import INITDB_MISSING, find_programs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from consumers.store.databases.database import Database

MARKED = """
CREATE TABLE runs (run_id text); INSERT INTO runs VALUES ('TR0001');
CREATE TABLE store_identity (mark int); INSERT INTO store_identity VALUES (0)
"""


@asynccontextmanager
async def a_database(url: str) -> AsyncIterator[Database]:
    database = database_at(url, lock_timeout=5.0)
    try:
        yield database
    finally:
        await database.close()


def count_up(connection: Connection) -> object:
    return connection.execute(text("UPDATE store_identity SET mark = mark + 1 RETURNING mark")).scalar()


@pytest.mark.skipif(find_programs() is None, reason=INITDB_MISSING)
async def test_an_old_primary_that_starts_again_is_left_for_the_promoted_standby(tmp_path: Path) -> None:
    with a_store(StoreKind.POSTGRES_PAIR, tmp_path) as store:
        store.servers[0].execute(MARKED)
        async with a_database(store.url) as running:
            assert await running.write(count_up) == 1
            await store.fail_over(0.0)
            assert await running.write(count_up) == 2
            content = await store.start_old_primary()  # it comes first in the address, and takes writes
            assert content.endswith(" 1")

            assert await running.write(count_up) == 3
            async with a_database(store.url) as started_later:
                assert await started_later.write(count_up) == 4
            store.servers[0].stop(crash=True)
            with pytest.raises(StoreUnavailableError, match="on timeline 1, and 2 was seen: it is an old primary"):
                await running.write(count_up)
        assert await store.content_of_old_primary() == content
