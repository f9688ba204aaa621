"""Show how far a long command has come: on a terminal as a bar, elsewhere as a line every ten seconds."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from southbound.operations.console import print_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_INTERVAL = 10.0  # seconds


def progress_sentence(what: str, done: int, total: int | None, seconds: float) -> str:
    """Return how far a step has come, its rate, and the time left at this rate; None: the total is not known."""
    rate = done / seconds if seconds > 0 else 0.0
    share = f" ({done / total:.0%})" if total else ""
    left = f", {max(total - done, 0) / rate:,.0f} s left" if rate and total else ""
    of = f" of {total:,}" if total is not None else ""
    return f"{what}: {done:,}{of}{share}, {rate:,.0f}/s{left}"


@contextmanager
def show_progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Return a function that is called with the number of things done so far."""
    if sys.stderr.isatty():
        yield from _bar(what, total)
    else:
        yield _lines(what, total)


def _bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr), transient=True) as progress:
        task, began = progress.add_task(what, total=total, rate=""), time.monotonic()

        def update(done: int) -> None:
            rate = done / max(time.monotonic() - began, 0.001)
            progress.update(task, completed=done, rate=f"{rate:,.0f}/s")

        yield update


def _lines(what: str, total: int | None) -> Callable[[int], None]:
    began = last = time.monotonic()

    def update(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_INTERVAL:
            last = now
            print_status(progress_sentence(what, done, total, now - began))

    return update
