"""Choose the kind of database by its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from consumers.store.databases.postgres import PostgresDatabase
from consumers.store.databases.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from sqlalchemy import URL

    from consumers.store.databases.database import Database
    from consumers.store.databases.sqlite import Synchronous


def database_at(address: str, *, lock_timeout: float = 5.0, synchronous: Synchronous = "FULL") -> Database:
    """Return the database at an address, SQLite or PostgreSQL; nothing is opened before it is needed.

    Raises:
        ValueError: the address is neither.
    """
    url = _parse_url(address)
    if url.get_backend_name() == "sqlite":
        return SqliteDatabase(url, lock_timeout=lock_timeout, synchronous=synchronous)
    return PostgresDatabase(url, lock_timeout=lock_timeout)


def _parse_url(address: str) -> URL:
    """Read `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises:
        ValueError: it is neither; the message does not repeat the address, which may hold a password.
    """
    try:
        url = make_url(address)
    except ArgumentError:
        raise ValueError(
            "the address of the run store cannot be read; write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None
    kind = {"postgres": "postgresql"}.get(url.get_backend_name(), url.get_backend_name())
    if kind not in {"sqlite", "postgresql"}:
        raise ValueError(f"the run store can be kept in sqlite:///FILE or postgresql://…, not in {kind!r}")
    if kind == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("a run store in memory would forget what was sent; name a file: sqlite:///southbound.db")
    return url.set(drivername=kind)
