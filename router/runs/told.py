"""What was told last about a run, as its row keeps it."""

from __future__ import annotations

from typing import NamedTuple


class Told(NamedTuple):
    """What one event led to, as JSON. A result is kept without its measures, which the row has."""

    cause: str  # the id of the event that led to it
    teller: str  # the process that published it, or ended before
    revision: int
    updates: tuple[str, ...]
    result: str | None = None
    traceparent: str | None = None
    replay: str | None = None
