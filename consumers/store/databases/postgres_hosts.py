"""Connect to that one of several PostgreSQL servers which is the primary now, and to no primary of earlier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

# What asyncpg raises while it connects. Python's TimeoutError is an OSError.
CONNECT_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# Each promotion begins a timeline with a higher number (the first eight digits of a log file's name), so that an old
# primary that started again has a lower one than the standby that took its place. A standby writes on none.
_TIMELINE = """
SELECT CASE WHEN pg_is_in_recovery() THEN 0
  ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END
"""


class OldPrimaryError(OSError):
    """The server takes writes, but another one was promoted in its place."""


@dataclass(slots=True, kw_only=True)
class HostConnector:
    """Connects to the first host that fits. All connections of a process to a database share one connector.

    `seconds` is the time for a connection; each of several hosts has an equal share of it.
    """

    seconds: float
    newest: int | None = None  # the highest timeline that was seen; None: before the first connection

    async def connect(
        self,
        *,
        host: str | Sequence[str] = "",
        port: int | Sequence[int] = 0,
        **options: Any,  # noqa: ANN401 - what asyncpg takes
    ) -> Connection:
        """Return a connection, as `asyncpg.connect` does.

        Raises:
            OldPrimaryError: only an old primary takes writes.
        """
        if isinstance(host, str) or isinstance(port, int):
            named = {name: value for name, value in (("host", host), ("port", port)) if value}
            return await asyncpg.connect(timeout=self.seconds, **named, **options)
        # asyncpg has one timeout for all: a machine that answers nothing would keep the ones behind it from their turn.
        return await self._connect_to_primary([*zip(host, port, strict=True)], options)

    async def _connect_to_primary(self, places: Sequence[tuple[str, int]], options: dict[str, Any]) -> Connection:
        """Try the hosts in order; the first time all of them, because each may have taken the place of the others."""
        found: tuple[int, Connection] | None = None
        failure: Exception = OSError("the address names no host")
        asks_all = self.newest is None
        for host, port in places:
            try:
                other = await self._connect_to_newest(host, port, self.seconds / len(places), options)
            except CONNECT_ERRORS as error:
                failure = failure if isinstance(failure, OldPrimaryError) else error
                continue
            left, found = (found, other) if found is None or other[0] > found[0] else (other, found)
            if left is not None:
                left[1].terminate()
            if not asks_all:
                break
        if found is None:
            raise failure
        return found[1]

    async def _connect_to_newest(
        self, host: str, port: int, seconds: float, options: dict[str, Any]
    ) -> tuple[int, Connection]:
        """Return a connection with the timeline of its server, unless a newer one was seen."""
        connection: Connection = await asyncpg.connect(host=host, port=port, timeout=seconds, **options)
        try:
            timeline = await _timeline_of(connection, seconds)
        except BaseException:
            connection.terminate()
            raise
        if timeline and timeline < (self.newest or 0):
            connection.terminate()
            raise OldPrimaryError(
                f"{host}:{port} takes writes on timeline {timeline}, and {self.newest} was seen: it is an old primary"
                " that started again; stop it, and make it a standby of the present one"
            )
        self.newest = max(timeline, self.newest or 0)
        return timeline, connection


async def _timeline_of(connection: Connection, seconds: float) -> int:
    """Return the timeline that a server writes on; 0 if it is not known, as of a standby."""
    try:
        return int(await connection.fetchval(_TIMELINE, timeout=seconds))
    except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError):
        return 0  # it speaks the protocol, and is no PostgreSQL, or forbids the function
