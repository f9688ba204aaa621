"""Notice event ids that an external system gives to different notifications."""

from __future__ import annotations

from collections import OrderedDict

MAX_REMEMBERED = 10_000  # event ids; a system repeats its latest notifications


class EventIdMemory:
    """Remembers which notification an event id was last seen with, for as many ids as fit."""

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max = max_remembered
        self._seen: OrderedDict[tuple[str, str], str] = OrderedDict()

    def is_reused(self, spoke: str, event_id: str, notification: str) -> bool:
        """Return whether this event id was last seen with another notification, and remember it with this one."""
        before = self._seen.pop((spoke, event_id), notification)
        self._seen[spoke, event_id] = notification
        if len(self._seen) > self._max:
            self._seen.popitem(last=False)
        return before != notification
