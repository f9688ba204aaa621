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
        self._open: dict[Key, asyncio.Future[None]] = {}
        self._republished: OrderedDict[Key, None] = OrderedDict()

    def publishing(self, cause: str, updates: Sequence[RowUpdate]) -> _Publishing:
        """Keep what these updates lead to open, until the block ends without an exception."""
        # Before it is stored: whoever reads the stored row must find it open.
        loop = asyncio.get_running_loop()
        keys = [(row.run_id, row.revision + 1, cause) for row, _ in updates]
        return _Publishing(self._open, keys, [self._open.setdefault(key, loop.create_future()) for key in keys])

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
        under_way = self._open.get(_key(row))
        if under_way is not None and not under_way.done():
            await asyncio.wait([under_way], timeout=MAX_WAIT)
        return self.is_acknowledged(row)

    def acknowledge(self, rows: Iterable[RunRow]) -> None:
        """Record that Kafka has what was published last about these runs."""
        for row in rows:
            key = _key(row)
            self._close([key])
            self._republished[key] = None
            if len(self._republished) > MAX_REPUBLISHED:
                self._republished.popitem(last=False)

    def _close(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._open.pop(key, None)


class _Publishing:
    """A context manager that ends the waiting for what was opened, and closes what is known to be published or not."""

    __slots__ = ("_keys", "_open", "_under_way")

    def __init__(
        self, all_open: dict[Key, asyncio.Future[None]], keys: list[Key], under_way: list[asyncio.Future[None]]
    ) -> None:
        self._open = all_open
        self._keys = keys
        self._under_way = under_way

    def __enter__(self) -> None:
        """Begin to publish."""

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the keys open if what was stored was perhaps not published."""
        for future in self._under_way:
            if not future.done():
                future.set_result(None)
        if error_type is None or issubclass(error_type, _NOT_STORED):
            for key in self._keys:
                self._open.pop(key, None)


def _key(row: RunRow) -> Key:
    return (
        (row.run_id, row.last_notification.revision, row.last_notification.cause)
        if row.last_notification
        else (row.run_id, row.revision, "")
    )
