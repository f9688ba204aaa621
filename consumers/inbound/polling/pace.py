"""Ask less often for a run whose answers stay the same, and spread the first round over one interval."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

START_PARTS = 10  # of the runs: after a start, each part is polled in its own tenth of the interval
JITTER = 0.1  # of the interval, up and down, so that processes and systems do not keep step
MAX_PAUSE = 30 * 86_400.0  # seconds between two polls of one run
_MAX_DOUBLINGS = 30


def pause_after(answers: int, interval: float, widest: float) -> timedelta:
    """Return for how long a run is not polled after so many answers in a row that said nothing new.

    That is 1, 2, 4, … intervals (seconds), and `widest` of them at most. It ends before the round in which the run is
    due, although rounds have jitter.
    """
    rounds = max(1, int(min(2.0 ** min(max(answers - 1, 0), _MAX_DOUBLINGS), widest)))
    return timedelta(seconds=min(rounds * interval * (1 - JITTER), MAX_PAUSE))


def part_of(run_id: str, parts: int = START_PARTS) -> int:
    """Return the part of all runs to which a run belongs, the same in every process."""
    return int.from_bytes(sha256(run_id.encode()).digest()[:4]) % parts


def jittered(interval: float, random: float) -> float:
    """Return an interval with jitter; `random` is between 0 and 1."""
    return interval * (1 + JITTER * (2 * random - 1))
