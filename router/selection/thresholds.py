"""Count the uses of a request definition in fixed windows, each as long as its threshold's period."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from router.runs.pending import WAITS_FOR_THRESHOLD
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.selection.spoke_selector import Threshold


# As `waiting_reason` writes it; ids of tables and rows have letters, digits, ".", "_" and "-" only.
_NAMED_DEFINITION = re.compile(r"([\w.-]+#[\w.-]+) \(\d+ per P")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ThresholdWindow:
    """From `start` to just before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdUse:
    """One use of a definition, in the window in which it counts; at most `max_uses` fit into it."""

    definition: str
    window: ThresholdWindow
    max_uses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCount:
    """How often a definition was used in a window."""

    definition: str
    window: ThresholdWindow
    uses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedDefinition:
    """A request definition whose uses are counted. Its name has no version: publishing a table resets no count."""

    selector: str
    row: str
    threshold: Threshold

    @property
    def name(self) -> str:
        """The definition in every version of its selector, as `selector#row`."""
        return f"{self.selector}#{self.row}"

    def use_at(self, moment: datetime) -> ThresholdUse:
        """Return the use that a decision at this moment makes."""
        window = window_at(self.threshold.period, moment)
        return ThresholdUse(definition=self.name, window=window, max_uses=self.threshold.max)


def window_at(period: timedelta, moment: datetime) -> ThresholdWindow:
    """Return the window of this length that contains a moment; windows are aligned to 1970 in UTC.

    The last window ends with the last possible moment.
    """
    start = _EPOCH + (moment - _EPOCH) // period * period
    try:
        return ThresholdWindow(start, start + period)
    except OverflowError:
        return ThresholdWindow(start, datetime.max.replace(tzinfo=UTC))


def waiting_reason(definitions: Sequence[CountedDefinition], moment: datetime) -> Reason:
    """Return the reason that names the definitions that a run waits for, and when the next of their windows opens."""
    opens = min(definition.use_at(moment).window.end for definition in definitions)
    names = ", ".join(
        f"{definition.name} ({definition.threshold.max} per {_iso_duration(definition.threshold.period)})"
        for definition in definitions
    )
    return Reason(
        code=WAITS_FOR_THRESHOLD,
        message=f"Every request definition that fits is used up, or has older runs waiting for it: {names}. "
        f"The next window opens at {opens.isoformat(timespec='seconds')}; the run goes on by itself, in its turn.",
    )


def waiting_definitions(reason: Reason) -> tuple[str, ...]:
    """Return the names of the definitions that a reason of `waiting_reason` names."""
    return tuple(_NAMED_DEFINITION.findall(reason.message))


def _iso_duration(period: timedelta) -> str:
    hours, rest = divmod(period.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{period.days}D" if period.days else ""
    exact = f"{seconds}.{period.microseconds:06d}".rstrip("0").rstrip(".") if period.microseconds else f"{seconds}"
    parts = ((hours, f"{hours}H"), (minutes, f"{minutes}M"), (exact != "0", f"{exact}S"))
    time = "".join(text for is_present, text in parts if is_present)
    return f"P{days}T{time}" if time else f"P{days}"
