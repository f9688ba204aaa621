"""Tell a system's outage from one run's bad luck, so that no run is given up for what befalls all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.responses import Purpose, Verdict

if TYPE_CHECKING:
    from consumers.runtime.handler import Attempt

_READS = frozenset({Purpose.LOOK_UP, Purpose.READ})
# The system has dealt with a call, whatever it made of it.
_DEALT_WITH = frozenset({Verdict.ACCEPTED, Verdict.REFUSED, Verdict.CONFLICT})
REMEMBERED = 50_000  # records that wait; of one that was forgotten, every attempt counts


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How many calls a system has dealt with."""

    reads: int = 0
    writes: int = 0

    def more(self, purpose: Purpose) -> CallCounts:
        """Count one more."""
        return CallCounts(self.reads + 1, self.writes) if purpose in _READS else CallCounts(self.reads, self.writes + 1)

    def beyond(self, earlier: CallCounts, purpose: Purpose) -> bool:
        """Tell whether a call like this one was dealt with since."""
        # A system in maintenance may still be read; one that takes writes is up for every call.
        return self.writes > earlier.writes or (purpose in _READS and self.reads > earlier.reads)


@dataclass(frozen=True, slots=True)
class AttemptHistory:
    """What there was of a record's attempts up to the last one, and how much of it does not count."""

    served: CallCounts = CallCounts()
    elapsed: float = 0.0
    excused: int = 0  # attempts during outages
    excused_for: float = 0.0  # seconds before them
    is_out: bool = False  # whether the last one was excused


class OutageTracker:
    """What one worker has seen of its systems.

    An attempt at a record does not count if its system was out: not reached at all, or busy and dealing with
    no other call since the attempt before it. Nobody tells when a record has ended, so the oldest are let go.
    """

    def __init__(self) -> None:
        self._served: dict[str, CallCounts] = {}
        self._tries: dict[str, AttemptHistory] = {}

    def saw(self, spoke: str, purpose: Purpose, verdict: Verdict) -> None:
        """Note what came of a call."""
        if verdict in _DEALT_WITH:
            self._served[spoke] = self._served.get(spoke, CallCounts()).more(purpose)

    def after(
        self, record: str, attempt: Attempt, spoke: str, purpose: Purpose, *, out: bool, busy: bool
    ) -> AttemptHistory:
        """Give what is known of a record's attempts, now that this one has failed."""
        before = self._tries.pop(record, AttemptHistory())
        if attempt.number == 1:  # it begins again: redriven, or come back after its partition was elsewhere
            before = AttemptHistory()
        served = self._served.get(spoke, CallCounts())
        is_out = out or (busy and not served.beyond(before.served, purpose))
        tries = AttemptHistory(
            served=served,
            elapsed=attempt.elapsed,
            excused=before.excused + is_out,
            excused_for=before.excused_for + (attempt.elapsed - before.elapsed if is_out else 0.0),
            is_out=is_out,
        )
        self._remember(record, tries)
        return tries

    def forget(self, record: str) -> None:
        """Let go of a record that is given up."""
        self._tries.pop(record, None)

    def _remember(self, record: str, tries: AttemptHistory) -> None:
        self._tries[record] = tries
        if len(self._tries) > REMEMBERED:
            del self._tries[next(iter(self._tries))]
