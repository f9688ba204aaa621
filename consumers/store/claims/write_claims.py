"""The claims on runs at a target, as their users see them: one writer of a run at a time, newest revision last."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRun:
    """What is known of a run at a target.

    `target_id` is the id that the target gave it, if that is not its run id. `posted_at`: a POST of then may have
    created it, and no answer has shown that. `written` is the revision that the target has; 0: none of ours.
    """

    target_id: str | None = None
    posted_at: datetime | None = None
    written: int = 0


NOT_WRITTEN = WrittenRun()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteClaim:
    """A request to be the one that writes a revision of a run now.

    `writer` is the same for every attempt of one process at one record. A claim of another writer that was made before
    `abandoned_before` counts for nothing: its call has ended. `force`: also if the target has this very revision.
    """

    target: str
    run_id: str
    revision: int
    writer: str
    at: datetime
    abandoned_before: datetime
    posts: bool = False
    force: bool = False


class ClaimResult(StrEnum):
    """The outcome of a claim."""

    CLAIMED = "claimed"
    WRITTEN = "written"  # the target has this revision or a newer one
    BUSY = "busy"  # another writer has the run


class WriteClaims(Protocol):
    """Keeps which revision of a run each target has, and who writes it now.

    Every method raises StoreUnavailableError during an outage.
    """

    async def read(self, target: str, run_id: str) -> WrittenRun:
        """Return what is known of a run at a target."""

    async def claim(self, claim: WriteClaim) -> ClaimResult:
        """Claim a run, or return why it cannot be claimed. With `posts`, the time of the claim is that of a POST."""

    async def complete(self, claim: WriteClaim, target_id: str | None) -> None:
        """Store that the target has the revision, and release the claim. `target_id`: None leaves it as it is."""

    async def release(self, claim: WriteClaim, *, posted: bool) -> None:
        """Release the claim. Without `posted`, no POST has perhaps created the run."""

    async def forget(self, claim: WriteClaim) -> None:
        """Store that the target does not have the run under the id that it gave it."""
