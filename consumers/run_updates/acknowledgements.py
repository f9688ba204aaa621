"""Keep which notifications Kafka has acknowledged: what a row says was published last may never have been."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import uuid4

from consumers.store.port import ConflictError, ThresholdReachedError, UnstorableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from consumers.run_updates.batch import RowUpdate
    from router.runs.run import RunRow

    Key = tuple[str, int, str]  # run, revision, and the event that led to it

MAX_REPUBLISHED = 10_000  # notifications of other processes; one that is forgotten is published once more
MAX_WAIT = 10.0  # seconds for an acknowledgement that is under way
_NOT_STORED = (ConflictError, ThresholdReachedError, UnstorableError)


class Acknowledgements:
    """The notifications that this process has published, or is about to publish.

    A notification of this process is acknowledged unless it is open here. Of one of another process, or of this one
    before it was started again, that is not known until this process has published it, too.
    """

    def __init__(self) -> None:
        self.process_id = uuid4().hex
        self._open: dict[Key, list[_Publishing]] = {}
        self._republished: OrderedDict[Key, None] = OrderedDict()

    def publishing(self, cause: str, updates: Sequence[RowUpdate]) -> _Publishing:
        """Keep what these updates lead to open, until the block ends without an exception."""
        # Before it is stored: whoever reads the stored row must find it open.
        keys = [(row.run_id, row.revision + 1, cause) for row, _ in updates]
        publishing = _Publishing(self._open, keys, asyncio.get_running_loop().create_future())
        for key in keys:
            self._open.setdefault(key, []).append(publishing)
        return publishing

    def is_acknowledged(self, row: RunRow) -> bool:
        """Return whether Kafka certainly has what was published last about a run."""
        key = _key(row)
        if key in self._republished:
            return True
        return (
            row.last_notification is not None
            and row.last_notification.process_id == self.process_id
            and key not in self._open
        )

    async def becomes_acknowledged(self, row: RunRow) -> bool:
        """Wait for an acknowledgement that is under way; return whether Kafka certainly has what was published last."""
        under_way = [each.ended for each in self._open.get(_key(row), ()) if not each.ended.done()]
        if under_way:
            await asyncio.wait(under_way, timeout=MAX_WAIT)
        return self.is_acknowledged(row)

    def acknowledge(self, rows: Iterable[RunRow]) -> None:
        """Record that Kafka has what was published last about these runs."""
        for row in rows:
            key = _key(row)
            self._open.pop(key, None)
            self._republished[key] = None
            if len(self._republished) > MAX_REPUBLISHED:
                self._republished.popitem(last=False)


class _Publishing:
    """A context manager around storing and publishing. `ended` has a result when the block has ended, however."""

    __slots__ = ("_keys", "_open", "ended")

    def __init__(self, all_open: dict[Key, list[_Publishing]], keys: list[Key], ended: asyncio.Future[None]) -> None:
        self._open = all_open
        self._keys = keys
        self.ended = ended

    def __enter__(self) -> None:
        """Begin to publish."""

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the keys open if what was stored was perhaps not published."""
        self.ended.set_result(None)
        if error_type is None:
            for key in self._keys:
                self._open.pop(key, None)
        elif issubclass(error_type, _NOT_STORED):
            for key in self._keys:
                self._withdraw(key)

    def _withdraw(self, key: Key) -> None:
        """Close a key, unless the same update was also stored by another block, which was perhaps ended by force."""
        others = [each for each in self._open.get(key, ()) if each is not self]
        if others:
            self._open[key] = others
        else:
            self._open.pop(key, None)


def _key(row: RunRow) -> Key:
    return (
        (row.run_id, row.last_notification.revision, row.last_notification.cause)
        if row.last_notification
        else (row.run_id, row.revision, "")
    )
