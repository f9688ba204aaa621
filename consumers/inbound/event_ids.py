"""Detect event ids that an external system uses for more than one notification."""

from __future__ import annotations

from collections import OrderedDict

MAX_REMEMBERED = 10_000  # event ids; a system repeats its latest notifications


class EventIdMemory:
    """Keeps the last notification of each event id, for the `max_remembered` ids that were seen last."""

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max = max_remembered
        self._seen: OrderedDict[tuple[str, str], str] = OrderedDict()

    def is_reused(self, spoke: str, event_id: str, notification: str) -> bool:
        """Return whether the last notification with this event id was another one; then keep this one."""
        before = self._seen.pop((spoke, event_id), notification)
        self._seen[spoke, event_id] = notification
        if len(self._seen) > self._max:
            self._seen.popitem(last=False)
        return before != notification
