"""Give up requests that wait too long for the rest of their hierarchy, and report what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from consumers.routing.child_rows import read_pending_children
from consumers.routing.give_up import give_up, timer_event
from router.runs.hierarchy import missing_children
from router.runs.pending import is_pending
from schemas.results import Reason

if TYPE_CHECKING:
    from consumers.periodic import ReportSentence
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow

MAX_PER_ROUND = 200  # runs that are given up in one round
MAX_NAMED = 20  # missing children that are named in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequestExpiry:
    """Looks every `every` seconds for runs that were requested `deadline` seconds ago and never routed.

    A run that was given up stays pending: if its hierarchy is completed later, it is sent.
    """

    updater: RunUpdater
    deadline: float
    every: float
    warn: ReportSentence

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(
            self.expire_overdue, every=self.every, warn=self.warn, failure="Overdue requests could not be given up"
        )

    async def expire_overdue(self) -> int:
        """Give up the overdue runs and return their number."""
        since = self.updater.now() - timedelta(seconds=self.deadline)
        rows = await self.updater.store.pending_runs(since, MAX_PER_ROUND)
        for row in rows:
            await self._give_up(row)
        return len(rows)

    async def _give_up(self, row: RunRow) -> None:
        await give_up(self.updater, timer_event(row, "overdue"), [row], await self._reason(row))

    async def _reason(self, row: RunRow) -> Reason:
        if row.run_id == row.root_run_id:
            return children_missing_reason(
                row, missing_children(row.requested, await read_pending_children(self.updater.store, row))
            )
        return _reason_of_child(row, await self.updater.store.run(row.root_run_id))


def children_missing_reason(row: RunRow, missing: tuple[str, ...]) -> Reason:
    """Return the reason that names the children that a root waits for."""
    shown = ", ".join(missing[:MAX_NAMED]) + (
        f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
    )
    since = row.created_at.isoformat(timespec="seconds")
    return Reason(
        code="CHILDREN_MISSING",
        message=f"Root run {row.run_id} waits since {since} for {shown or 'its children'}: "
        "publish their RunRequested, or a RunChanged of the root that does not name them.",
    )


def _reason_of_child(row: RunRow, root: RunRow | None) -> Reason:
    if root is None:
        return Reason(
            code="ROOT_MISSING",
            message=f"Run {row.run_id} waits for its root {row.root_run_id}, which was never requested: "
            "publish its RunRequested, or a RunCancelled of this run.",
        )
    also = is_pending(root)
    return Reason(
        code="ROOT_INCOMPLETE" if also else "PARENT_MISSING",
        message=f"Run {row.run_id} waits for {'its root' if also else 'its parent'} "
        f"{root.run_id if also else row.parent_run_id}: complete the hierarchy, or cancel this run.",
    )
