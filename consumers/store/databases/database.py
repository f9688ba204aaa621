"""What the run store needs of a database: run work in one transaction, or raise why it cannot."""

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


class CommitInDoubtError(StoreUnavailableError):
    """The connection was lost during the commit: only a read can tell whether it was written."""


class Database(Protocol):
    """A place for tables. One piece of work at a time reads and one writes.

    Both raise StoreUnavailableError for outages, and SQLAlchemy's DBAPIError or a ValueError, OverflowError or
    TypeError for a row that this database will never accept (`is_unstorable_row`).
    """

    name: str  # for people; without password
    sql: Statements
    moments: MomentFormat

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that reads one consistent state."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work and commit; no other transaction writes the same rows meanwhile.

        Raises:
            CommitInDoubtError: the commit was sent and never answered.
        """

    async def read_anew(self, work: Callable[[Connection], T]) -> T | None:
        """Run work that reads what is at the address of the database now; None if no database with tables is there.

        A process that has opened a file goes on to write it after it was deleted, or after another one took its name.
        """

    async def close(self) -> None:
        """Close the connections."""


def is_unstorable_row(error: Exception) -> bool:
    """Return whether this database will never accept the row, rather than nothing at present."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, ValueError | OverflowError | TypeError)
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    unfit = isinstance(error.orig.__cause__, ValueError) if error.orig else False  # asyncpg refused to encode it
    # Classes 22: data, 23: integrity, 54: larger than PostgreSQL allows.
    return isinstance(error, IntegrityError) or sqlstate[:2] in {"22", "23", "54"} or unfit or _is_binding_error(error)


def _is_binding_error(error: DBAPIError) -> bool:
    return type(error.orig).__module__ == "sqlite3" and type(error.orig).__name__ in {
        "DataError",
        "InterfaceError",
        "ProgrammingError",
    }
