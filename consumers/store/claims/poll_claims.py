"""The claims on runs that are polled, as the poller sees them: processes share the runs, and each is asked for once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from router.runs.run import RunRow


class SilentRun(NamedTuple):
    """A run that may be polled, and how many answers in a row said nothing new about it."""

    row: RunRow
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollClaim:
    """A request to be the one that polls a run now, at this revision, and nobody else before `until`.

    `answers` is the number of answers in a row without news, if this one has none either.
    """

    run_id: str
    revision: int
    until: datetime
    answers: int


class PollClaims(Protocol):
    """Keeps until when no other process polls a run. A run that has changed since then is free.

    A claim is not given back: it ends by itself, also that of a process that was killed.

    Every method raises StoreUnavailableError during an outage.
    """

    async def silent_runs(
        self, spoke: str, since: datetime, at: datetime, limit: int, after: RunRow | None = None
    ) -> Sequence[SilentRun]:
        """Return runs that are out at a spoke, not ended, not updated since then and not claimed; longest silent first.

        `at` is the time at which a claim must have ended, `after` is the last row of the page before.
        """

    async def claim(self, claims: Sequence[PollClaim], at: datetime) -> frozenset[str]:
        """Claim runs, and return the ids of those that nobody else has claimed."""

    async def shorten(self, claims: Sequence[PollClaim], until: datetime) -> None:
        """Let these claims end at `until`, and forget how many answers were without news."""
