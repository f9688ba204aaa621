"""What the run store asks of a database: run a piece of work in one transaction, or say that it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError

from consumers.store.port import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from consumers.store.row_mapping import MomentFormat
    from consumers.store.statements import Statements

T = TypeVar("T")


class InDoubtError(StoreUnavailableError):
    """The connection was lost while the commit was under way: written or not, only a look can tell."""


class Database(Protocol):
    """A place for tables. One piece of work at a time reads and one writes.

    Both raise StoreUnavailableError for weather, and SQLAlchemy's DBAPIError or a ValueError, OverflowError or
    TypeError for a row that this database will never take (`is_the_rows_fault`).
    """

    name: str  # for people; without password
    sql: Statements
    clock: MomentFormat

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Work on one consistent state."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Work and commit; nothing else writes the same rows meanwhile.

        Raises:
            InDoubtError: the commit was sent and never answered.
        """

    async def close(self) -> None:
        """Let go of connections."""


def is_the_rows_fault(error: Exception) -> bool:
    """Tell a row that this database will never take from a database that takes nothing at present."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, ValueError | OverflowError | TypeError)
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    unfit = isinstance(error.orig.__cause__, ValueError) if error.orig else False  # asyncpg refused to encode it
    # Classes 22: data, 23: integrity, 54: larger than PostgreSQL can have it.
    return isinstance(error, IntegrityError) or sqlstate[:2] in {"22", "23", "54"} or unfit or _cannot_bind(error)


def _cannot_bind(error: DBAPIError) -> bool:
    return type(error.orig).__module__ == "sqlite3" and type(error.orig).__name__ in {
        "DataError",
        "InterfaceError",
        "ProgrammingError",
    }
