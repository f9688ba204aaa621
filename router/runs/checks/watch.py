"""Decide when a run is checked at its external system because something is missing, and when that ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

MIN_NOT_FOUND_ANSWERS = 3  # "not found" that a run counts as lost after
MAX_PAUSE = 3600.0  # seconds
# Seconds for which a run in a state that no spelling knows is read again: half of the default time-out, so that
# somebody can name the state in the profile before the run ends.
UNKNOWN_STATE_WITHIN = 43_200.0
RETURN_WITHIN = 86_400.0  # seconds for which a lost run is asked for, in case it comes back
_FIRST_CHECKS = 60  # of the whole time, the part before the first check


class Missing(StrEnum):
    """What a run waits for, and what its checks ask for."""

    MEASURES = "measures"  # the system says completed, and mandatory measures are missing
    RUN = "run"  # the system answers that it does not have the run
    EXTERNAL_ID = "externalId"  # the system accepted the run without naming an id
    STATE = "state"  # the system reports a state that no spelling knows
    RETURN = "return"  # the run has ended as lost, and may come back


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is missing since when, when the system is asked next, and how often it has answered without it."""

    missing: Missing
    since: datetime
    due: datetime
    answers: int = 0


def begin(missing: Missing, at: datetime, within: float, *, answers: int = 0) -> Watch:
    """Return a watch that ends `within` seconds from now; its first check comes early, the pauses double."""
    return Watch(missing=missing, since=at, due=at + next_pause(at, at, within), answers=answers)


def after_check(watch: Watch, at: datetime, within: float, *, answered: bool) -> Watch:
    """Return the watch after a check that did not bring what is missing."""
    return replace(watch, due=at + next_pause(watch.since, at, within), answers=watch.answers + answered)


def is_over(watch: Watch, at: datetime, within: float) -> bool:
    """Return whether the time of a watch has passed."""
    return at >= watch.since + timedelta(seconds=within)


def next_pause(since: datetime, at: datetime, within: float) -> timedelta:
    """Return the pause before the next check: as long as checks have been made, and an hour at most."""
    passed = max((at - since).total_seconds(), 0.0)
    pause = min(max(passed, within / _FIRST_CHECKS, 1.0), MAX_PAUSE)
    left = within - passed
    return timedelta(seconds=min(pause, left) if left > 0 else pause)
