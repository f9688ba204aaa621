"""Publish updates about the runs of requests that became dead letters, for the services that ordered them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.event_handler import TRANSIENT
from consumers.failed_request import RequestKind, read_failed_request
from consumers.runtime.faults import internal_problem
from consumers.store.orders.port import RefusedOrders
from router.runs.advance import is_allowed
from router.runs.events import CancelRefused, ChangeRefused, GivenUp
from router.runs.ids import request_id_of
from router.runs.processed_events import SEND, has_led_to
from router.runs.transitions import NOT_ACCEPTED_PHASES
from schemas.problem import Problem
from schemas.results import Reason, RunUpdate
from schemas.vocabulary import Phase, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.failed_request import FailedRequest
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Record
    from consumers.store.orders.port import OrderRefusals
    from router.runs.events import RunEvent
    from router.runs.run import RunRow
    from schemas.codec.envelope import Envelope

MAX_SENTENCE_LENGTH = 2_000  # characters
_NOTICE_KINDS = (UpdateKind.FALLOUT, UpdateKind.CHANGE_REFUSED, UpdateKind.CANCEL_REFUSED, UpdateKind.BLOCKED)
_KIND_OF_REQUEST = {
    RequestKind.SEND: UpdateKind.FALLOUT,
    RequestKind.CHANGE: UpdateKind.CHANGE_REFUSED,
    RequestKind.CANCEL: UpdateKind.CANCEL_REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureNotices:
    """Publishes an update about the runs of each request that becomes a dead letter, unless its handler did.

    `orders` keeps the reason where runs were ordered over HTTP, so that their client reads it.

    `warn` is called if that fails permanently; the dead letter is published in any case.
    """

    updater: RunUpdater
    envelope: Envelope
    warn: Callable[[Problem], None]
    orders: OrderRefusals | None = None

    async def notify(self, record: Record, problem: Problem) -> Problem | None:
        """Publish updates about the runs of a dead letter; return the problem if that has to be repeated."""

        async def read() -> FailedRequest | None:
            return read_failed_request(record, self.envelope)

        return await self.tell(read, problem)

    async def tell(self, find: Callable[[], Awaitable[FailedRequest | None]], problem: Problem) -> Problem | None:
        """Publish updates about the runs of the request that `find` returns, if there is one, as `notify` does."""
        try:
            request = await find()
            if request is not None:
                await self._tell(request, problem)
        except TRANSIENT as error:
            return Problem(code="NOTICE_NOT_PUBLISHED", sentence=f"its update could not be published: {error}")
        except Exception as error:  # noqa: BLE001 - the dead letter is published even if its update cannot be
            self.warn(internal_problem("NOTICE_NOT_PUBLISHED", "The update about a dead letter failed", error))
        return None

    async def _tell(self, request: FailedRequest, problem: Problem) -> None:
        reason = Reason(code=problem.code, message=problem.sentence[:MAX_SENTENCE_LENGTH])
        rows = {run_id: await self.updater.store.run(run_id) for run_id in request.run_ids}
        root = rows[request.run_ids[0]]
        if root is None:
            unknown = [run_id for run_id, row in rows.items() if row is None]
            unknown = unknown if request.kind is RequestKind.SEND else unknown[:1]
            await self._store_refusal(request, unknown, reason)  # before who reads the update looks it up
            await self._publish_unknown(request, unknown, reason)
            return
        if request.kind is not RequestKind.SEND and request.request_id is None:
            await self._store_refusal(request, [root.run_id], reason)
        known = [row for row in rows.values() if row is not None]
        # A crash may have come between storing and publishing.
        await self.updater.republish(request.cause, *[row for row in known if was_told(request, row)])
        updates: list[RowUpdate] = [
            (row, (run_event,)) for row in known if (run_event := event_of(request, row, reason, is_root=row is root))
        ]
        if updates:
            await self.updater.store_facts(request.cause, updates)

    async def _store_refusal(self, request: FailedRequest, run_ids: list[str], reason: Reason) -> None:
        if self.orders is None:
            return
        refused = RefusedOrders(
            run_ids=run_ids,
            event_id=request.cause.id,
            reason=reason,
            at=self.updater.now(),
            is_request=request.kind is RequestKind.SEND,
        )
        await self.orders.refuse(refused)

    async def _publish_unknown(self, request: FailedRequest, run_ids: list[str], reason: Reason) -> None:
        """Publish updates about runs that the store does not have; their revision is below that of every row."""
        updates = [
            RunUpdate(
                run_id=run_id,
                root_run_id=request.root_run_id,
                request_id=request.request_id or request_id_of(request.root_run_id, request.version),
                spoke=request.spoke,
                kind=_KIND_OF_REQUEST[request.kind],
                phase=Phase.FALLOUT if request.kind is RequestKind.SEND else Phase.UNKNOWN,
                version=request.version,
                reasons=(reason,),
                revision=0,
                occurred_at=self.updater.now(),
            )
            for run_id in run_ids
        ]
        await self.updater.announcer.publish(request.cause, updates, decision=None)


def was_told(request: FailedRequest, row: RunRow) -> bool:
    """Return whether the row records an update about this failed request."""
    return any(has_led_to(row, request.cause.id, kind) for kind in _NOTICE_KINDS)


def event_of(request: FailedRequest, row: RunRow, reason: Reason, *, is_root: bool) -> RunEvent | None:
    """Return the run event of a failed request; None if it was stored before, or if the run has continued."""
    cause = request.cause.id
    if was_told(request, row):
        return None
    if request.kind is RequestKind.SEND and (request.request_id is not None or has_led_to(row, cause, SEND)):
        given_up = GivenUp(reasons=(reason,))
        # Of a stored request, only runs without a command are given up: a command becomes a dead letter of its own.
        waits = row.phase in (
            NOT_ACCEPTED_PHASES if request.request_id else (Phase.CREATED, Phase.WAITING, Phase.ROUTED)
        )
        return given_up if waits and is_allowed(row, given_up) else None
    if not is_root:
        return None
    if request.kind is RequestKind.CANCEL:
        return CancelRefused(reasons=(reason,))
    # A second request for an existing run is a change.
    return ChangeRefused(version=request.version, reasons=(reason,))
