"""Bound how long the conductor waits, and describe what it waits for when that time is over."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

LOOK_EVERY = 1.0  # seconds
CANCELLATION_TIMEOUT = 30.0
AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")
FRAMES = ("cr_frame", "gi_frame", "ag_frame")
SHOWN_FRAMES = 8  # of each task, the innermost ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long work may take in all, and how long nothing may move."""

    limit: float  # seconds
    quiet: float  # seconds


class StuckError(Exception):
    """Work did not end in time; the message says where each task waited."""


async def run_patiently(
    work: Coroutine[Any, Any, None],
    patience: Patience,
    measure: Callable[[], object],
    look: Callable[[], None] = lambda: None,
) -> None:
    """Run work until it ends. `measure` returns a value that changes while something moves; `look` is called often.

    Raises:
        StuckError: it took too long, or nothing moved for too long. The work was cancelled.
    """
    task = asyncio.create_task(work, name="work")
    began = moved = time.monotonic()
    last = measure()
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_EVERY))[0]:
            look()
            now, current = time.monotonic(), measure()
            if current != last:
                last, moved = current, now
            if reason := _impatience(patience, now - began, now - moved):
                raise StuckError(f"{reason}, last {last}: {'; '.join(describe_waits())}")
        task.result()
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=CANCELLATION_TIMEOUT)


def _impatience(patience: Patience, total: float, quiet: float) -> str:
    if total > patience.limit:
        return f"not at its end after {patience.limit:g} s"
    return f"nothing moved for {patience.quiet:g} s" if quiet > patience.quiet else ""


def describe_waits() -> list[str]:
    """Describe where each task of this event loop waits, from the outermost to the innermost function."""
    current = asyncio.current_task()
    return [f"{task.get_name()}: {_places(task)}" for task in asyncio.all_tasks() if task is not current]


def _places(task: asyncio.Task[Any]) -> str:
    return " > ".join([*_awaited(task.get_coro())][-SHOWN_FRAMES:]) or "not started"


def _awaited(coroutine: object) -> Iterator[str]:
    while coroutine is not None:
        frame = next((found for name in FRAMES if (found := getattr(coroutine, name, None)) is not None), None)
        if frame is not None:
            code = frame.f_code
            yield f"{code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno})"
        coroutine = next((found for name in AWAITED if (found := getattr(coroutine, name, None)) is not None), None)
