"""Cache which definitions are used up, so that few decisions fail at the store, whose counters are authoritative."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from router.selection.thresholds import CountedDefinition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
    from datetime import datetime

    from router.selection.spoke_selector import SpokeSelector
    from router.selection.thresholds import ThresholdUse

NO_ROWS: frozenset[str] = frozenset()


class ThresholdCache:
    """The definitions that this process knows to be used up. `on_used_up` is called once per definition and window.

    It also knows the queue: the definitions that stored requests wait for. A new request may not use them, or it
    would overtake queued requests. Only this class writes the queue.
    """

    def __init__(self, on_used_up: Callable[[ThresholdUse], None] = lambda _: None) -> None:
        self._on_used_up = on_used_up
        self._full: dict[str, ThresholdUse] = {}
        self._queued: set[str] = set()
        self._queue_is_known = False

    def mark_used_up(self, use: ThresholdUse) -> None:
        """Record that the window of `use` is full."""
        known = self._full.get(use.definition)
        self._full[use.definition] = use
        if known is None or known.window != use.window:
            self._on_used_up(use)

    async def load_queue(self, read: Callable[[], Awaitable[Iterable[Sequence[str]]]]) -> None:
        """Read the queue from the store, unless it is known: after a start, redelivered events may not overtake it."""
        if self._queue_is_known:
            return
        found = await read()
        if not self._queue_is_known:
            # A request that was stored as waiting during the read may be missing from what was read.
            self.replace_queue({*self._queued, *chain.from_iterable(found)})

    def replace_queue(self, definitions: Iterable[str]) -> None:
        """Set the definitions that requests wait for, all of them."""
        self._queued = {*definitions}
        self._queue_is_known = True

    def set_queued(self, definitions: Iterable[str]) -> None:
        """Add the definitions that one more request waits for."""
        self._queued = {*self._queued, *definitions}

    def is_used_up(self, use: ThresholdUse) -> bool:
        """Return whether there is certainly no free use; a threshold that was raised since is worth a try."""
        known = self._full.get(use.definition)
        return known is not None and known.window == use.window and use.max_uses <= known.max_uses

    def count_used_up(self, moment: datetime) -> int:
        """Return the number of definitions that are used up at this moment."""
        return sum(use.window.start <= moment < use.window.end for use in self._full.values())

    def blocked_for_new_request(
        self, moment: datetime, refused: Container[str]
    ) -> Callable[[SpokeSelector], Container[str]]:
        """Return the definitions that are used up at `moment` or queued for, including those in `refused`."""
        queued = self._queued
        return lambda selector: _UsedUpRows(self, selector, moment, refused, queued) if selector.thresholds else NO_ROWS

    def blocked_for_next_in_queue(
        self, moment: datetime, refused: Container[str]
    ) -> Callable[[SpokeSelector], Container[str]]:
        """Return the definitions that are used up at `moment` for the first request in the queue."""
        return lambda selector: _UsedUpRows(self, selector, moment, refused, NO_ROWS)


@dataclass(frozen=True, slots=True)
class _UsedUpRows:
    """The used-up rows of a selector, evaluated only for rows that match: there may be thousands."""

    known: ThresholdCache
    selector: SpokeSelector
    moment: datetime
    refused: Container[str]
    queued: Container[str]

    def __contains__(self, row: object) -> bool:
        threshold = self.selector.thresholds.get(str(row))
        if threshold is None:
            return False
        counted = CountedDefinition(selector=self.selector.table.id, row=str(row), threshold=threshold)
        name = counted.name
        return name in self.refused or name in self.queued or self.known.is_used_up(counted.use_at(self.moment))
