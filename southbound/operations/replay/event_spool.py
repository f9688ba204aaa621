"""Group the events of all topics by root run in a temporary file, because they do not fit into memory."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import orjson

from router.recovery.history import RecordedEvent
from schemas.codec.errors import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schemas.codec.cloudevents import EventHeaders
    from schemas.codec.envelope import Envelope

_TABLE = "CREATE TABLE events (root TEXT NOT NULL, at REAL, done INTEGER, headers TEXT NOT NULL, value BLOB)"
_NOTED = "CREATE TABLE noted (run_id TEXT PRIMARY KEY) WITHOUT ROWID"
_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?)"
_BY_ROOT = "SELECT root, at, done, headers, value FROM events ORDER BY root, rowid"
_KEPT = ("type", "content_type", "replay", "decision", "traceparent")  # headers that are needed once more


class SpooledEvent(NamedTuple):
    """An event as it was recorded. `at` is the time of its record in seconds since 1970."""

    root_run_id: str
    at: float
    headers: EventHeaders
    value: bytes | None
    is_done: bool = False


class EventSpool:
    """A temporary database of events; one thread uses it at a time."""

    def __init__(self, file: Path, envelope: Envelope) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        # What a crash leaves of it is deleted with its folder.
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", _TABLE, _NOTED):
            self._connection.execute(statement).close()
        self._envelope = envelope
        self._is_indexed = False

    def add(self, events: Iterable[SpooledEvent]) -> None:
        """Append events."""
        rows = [(each.root_run_id, each.at, each.is_done, _write_headers(each.headers), each.value) for each in events]
        self._connection.execute("BEGIN").close()
        self._connection.executemany(_INSERT, rows).close()
        self._connection.execute("COMMIT").close()

    def count_roots(self) -> int:
        """Return the number of root runs."""
        self._index()
        [(count,)] = self._connection.execute("SELECT COUNT(DISTINCT root) FROM events").fetchall()
        return int(count)

    def hierarchies(self) -> Iterator[tuple[str, list[RecordedEvent]]]:
        """Yield each root run with its events, those of one topic in its order."""
        self._index()
        for root, rows in groupby(self._connection.execute(_BY_ROOT), key=itemgetter(0)):
            yield root, [event for _, *row in rows if (event := self._decode(*row)) is not None]

    def note_runs(self, run_ids: Iterable[str]) -> None:
        """Store runs, so that `has_run` finds them."""
        self._connection.execute("BEGIN").close()
        self._connection.executemany("INSERT OR IGNORE INTO noted VALUES (?)", [(each,) for each in run_ids]).close()
        self._connection.execute("COMMIT").close()

    def has_run(self, run_id: str) -> bool:
        """Return whether a run was noted."""
        return bool(self._connection.execute("SELECT 1 FROM noted WHERE run_id = ?", (run_id,)).fetchall())

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _index(self) -> None:
        if not self._is_indexed:
            self._connection.execute("CREATE INDEX events_by_root ON events (root)").close()
            self._is_indexed = True

    def _decode(self, at: float, done: int, headers: str, value: bytes | None) -> RecordedEvent | None:
        pairs = [(name, text.encode()) for name, text in orjson.loads(headers)]
        try:
            event = self._envelope.decode(value, pairs, fallback_id="")
        except UndecodableError:  # by a change of its key; it was a dead letter
            return None
        return RecordedEvent(event, datetime.fromtimestamp(at, UTC), bool(done))


def _write_headers(headers: EventHeaders) -> str:
    pairs = [("ce_id", headers.id), *[(_NAMES[field], text) for field in _KEPT if (text := getattr(headers, field))]]
    return orjson.dumps(pairs).decode()


_NAMES = {
    "type": "ce_type",
    "content_type": "content-type",
    "replay": "southbound-replay",
    "decision": "southbound-decision",
    "traceparent": "traceparent",
}


@contextmanager
def open_spool(envelope: Envelope) -> Iterator[EventSpool]:
    """Open a spool in the folder for temporary files (`TMPDIR`), and delete it at the end of the block."""
    with TemporaryDirectory(prefix="southbound-replay-") as folder:
        spool = EventSpool(Path(folder) / "events.db", envelope)
        try:
            yield spool
        finally:
            spool.close()
