"""Limit the POSTs to a system that is down, because the run store is written before and after each of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

R = TypeVar("R")  # the result of a POST

MIN_FAILURES = 8  # in a row, until a system counts as down; a single run that is forbidden fails alone
MIN_SECONDS = timedelta(seconds=10)  # since the first of them; a system that limits its rate processes some in between
PROBE_EVERY = timedelta(seconds=1)


@dataclass(slots=True)
class _Failures(Generic[R]):
    """The failed POSTs of a system since the last one that it processed."""

    since: datetime
    last: R
    count: int = 0
    probed_at: datetime | None = None


class ProbeLimit(Generic[R]):
    """Allows one POST per `PROBE_EVERY` to a system whose POSTs have all failed for some time."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures[R]] = {}

    def note(self, spoke: str, result: R, now: datetime, *, turned_away: bool) -> None:
        """Record the result of a POST; `turned_away` if the system did not process it."""
        if not turned_away:
            self._failures.pop(spoke, None)
            return
        failures = self._failures.setdefault(spoke, _Failures(since=now, last=result))
        failures.count, failures.last = failures.count + 1, result

    def last_failure(self, spoke: str, now: datetime) -> R | None:
        """Return the last failure if no POST may be made now; None allows the only POST within `PROBE_EVERY`."""
        failures = self._failures.get(spoke)
        if failures is None or failures.count < MIN_FAILURES or now - failures.since < MIN_SECONDS:
            return None
        probed = failures.probed_at
        if probed is not None and timedelta() <= now - probed < PROBE_EVERY:
            return failures.last
        failures.probed_at = now
        return None
