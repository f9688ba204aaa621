"""Compute how far a hierarchical request has come, and when that may be published again."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from router.runs.states import TERMINAL
from schemas.results import RequestProgress
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_PAUSE = 10.0  # seconds between two updates about one request, and before the first
MAX_PAUSE = 600.0
_PART_OF_AGE = 0.1  # the pauses grow with the age of the request, so that no request has many updates
NOT_ACCEPTED = "notAccepted"


class StateCount(NamedTuple):
    """How many runs of a request are in a state and a phase."""

    state: RunState | None
    phase: Phase
    number: int


def progress_of(counts: Iterable[StateCount]) -> RequestProgress:
    """Return the progress of a request from the states of all of its runs."""
    by_state, ended = Counter[str](), 0
    for count in counts:
        by_state[count.state.value if count.state else NOT_ACCEPTED] += count.number
        # As `router.runs.request_result.is_over` has it.
        ended += count.number if count.state in TERMINAL and count.phase is not Phase.FALLOUT else 0
    return RequestProgress(total=by_state.total(), ended=ended, counts=dict(sorted(by_state.items())))


def next_update(since: datetime, at: datetime) -> datetime:
    """Return the earliest time of the next update about a request that began at `since`."""
    age = max((at - since).total_seconds(), 0.0)
    return at + timedelta(seconds=min(max(MIN_PAUSE, age * _PART_OF_AGE), MAX_PAUSE))
