"""Look for garbage rarely: a run makes thousands of objects, and almost none of them in a cycle."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# With Python's 700 objects a quarter of the CPU went into looking through what is alive (docs/benchmarks.md).
YOUNG, MIDDLE, OLD = 50_000, 20, 20


def reduce_gc() -> None:
    """Leave what was loaded so far out of every collection, and collect less often from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


@contextmanager
def reduced_gc() -> Iterator[None]:
    """Collect rarely for a while, in a process that then goes on."""
    before = gc.get_threshold()
    reduce_gc()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
