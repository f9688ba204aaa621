"""Remember when the progress of a request may be published again, so that its updates are bounded."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from router.runs.requests.progress import next_update

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.run import RunRow

MAX_REQUESTS = 10_000  # that are remembered; of one that is forgotten, the next update may come early


class ProgressClock:
    """The time of the next update about each request. It is that of this process: others count for themselves."""

    def __init__(self) -> None:
        self._next: OrderedDict[str, datetime] = OrderedDict()

    def is_due(self, row: RunRow, at: datetime) -> bool:
        """Return whether the progress of the request of this run may be published now."""
        if row.decision is None or not row.decision.hierarchical:
            return False
        due = self._next.get(row.request_id)
        return at >= (next_update(row.created_at, row.created_at) if due is None else due)

    def published(self, row: RunRow, at: datetime) -> None:
        """Record that it was published, or need not be."""
        self._next.pop(row.request_id, None)
        self._next[row.request_id] = next_update(row.created_at, at)
        if len(self._next) > MAX_REQUESTS:
            self._next.popitem(last=False)
