"""Look for garbage rarely: a run makes thousands of objects, and almost none of them in a cycle."""

from __future__ import annotations

import gc

# With Python's 700 objects a quarter of the CPU went into looking through what is alive (docs/benchmarks.md).
YOUNG, MIDDLE, OLD = 50_000, 20, 20


def collect_rarely() -> None:
    """Leave what was loaded so far out of every collection, and collect less often from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
