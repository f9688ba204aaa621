"""What the records of a compacted topic say, so that tables and specifications are read and written by one part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class TopicState(Protocol):
    """The last record of each key."""

    @property
    def records(self) -> Mapping[str, object]:
        """The last record of every key."""

    def with_records(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> Self:
        """Return the state after more records (key and value), in the order of the topic."""
