"""Say out loud what a person should look at, but not every moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumers.runtime.monitoring import Observer
    from consumers.runtime.records import Record
    from schemas.problem import Trouble

REPEAT_AFTER = 30.0  # seconds until the same kind of complaint is made again


class Complaints:
    """Pass troubles on to the observer, one of each code at a time: sentences name records and never repeat."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._said_at: dict[str, float] = {}

    def make(self, trouble: Trouble, now: float) -> None:
        """Complain, unless somebody did about the same code a moment ago."""
        if now - self._said_at.get(trouble.code, float("-inf")) >= REPEAT_AFTER:
            self._said_at[trouble.code] = now
            self._observer.complained(trouble)

    def about(self, record: Record, tried: int, trouble: Trouble, now: float) -> None:
        """Complain about one record that is tried again and again."""
        place = record.partition
        where = f"{place.topic}[{place.number}] offset {record.offset}"
        self.make(replace(trouble, sentence=f"{where} was tried {tried} times and waits: {trouble.sentence}"), now)
