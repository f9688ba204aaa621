"""Limit the POSTs at a system that is out, because each of them is stored before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

R = TypeVar("R")  # the result of a POST

MIN_FAILURES = 8  # in a row, until a system counts as out; a single run that is forbidden fails alone
MIN_SECONDS = timedelta(seconds=10)  # since the first of them; a system that limits its rate processes some in between
PROBE_EVERY = timedelta(seconds=1)


@dataclass(slots=True)
class _Failures(Generic[R]):
    """The POSTs that a system has turned away since it processed one."""

    since: datetime
    last: R
    count: int = 0
    probed_at: datetime | None = None


class ProbeLimit(Generic[R]):
    """Lets one POST per `PROBE_EVERY` through to a system that turned away every POST for some time."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures[R]] = {}

    def note(self, spoke: str, result: R, now: datetime, *, turned_away: bool) -> None:
        """Note what became of a POST."""
        if not turned_away:
            self._failures.pop(spoke, None)
            return
        failures = self._failures.setdefault(spoke, _Failures(since=now, last=result))
        failures.count, failures.last = failures.count + 1, result

    def last_failure(self, spoke: str, now: datetime) -> R | None:
        """Return why no POST may be made now; None if one may, which then is the only one for `PROBE_EVERY`."""
        failures = self._failures.get(spoke)
        if failures is None or failures.count < MIN_FAILURES or now - failures.since < MIN_SECONDS:
            return None
        probed = failures.probed_at
        if probed is not None and timedelta() <= now - probed < PROBE_EVERY:
            return failures.last
        failures.probed_at = now
        return None
