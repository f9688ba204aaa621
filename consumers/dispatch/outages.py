"""Distinguish a system's outage from the failure of one run, so that no run is given up during an outage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.responses import Purpose, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.runtime.handler import Attempt

_READS = frozenset({Purpose.LOOK_UP, Purpose.READ})
# Verdicts of calls that the system has processed, with whatever result.
_PROCESSED_VERDICTS = frozenset({Verdict.ACCEPTED, Verdict.REFUSED, Verdict.CONFLICT})
MAX_RECORDS = 50_000  # records that wait; for one that was evicted, every attempt counts


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How many calls a system has processed."""

    reads: int = 0
    writes: int = 0

    def plus_one(self, purpose: Purpose) -> CallCounts:
        """Count one more call."""
        return CallCounts(self.reads + 1, self.writes) if purpose in _READS else CallCounts(self.reads, self.writes + 1)

    def has_more_than(self, earlier: CallCounts, purpose: Purpose) -> bool:
        """Return whether a call like this one was processed since `earlier`."""
        # A system in maintenance may still be read; one that accepts writes is up for every call.
        return self.writes > earlier.writes or (purpose in _READS and self.reads > earlier.reads)


@dataclass(frozen=True, slots=True)
class AttemptHistory:
    """The attempts at a record up to the last one, and how many of them do not count."""

    counts: CallCounts = CallCounts()
    elapsed: float = 0.0
    excluded: int = 0  # attempts during outages
    excluded_seconds: float = 0.0  # seconds that they took
    is_outage: bool = False  # whether the last one does not count


class OutageTracker:
    """What one worker has observed of its systems.

    An attempt at a record does not count if its system was out: not reached at all, or busy and processing no other
    call since the attempt before it. The end of a record is not reported here, so the oldest entries are evicted.
    """

    def __init__(self) -> None:
        self._served: dict[str, CallCounts] = {}
        self._tries: dict[str, AttemptHistory] = {}
        self._waits: dict[str, datetime | None] = {}

    def note_verdict(self, spoke: str, purpose: Purpose, verdict: Verdict) -> None:
        """Record the verdict of a call."""
        if verdict in _PROCESSED_VERDICTS:
            self._served[spoke] = self._served.get(spoke, CallCounts()).plus_one(purpose)

    def history_after(
        self, record: str, attempt: Attempt, spoke: str, purpose: Purpose, *, out: bool, busy: bool
    ) -> AttemptHistory:
        """Return the history of a record's attempts, now that this one has failed."""
        before = self._tries.pop(record, AttemptHistory())
        if attempt.number == 1:  # it starts again: redriven, or back after its partition was elsewhere
            before = AttemptHistory()
        served = self._served.get(spoke, CallCounts())
        is_out = out or (busy and not served.has_more_than(before.counts, purpose))
        tries = AttemptHistory(
            counts=served,
            elapsed=attempt.elapsed,
            excluded=before.excluded + is_out,
            excluded_seconds=before.excluded_seconds + (attempt.elapsed - before.elapsed if is_out else 0.0),
            is_outage=is_out,
        )
        self._remember(record, tries)
        return tries

    def has_attempts_at(self, event_id: str) -> bool:
        """Return whether attempts at a record are known."""
        return event_id in self._tries

    def history_of(self, event_id: str) -> AttemptHistory:
        """Return the history of a record's attempts up to the last one; an empty one if none is known."""
        return self._tries.get(event_id, AttemptHistory())

    def continue_at(self, event_id: str, attempt: Attempt, excluded: int, excluded_seconds: float) -> None:
        """Record what did not count of the attempts before this one, which another process made."""
        self._tries.pop(event_id, None)
        self._remember(
            event_id,
            AttemptHistory(elapsed=attempt.elapsed, excluded=excluded, excluded_seconds=excluded_seconds),
        )

    def waits_since(self, event_id: str, now: datetime) -> datetime | None:
        """Return since when a record waits because of an outage; None if it does not, or if an update has said so."""
        history = self._tries.get(event_id)
        if history is None or not history.is_outage:
            self.goes_on(event_id)
            return None
        since = self._waits.setdefault(event_id, now)
        if len(self._waits) > MAX_RECORDS:
            del self._waits[next(iter(self._waits))]
        return since

    def mark_notified(self, event_id: str) -> None:
        """Record that an update about the outage of a record has been published."""
        self._waits[event_id] = None

    def goes_on(self, event_id: str) -> None:
        """Record that a record does not wait because of an outage."""
        self._waits.pop(event_id, None)

    def forget(self, event_id: str) -> None:
        """Forget a record that is given up."""
        self._tries.pop(event_id, None)

    def _remember(self, event_id: str, history: AttemptHistory) -> None:
        self._tries[event_id] = history
        if len(self._tries) > MAX_RECORDS:
            del self._tries[next(iter(self._tries))]
