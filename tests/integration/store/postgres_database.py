"""A database for run stores in the session's PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def run_store_url(postgres_url: str) -> str:
    """The address of a database for this test module."""
    name = f"runs_{uuid4().hex}"
    asyncio.run(execute(postgres_url, f"CREATE DATABASE {name}"))
    return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


def empty_database(request: pytest.FixtureRequest, sqlite: Path) -> str:
    """Return the address of a database without tables: `sqlite` or `postgresql`, as the fixture's parameter says."""
    if request.param == "sqlite":
        return f"sqlite:///{sqlite}"
    url = str(request.getfixturevalue("run_store_url"))
    asyncio.run(execute(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    return url


async def execute(url: str, statement: str) -> None:
    """Execute a statement on its own connection."""
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
