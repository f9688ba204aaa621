"""The timelines of runs as their users see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.timeline.entries import TimelineEntry


class TimelineStore(Protocol):
    """Timelines of runs. Both methods raise StoreUnavailableError during an outage."""

    async def append(self, entries: Mapping[str, Sequence[TimelineEntry]]) -> None:
        """Add entries to the timelines of runs, by run id, and summarise the oldest ones of those that are too long.

        An entry that is there already is not shown twice, so a write whose outcome is unknown is repeated.

        Raises:
            UnstorableError: the database will never take one of them; none is added.
        """

    async def read(self, run_id: str) -> Sequence[TimelineEntry]:
        """Return the timeline of a run, the oldest entry first."""
