"""Count the uses of request definitions that the requests of the topics made, in the windows that are still open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.selection.thresholds import UseCount, window_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from router.recovery.fold import FoldedHierarchy
    from router.selection.thresholds import ThresholdWindow
    from schemas.commands import PinnedDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltUses:
    """Counts at a moment. `periods` are those of the definitions whose uses are limited, by their name.

    A window that is over at that moment is not counted: nothing will be decided in it.
    """

    periods: Mapping[str, timedelta]
    at: datetime
    _counts: Counter[tuple[str, ThresholdWindow]] = field(default_factory=Counter)

    def add(self, folded: FoldedHierarchy) -> None:
        """Count the requests of one root run."""
        for decision, decided_at in folded.decided:
            name = definition_name(decision)
            if (period := self.periods.get(name)) is not None:
                window = window_at(period, decided_at)
                if window.end > self.at:
                    self._counts[name, window] += 1

    def counts(self) -> Iterable[UseCount]:
        """Return the counts by definition and window."""
        for (name, window), uses in sorted(self._counts.items(), key=lambda item: (item[0][0], item[0][1].start)):
            yield UseCount(definition=name, window=window, uses=uses)


def definition_name(decision: PinnedDecision) -> str:
    """Return the definition that chose the system without the version of its table, as its uses are counted."""
    place, _, row = decision.selector.rpartition("#")
    return f"{place.partition('@')[0]}#{row}"
