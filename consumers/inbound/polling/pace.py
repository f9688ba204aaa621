"""Ask less often for a run whose answers stay the same, and spread the first round over one interval."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

START_PARTS = 10  # of the runs: after a start, each part is polled in its own tenth of the interval
JITTER = 0.1  # of the interval, up and down, so that processes and systems do not keep step
MAX_REMEMBERED = 100_000  # runs whose answers stay the same; one that is forgotten is polled in every round


class _Unchanged(NamedTuple):
    """A run whose last answers said nothing new."""

    revision: int
    answers: int
    rounds_left: int  # in which it is not polled


class PollPace:
    """Counts the rounds in which each run is left out: 0, 1, 3, 7, … after each answer that says nothing new."""

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max = max_remembered
        self._runs: dict[str, _Unchanged] = {}

    def is_due(self, run_id: str, revision: int) -> bool:
        """Return whether a run is polled in this round; called once in each round."""
        known = self._runs.get(run_id)
        if known is None or known.revision != revision or known.rounds_left <= 0:
            return True
        self._runs[run_id] = known._replace(rounds_left=known.rounds_left - 1)
        return False

    def unchanged(self, run_id: str, revision: int, widest: float) -> None:
        """Record an answer that says nothing new; the interval grows up to `widest` rounds."""
        known = self._runs.pop(run_id, None)
        answers = known.answers + 1 if known is not None and known.revision == revision else 1
        interval = 2.0 ** min(answers - 1, 30)
        left = max(0, int(min(interval, widest)) - 1)
        self._runs[run_id] = _Unchanged(revision, answers, left)
        if len(self._runs) > self._max:
            del self._runs[next(iter(self._runs))]

    def changed(self, run_id: str) -> None:
        """Record that a run is to be polled in the next round."""
        self._runs.pop(run_id, None)


def part_of(run_id: str, parts: int = START_PARTS) -> int:
    """Return the part of all runs to which a run belongs, the same in every process."""
    return int.from_bytes(sha256(run_id.encode()).digest()[:4]) % parts


def jittered(interval: float, random: float) -> float:
    """Return an interval with jitter; `random` is between 0 and 1."""
    return interval * (1 + JITTER * (2 * random - 1))
