"""Fold the events of one root run into the rows that the run store has of it.

A row that was published is known exactly, because every notification says phase, state and revision. What lies between
two notifications is not: a run that was commanded and is not known to be accepted or to have ended is in doubt, so it
is looked up before anything is sent. See ADR-0028.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.recovery.history import collect
from router.recovery.pending_runs import pending_row
from router.recovery.published_state import build_published_state, final_reasons
from router.recovery.stored_changes import with_stored_changes
from router.runs.checks.cancellation import follow
from router.runs.checks.doubt import Doubt
from router.runs.checks.missing_parts import MEASURES_AWAITED, NOT_FOUND_AT_SYSTEM, UNKNOWN_STATE, is_lost
from router.runs.checks.watch import Missing, Watch
from router.runs.deadlines.deadline import unset_deadline
from router.runs.hierarchy import child_ids
from router.runs.notifications.outages import SYSTEM_DOWN
from router.runs.pending import embedded_child
from router.runs.processed_events import created_by
from router.runs.request_result import request_result
from router.runs.revisions.change_plan import without_ignored
from router.runs.revisions.replaced_tests import Replacement
from router.runs.run import RequestRow, RunRow, replace
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES
from schemas.lifecycle import RunRequested
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from router.recovery.history import HierarchyHistory, RecordedEvent, RunHistory
    from router.recovery.published_state import PublishedState
    from schemas.commands import Command, PinnedDecision
    from schemas.results import Reason, RequestResult
    from schemas.run_document import RunDocument

EXPLANATION_LOST = "The store was rebuilt from the topics, which do not have the explanation of a decision."
# What an update says a run waits for; the system is asked for it at once.
_WATCHED = {
    MEASURES_AWAITED: Missing.MEASURES,
    NOT_FOUND_AT_SYSTEM: Missing.RUN,
    UNKNOWN_STATE: Missing.STATE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedHierarchy:
    """The rows of one root run, parents before children, and what its topics lack.

    `uncommanded`: runs that need a command of their own, because theirs was never published, or because their root's,
    which embeds them, is done. `unpublished`: results of requests whose runs have all ended. `expired`: runs of which
    the topics have notifications and no document, or a command that is done and no outcome. `decided`: the decision of
    each request, and when it was made.
    """

    runs: tuple[RunRow, ...] = ()
    requests: tuple[RequestRow, ...] = ()
    uncommanded: tuple[RunRow, ...] = ()
    unpublished: tuple[RequestResult, ...] = ()
    expired: tuple[str, ...] = ()
    decided: tuple[tuple[PinnedDecision, datetime], ...] = ()


def fold_hierarchy(root_run_id: str, recorded: Iterable[RecordedEvent], at: datetime) -> FoldedHierarchy:
    """Fold everything that the topics have of one root run. `at` is the time of the rebuild.

    The events of one topic are in its order; topics may come in any order.
    """
    history = collect(root_run_id, recorded)
    commanded = {run_id: _row(run, at) for run_id, run in history.runs.items() if run.command is not None}
    root_row = commanded.get(root_run_id)
    rows = {run_id: row for run_id, row in commanded.items() if row is not None}
    rows, left_over = _with_bundle(history, rows, root_row, at)
    uncommanded = _uncommanded_rows(history, rows, root_row, at)
    rows = with_stored_changes(history, {**rows, **uncommanded})
    pending = {run_id: pending_row(history, run, rows) for run_id, run in history.runs.items() if run_id not in rows}
    rows |= {run_id: row for run_id, row in pending.items() if row is not None}
    rows = {run_id: _with_routing_events(history, row) for run_id, row in rows.items()}
    lost = [run.run_id for run in history.runs.values() if run.run_id not in rows and _has_expired(run)]
    requests = tuple(_requests(rows.values()))
    return FoldedHierarchy(
        runs=tuple(rows.values()),
        requests=requests,
        uncommanded=tuple(rows[run_id] for run_id in (*uncommanded, *left_over)),
        unpublished=tuple(_unpublished(history, rows.values())),
        expired=tuple(lost),
        decided=tuple([(request.decision, _decided_at(request, history)) for request in requests]),
    )


def _decided_at(request: RequestRow, history: HierarchyHistory) -> datetime:
    """Return when a request was decided: when its command was published. It may have waited for days before."""
    root = history.runs.get(request.root_run_id)
    return (root.send_recorded_at if root else None) or request.created_at


def _has_expired(run: RunHistory) -> bool:
    """Return whether a part of what the topics had of a run is gone, so that it cannot be rebuilt."""
    return bool(run.notifications) if run.command is None else _has_expired_outcome(run)


def _has_expired_outcome(run: RunHistory) -> bool:
    """Return whether a run was commanded, and its outcome, which Kafka acknowledged before the commit, is gone.

    It may have ended long ago: if it were in doubt, and its system had deleted it, it would be POSTed again.
    """
    return run.send is not None and not run.has_open_command and not run.notifications


def _row(run: RunHistory, at: datetime) -> RunRow | None:
    """Return the row of a run that was commanded; None if no document of it is left."""
    command, document = run.command, _requested(run)
    if command is None or document is None or _has_expired_outcome(run):
        return None
    published = build_published_state(run)
    row = _base_row(run, command, document, published)
    if published.phase in ENDED_PHASES:
        return _ended(row, run, published)
    if published.phase in ACCEPTED_PHASES or published.accepted_at is not None:
        return _accepted(row, run, published, at)
    return _in_doubt(row, run, published, at)


def _requested(run: RunHistory) -> RunDocument | None:
    document = run.commanded_document
    if document is not None:
        return document
    newest = max((each.document for each in run.requests), key=lambda found: found.version, default=None)
    return newest.model_copy(update={"children": ()}) if newest is not None and newest.children else newest


def _base_row(run: RunHistory, command: Command, document: RunDocument, published: PublishedState) -> RunRow:
    return RunRow(
        run_id=run.run_id,
        root_run_id=document.root_run_id,
        parent_run_id=document.parent_run_id,
        tenant=document.tenant,
        request_id=command.request_id,
        spoke=command.spoke,
        decision=command.decision,
        phase=published.phase or Phase.ROUTED,
        state=published.state,
        result=published.result,
        external_id=published.external_id,
        external_href=published.external_href,
        requested=document,
        sent=_accepted_document(run, published),
        replacement=_replacement(run, published),
        accepted_version=published.accepted_version,
        measures=published.measures,
        cancel_requested=run.cancel is not None,
        created_at=run.created_at,
        sent_at=published.accepted_at,
        accepted_at=published.accepted_at,
        finished_at=published.finished_at,
        updated_at=published.updated_at or run.last_recorded_at,
        revision=max(published.revision, 1),
    )


def _accepted_document(run: RunHistory, published: PublishedState) -> RunDocument | None:
    """Return what the system was sent and accepted, without the fields of changes that were refused."""
    sent: RunDocument | None = None
    for version, revision in published.accepted:
        document = run.document_of_version(version)
        refused = published.refused.get(revision, ())
        sent = without_ignored(sent, document, refused) if sent is not None and document is not None else document
    return sent


def _replacement(run: RunHistory, published: PublishedState) -> Replacement | None:
    if not published.replaced and not published.is_reposted:
        return None
    base = _accepted_document(run, published) if published.is_reposted else None
    return Replacement(ended=published.replaced, base=base)


def _ended(row: RunRow, run: RunHistory, published: PublishedState) -> RunRow:
    row = replace(row, reasons=final_reasons(run))
    watch = Watch(missing=Missing.RETURN, since=row.updated_at, due=row.updated_at) if is_lost(row) else None
    return replace(row, watch=watch, state=published.state or RunState.UNKNOWN)


def _accepted(row: RunRow, run: RunHistory, published: PublishedState, at: datetime) -> RunRow:
    row = replace(row, reasons=_open_reasons(run), state=row.state or RunState.ACKNOWLEDGED)
    if row.phase is not Phase.FALLOUT:
        row = replace(row, deadline=unset_deadline(at), cancellation=follow(None, at) if row.cancel_requested else None)
    if row.phase is Phase.FALLOUT:  # its external id was never named; it is not POSTed again
        return replace(row, doubt=Doubt(was_accepted=True))
    last = published.last_reason
    missing = _WATCHED.get(last) if last else None
    if row.external_id is None:
        missing = Missing.EXTERNAL_ID
    return replace(row, watch=Watch(missing=missing, since=at, due=at) if missing else None)


def _in_doubt(row: RunRow, run: RunHistory, published: PublishedState, at: datetime) -> RunRow:
    """Return the row of a run that was perhaps sent. One in fallout stays there, unless it was redriven since then."""
    redriven = run.redriven_at is not None and (run.notified_at is None or run.redriven_at >= run.notified_at)
    phase = Phase.FALLOUT if published.phase is Phase.FALLOUT and not redriven else Phase.IN_DOUBT
    doubt = Doubt(was_accepted=True) if published.was_accepted_unread else None
    sent = run.send.run if run.send is not None else None
    return replace(
        row, phase=phase, sent=sent, sent_at=at, updated_at=at, doubt=doubt, reasons=_open_reasons(run), state=None
    )


def _open_reasons(run: RunHistory) -> tuple[Reason, ...]:
    """Return the reasons that a run which goes on still has."""
    updates = [each for each in run.notifications if isinstance(each, RunUpdate)]
    unknown = [reason for each in updates for reason in each.reasons if reason.code == UNKNOWN_STATE]
    down = [reason for each in updates[-1:] for reason in each.reasons if reason.code == SYSTEM_DOWN]
    return tuple(dict.fromkeys((*unknown, *down)))


def _with_bundle(
    history: HierarchyHistory, rows: dict[str, RunRow], root: RunRow | None, at: datetime
) -> tuple[dict[str, RunRow], list[str]]:
    """Return the rows with what the outcome of their root's POST means for runs that were embedded in it.

    It is stored for all of them together, and published for one after the other. Also return the runs that end with
    their root, which was not accepted.
    """
    embedded = {
        run_id: row
        for run_id, row in rows.items()
        if history.runs[run_id].is_embedded and row.phase is Phase.IN_DOUBT and root is not None
    }
    if root is None or not embedded:
        return rows, []
    if root.accepted_at is not None:
        accepted = {run_id: _accepted_with_root(row, root, at) for run_id, row in embedded.items()}
        return {**rows, **accepted}, []
    return rows, [*embedded] if root.phase in ENDED_PHASES else []


def _accepted_with_root(row: RunRow, root: RunRow, at: datetime) -> RunRow:
    document = row.sent or row.requested
    return replace(
        row,
        phase=Phase.ACCEPTED,
        state=RunState.ACKNOWLEDGED,
        sent=document,
        accepted_version=document.version,
        accepted_at=root.accepted_at,
        sent_at=root.sent_at,
        doubt=None,
        watch=Watch(missing=Missing.EXTERNAL_ID, since=at, due=at),
        deadline=unset_deadline(at),
    )


def _uncommanded_rows(
    history: HierarchyHistory, rows: dict[str, RunRow], root: RunRow | None, at: datetime
) -> dict[str, RunRow]:
    """Return rows of children that were routed with their root and whose commands were not published.

    A request is stored as a whole before its commands are published, one after the other.
    """
    if root is None or root.decision is None or not root.decision.hierarchical or root.phase in ENDED_PHASES:
        return {}
    stored = _stored_document(history.runs[root.run_id])
    if stored is None:
        return {}
    listed = [run_id for run_id in child_ids(stored) if run_id not in rows and run_id in history.runs]
    found = [(history.runs[run_id], embedded_child(stored, run_id)) for run_id in listed]
    return {
        run.run_id: _routed(document or run.requests[0].document, root, run, at)
        for run, document in found
        if run.requests and not run.notifications
    }


def _stored_document(root: RunHistory) -> RunDocument | None:
    """Return the root's document, with its children, that was routed or that the last stored change brought."""
    routed = root.send.run.version if root.send else 0
    known = root.known_requests
    changed = [each.document for each in known if each.is_change and root.was_changed_by(each.event_id)]
    first = next((each.document for each in known if each.document.version == routed), None)
    return changed[-1] if changed else first


def _routed(document: RunDocument, root: RunRow, run: RunHistory, at: datetime) -> RunRow:
    return RunRow(
        run_id=document.run_id,
        root_run_id=document.root_run_id,
        parent_run_id=document.parent_run_id,
        tenant=document.tenant,
        request_id=root.request_id,
        spoke=root.spoke,
        decision=root.decision,
        phase=Phase.ROUTED,
        requested=document,
        cancel_requested=False,
        created_at=run.created_at,
        sent_at=at,  # looked up first: its command may have expired
        updated_at=at,
        revision=1,
    )


def _with_routing_events(history: HierarchyHistory, row: RunRow) -> RunRow:
    """Return the row with the events that routed it, so that one which is read again is recognised."""
    if row.decision is None:
        return row
    requested = [(event.id, event.data.run) for event in history.lifecycle if isinstance(event.data, RunRequested)]
    wanted = [event_id for event_id, run in requested if run.run_id in (row.run_id, row.root_run_id)]
    last = [event_id for event_id, _ in requested[-1:]]
    for event_id in dict.fromkeys((*wanted, *last)):
        row = created_by(row, event_id)
    return row


def _requests(rows: Iterable[RunRow]) -> Iterable[RequestRow]:
    known: dict[str, RequestRow] = {}
    for row in rows:
        if row.decision is not None and (row.request_id not in known or row.run_id == row.root_run_id):
            known[row.request_id] = RequestRow(
                request_id=row.request_id,
                root_run_id=row.root_run_id,
                tenant=row.tenant,
                spoke=row.spoke,
                decision=row.decision,
                explanation=EXPLANATION_LOST,
                created_at=row.created_at,
            )
    return known.values()


def _unpublished(history: HierarchyHistory, rows: Iterable[RunRow]) -> Sequence[RequestResult]:
    by_request: dict[str, list[RunRow]] = {}
    for row in rows:
        by_request.setdefault(row.request_id, []).append(row)
    missing = {request: family for request, family in by_request.items() if request not in history.published_results}
    whole = [family for family in missing.values() if any(row.run_id == row.root_run_id for row in family)]
    return [result for result in map(request_result, whole) if result is not None]
