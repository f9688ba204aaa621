"""Remember which definitions are used up, so that few decisions are made in vain. The store has the last word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.selection.thresholds import CountedDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable
    from datetime import datetime

    from router.selection.spoke_selector import Selector
    from router.selection.thresholds import ThresholdUse

NOTHING: frozenset[str] = frozenset()


class ThresholdCache:
    """What one process knows. `observe` is told of a definition that is used up, once in a window.

    `queued` are definitions that others wait for: whoever comes now waits behind them, or the last would be the first.
    None: nobody has looked yet.
    """

    def __init__(self, observe: Callable[[ThresholdUse], None] = lambda _: None) -> None:
        self._observe = observe
        self._full: dict[str, ThresholdUse] = {}
        self.queued: Collection[str] | None = None

    def mark_used_up(self, use: ThresholdUse) -> None:
        """Take in that a window has `at_most` uses already."""
        known = self._full.get(use.definition)
        self._full[use.definition] = use
        if known is None or known.window != use.window:
            self._observe(use)

    def set_queued(self, definitions: Iterable[str]) -> None:
        """Take in that somebody waits for these."""
        if self.queued is not None:
            self.queued = {*self.queued, *definitions}

    def is_used_up(self, use: ThresholdUse) -> bool:
        """Tell whether there is certainly no room for a use; a threshold that was raised since is worth a try."""
        known = self._full.get(use.definition)
        return known is not None and known.window == use.window and use.at_most <= known.at_most

    def count_at(self, moment: datetime) -> int:
        """Count the definitions that are used up at this moment."""
        return sum(use.window.start <= moment < use.window.end for use in self._full.values())

    def blocked_for_new_request(
        self, moment: datetime, refused: Container[str]
    ) -> Callable[[Selector], Container[str]]:
        """Give the rows that somebody may not have who comes now; `refused` are definitions that he was denied."""
        queued = self.queued or NOTHING
        return lambda selector: _UsedUpRows(self, selector, moment, refused, queued) if selector.thresholds else NOTHING

    def blocked_for_next_in_queue(
        self, moment: datetime, refused: Container[str]
    ) -> Callable[[Selector], Container[str]]:
        """Give the rows that the next in line may not have."""
        return lambda selector: _UsedUpRows(self, selector, moment, refused, NOTHING)


@dataclass(frozen=True, slots=True)
class _UsedUpRows:
    """The used-up rows of a selector, looked at only when a row matches: there may be thousands."""

    known: ThresholdCache
    selector: Selector
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
