"""Write the commands that send, change and cancel runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.runs.processed_events import SEND, has_led_to
from router.selection.outbound_policy import Payload
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.vocabulary import Phase, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.run_updates.announce import Announcer
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True)
class CommandPublisher:
    """Publishes commands. Publishing the same command again gives it the same id."""

    announcer: Announcer

    async def publish(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Publish the commands that send a root and its children."""
        if rows:
            await self.announcer.publish(event, build_send_commands(rows), decision=rows[0].decision)

    async def publish_each(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Publish one command per run whatever the payload, for runs that join a request later or are left of it."""
        if rows:
            await self.announcer.publish(event, [build_send_command(row) for row in rows], decision=rows[0].decision)

    async def publish_again(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Publish again what an earlier delivery of this event commanded, except for runs that dispatch has touched."""
        commanded = [row for row in rows if has_led_to(row, event.id, SEND)]
        if rows[0] not in commanded:
            await self.publish_each(event, [row for row in commanded if _is_unsent(row, event)])
        else:
            await self.publish_unsent(event, commanded)

    async def publish_unsent(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Publish the commands of the runs of a request that dispatch has not touched."""
        unsent = [row for row in rows if _is_unsent(row, event)]
        if not is_bundle(rows[0]) or rows[0] in unsent:
            await self.publish(event, unsent)


def _is_unsent(row: RunRow, event: Event) -> bool:
    """Return whether dispatch has not touched a run; it is in fallout if the event became a dead letter before."""
    given_up = row.phase is Phase.FALLOUT and row.sent_at is None and has_led_to(row, event.id, UpdateKind.FALLOUT)
    return row.phase is Phase.ROUTED or given_up


def build_send_commands(rows: Sequence[RunRow]) -> list[SendRun]:
    """Return one command per run; a single command for all of them if the root's payload is `bundle`."""
    root, *others = rows
    if is_bundle(root):
        return [build_send_command(root, tuple(row.requested for row in others))]
    return [build_send_command(row) for row in rows]


def is_bundle(row: RunRow) -> bool:
    """Return whether one command sends a whole request."""
    return row.decision is not None and row.decision.payload == Payload.BUNDLE


def build_send_command(row: RunRow, children: tuple[RunDocument, ...] = ()) -> SendRun:
    """Return the command that sends a run, with the children that are embedded in it."""
    if row.decision is None:
        raise TypeError(f"Run {row.run_id} was never routed.")
    document = row.requested.model_copy(update={"children": children}) if children else row.requested
    return SendRun(run=document, request_id=row.request_id, spoke=row.spoke, decision=row.decision)


def change_command(row: RunRow, document: RunDocument, reason: str | None) -> ChangeRun | None:
    """Return the command that sends a change; None for a run that was never routed."""
    if row.decision is None:
        return None
    return ChangeRun(run=document, request_id=row.request_id, spoke=row.spoke, decision=row.decision, reason=reason)


def cancel_command(row: RunRow, reason: str | None) -> CancelRun | None:
    """Return the command that cancels a run; None for a run that was never routed."""
    if row.decision is None:
        return None
    return CancelRun(
        run_id=row.run_id,
        root_run_id=row.root_run_id,
        request_id=row.request_id,
        spoke=row.spoke,
        decision=row.decision,
        reason=reason,
    )
