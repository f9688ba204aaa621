"""Act on requests that wait too long for the rest of their hierarchy: give up, cancel, or send what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from consumers.periodic import repeat
from consumers.routing.child_rows import read_pending_children
from consumers.routing.give_up import give_up, timer_event
from router.runs.hierarchy import missing_children
from router.runs.ids import derive_event_id
from router.runs.pending import is_pending
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunCancelled
from schemas.results import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.periodic import ReportSentence
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow

MAX_PER_ROUND = 200  # runs that are given up in one round
MAX_REMEMBERED = 10_000  # cancellations; one that is forgotten is published once more, with the same id
MAX_NAMED = 20  # missing children that are named in one sentence
REPUBLISH_AFTER = timedelta(hours=1)  # as for checks: the event is on its topic, and its consumer lags
MAX_PUBLISHED = 3  # times: a cancellation that does not work is perhaps a dead letter, and the run is given up


class MissingChildren(StrEnum):
    """What is done with a request whose children have not arrived in time."""

    FALL_OUT = "fall_out"
    SEND_WHAT_IS_THERE = "send_what_is_there"
    CANCEL = "cancel"


class _PublishedCancellation(NamedTuple):
    """When a cancellation was published last, and how often."""

    at: datetime
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequestExpiry:
    """Looks every `every` seconds for runs that were requested `deadline` seconds ago and never routed.

    A run that was given up stays pending: if its hierarchy is completed later, it is sent. The other policies publish
    cancellations as an ordering service would: of the request, or of each child that is missing. These records are
    processed in order with all others of the hierarchy, and redelivered after a crash.
    """

    updater: RunUpdater
    deadline: float
    every: float
    warn: ReportSentence
    policy: MissingChildren = MissingChildren.FALL_OUT
    _published: dict[str, _PublishedCancellation] = field(default_factory=dict)  # by the id of a cancellation

    async def run(self) -> None:
        """Expire overdue requests periodically, until cancelled."""
        await repeat(
            self.expire_overdue, every=self.every, warn=self.warn, failure="Overdue requests could not be given up"
        )

    async def expire_overdue(self) -> int:
        """Give up the overdue runs and return their number."""
        since = self.updater.now() - timedelta(seconds=self.deadline)
        rows = await self.updater.store.pending_runs(since, MAX_PER_ROUND)
        seen: set[str] = set()
        for row in rows:
            subject = row if self.policy is MissingChildren.FALL_OUT else await self._subject(row)
            if subject.run_id not in seen and subject.created_at < since:
                seen.add(subject.run_id)
                await self._expire(subject)
        return len(rows)

    async def _subject(self, row: RunRow) -> RunRow:
        """Return the pending root in the place of its child: the rows of a round may be children of one root alone."""
        if row.run_id == row.root_run_id:
            return row
        root = await self.updater.store.run(row.root_run_id)
        return root if root is not None and is_pending(root) else row

    async def _expire(self, row: RunRow) -> None:
        cancelled = await self._cancellations(row) if self.policy is not MissingChildren.FALL_OUT else None
        if cancelled is None or any(self._times_published(each) >= MAX_PUBLISHED for each in cancelled):
            await self._give_up(row)
        else:
            await self._publish(cancelled)

    def _times_published(self, cancellation: Event) -> int:
        known = self._published.get(cancellation.id)
        return known.times if known is not None else 0

    async def _cancellations(self, row: RunRow) -> list[Event] | None:
        """Return what is cancelled because of a run; None if it is given up."""
        is_root = row.run_id == row.root_run_id
        if self.policy is MissingChildren.CANCEL:
            return [_cancellation(row, row.run_id, await self._reason(row))]
        if not is_root:
            return None
        missing = missing_children(row.requested, await read_pending_children(self.updater.store, row))
        return [_cancellation(row, child, _child_missing_reason(row)) for child in missing] or None

    async def _publish(self, cancellations: list[Event]) -> None:
        now = self.updater.now()
        new = [
            each
            for each in cancellations
            if (known := self._published.get(each.id)) is None or now - known.at >= REPUBLISH_AFTER
        ]
        for each in new:
            times = self._times_published(each) + 1
            self._published.pop(each.id, None)
            self._published[each.id] = _PublishedCancellation(now, times)
        for forgotten in list(self._published)[:-MAX_REMEMBERED]:
            del self._published[forgotten]
        await self.updater.announcer.events.publish(new)

    async def _give_up(self, row: RunRow) -> None:
        await give_up(self.updater, timer_event(row, "overdue"), [row], await self._reason(row))

    async def _reason(self, row: RunRow) -> Reason:
        if row.run_id == row.root_run_id:
            return children_missing_reason(
                row, missing_children(row.requested, await read_pending_children(self.updater.store, row))
            )
        return _reason_of_child(row, await self.updater.store.run(row.root_run_id))


def _cancellation(row: RunRow, run_id: str, reason: Reason) -> Event:
    """Return the event that cancels a run because of an overdue one. Its id is stable until that one changes."""
    headers = EventHeaders(id=derive_event_id(row.run_id, f"overdue:{row.created_at.isoformat()}:{run_id}"))
    return Event(headers=headers, data=RunCancelled(run_id=run_id, root_run_id=row.root_run_id, reason=reason.message))


def _child_missing_reason(row: RunRow) -> Reason:
    since = row.created_at.isoformat(timespec="seconds")
    return Reason(code="CHILDREN_MISSING", message=f"the root waits for it since {since}, and what is there is sent.")


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
