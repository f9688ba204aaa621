"""A timeline keeps the newest entries of each kind, and says how many older ones there were."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from router.responses import Purpose, Verdict
from router.timeline.entries import (
    MAX_ATTEMPTS,
    MAX_CHANGES,
    HttpAttempt,
    OmittedEntries,
    StateChange,
    TimelineEntry,
    limit_entries,
)
from schemas.vocabulary import Phase
from tests.builders.runs import NOON


def an_attempt(second: int) -> HttpAttempt:
    return HttpAttempt(
        at=NOON + timedelta(seconds=second),
        system="fibre-lab",
        purpose=Purpose.READ,
        method="GET",
        url="http://lab/serviceTest/1",
        status=503,
        seconds=0.01,
        verdict=Verdict.TRANSIENT,
    )


def a_change(second: int) -> StateChange:
    return StateChange(at=NOON + timedelta(seconds=second), phase=Phase.RETRYING, state=None, revision=second)


entries = st.lists(
    st.builds(an_attempt, st.integers(0, 500)) | st.builds(a_change, st.integers(0, 500)), max_size=600, unique=True
)


def counts(timeline: tuple[TimelineEntry, ...]) -> tuple[int, int]:
    """Return how many attempts and changes a timeline shows or says that it omits."""
    omitted = [entry for entry in timeline if isinstance(entry, OmittedEntries)]
    attempts = sum(isinstance(entry, HttpAttempt) for entry in timeline) + sum(entry.attempts for entry in omitted)
    changes = sum(isinstance(entry, StateChange) for entry in timeline) + sum(entry.changes for entry in omitted)
    return attempts, changes


@given(every=entries, size=st.integers(1, 300))
def test_every_entry_is_kept_or_counted_however_the_entries_come(every: list[TimelineEntry], size: int) -> None:
    timeline: tuple[TimelineEntry, ...] = ()
    for start in range(0, len(every), size):
        timeline = limit_entries((*timeline, *every[start : start + size]))
    assert counts(timeline) == counts(tuple(every))
    assert sum(isinstance(entry, HttpAttempt) for entry in timeline) <= MAX_ATTEMPTS
    assert sum(isinstance(entry, StateChange) for entry in timeline) <= MAX_CHANGES
    assert sum(isinstance(entry, OmittedEntries) for entry in timeline) <= 1
    shown = [entry.at for entry in timeline if not isinstance(entry, OmittedEntries)]
    assert shown == sorted(shown)


def test_the_newest_attempts_are_kept() -> None:
    summary, *kept = limit_entries([an_attempt(second) for second in range(60)])
    assert summary == OmittedEntries(at=NOON, until=NOON + timedelta(seconds=9), attempts=10)
    assert [entry.at for entry in kept] == [an_attempt(second).at for second in range(10, 60)]


@given(every=entries)
def test_entries_of_a_repeated_write_count_once(every: list[TimelineEntry]) -> None:
    assert limit_entries((*every, *every)) == limit_entries(every)
