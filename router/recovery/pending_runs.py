"""Rebuild runs without a command: they wait for their hierarchy or in the queue, or ended before they were sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.recovery.published_state import build_published_state, final_reasons
from router.runs.hierarchy import child_ids
from router.runs.ids import request_id_of
from router.runs.pending import WAITS_FOR_THRESHOLD, embedded_child, with_changed_child, without_children
from router.runs.requests.compensation import CHILD_LEFT_OUT, left_out_reason
from router.runs.run import RunRow
from router.runs.transitions import ENDED_PHASES
from router.selection.thresholds import waiting_definitions
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.recovery.history import HierarchyHistory, RunHistory
    from router.recovery.published_state import PublishedState
    from schemas.codec.envelope import Event
    from schemas.results import Reason
    from schemas.run_document import RunDocument


_VERSION_NOT_HIGHER = "VERSION_NOT_HIGHER"


def pending_row(history: HierarchyHistory, run: RunHistory, decided: Mapping[str, RunRow]) -> RunRow | None:
    """Return the row of a run without a command; None if the store has none, or if no document of it is left.

    A request that needs no other event is stored when it is routed. Without a command or a notification it was not
    processed, or became a dead letter.
    """
    document = _document(history, run)
    if document is None or not (run.notifications or _arrived_alone(history, run)):
        return None
    published = build_published_state(run)
    ended, root = published.phase in ENDED_PHASES, decided.get(history.root_run_id)
    waits = published.phase is Phase.WAITING
    return RunRow(
        run_id=run.run_id,
        root_run_id=document.root_run_id,
        parent_run_id=document.parent_run_id,
        tenant=document.tenant,
        request_id=_request_id(run, document),
        spoke=run.notifications[-1].spoke if run.notifications else "",
        decision=root.decision if root is not None and _belongs_to(run, root) else None,
        phase=published.phase or Phase.CREATED,
        state=published.state if ended else None,
        result=published.result,
        requested=document,
        reasons=final_reasons(run) if ended else _waiting_reasons(run) if waits else (),
        waits_for=_waits_for(run) if waits and run.run_id == history.root_run_id else (),
        created_at=run.created_at,
        finished_at=published.finished_at,
        updated_at=published.updated_at or run.last_recorded_at,
        revision=max(published.revision, 1),
    )


def _belongs_to(run: RunHistory, root: RunRow) -> bool:
    """Return whether the run ended as a part of its root's request after that was routed."""
    last = run.notifications[-1] if run.notifications else None
    return last is not None and last.request_id == root.request_id and last.spoke == root.spoke


def _arrived_alone(history: HierarchyHistory, run: RunHistory) -> bool:
    """Return whether the run arrived as an event of its own and waits for others, or others for it."""
    own = [event.data.run for event in history.lifecycle if isinstance(event.data, RunRequested)]
    return any(each.run_id == run.run_id and (each.child_run_ids or each.parent_run_id is not None) for each in own)


def _request_id(run: RunHistory, document: RunDocument) -> str:
    if run.notifications:
        return run.notifications[-1].request_id
    first = next((each.document for each in run.requests if not each.is_change), document)
    return request_id_of(run.run_id, first.version)


def _document(history: HierarchyHistory, run: RunHistory) -> RunDocument | None:
    """Return the newest document: of a root with what happened to its embedded children."""
    own = [each.document for each in run.known_requests]
    if not own:
        return None
    document, refused = own[0], _refused_versions(run)
    for newer in own[1:]:
        document = newer if newer.version > document.version and newer.version not in refused else document
    if run.run_id != history.root_run_id:
        return document.model_copy(update={"children": ()}) if document.children else document
    for child_id in child_ids(document):
        if _was_left_out(history, run, document, child_id):
            document = without_children(document, {child_id})
        else:
            document = _with_child(document, history.runs.get(child_id), build_published_state(run))
    return document


def _was_left_out(history: HierarchyHistory, root: RunHistory, document: RunDocument, child_id: str) -> bool:
    """Return whether a named child was cancelled before it arrived, after the document that names it."""
    updates = (each for each in root.notifications if isinstance(each, RunUpdate))
    told = left_out_reason(child_id, None).message.removesuffix(".")
    reasons = (reason for each in updates for reason in each.reasons if reason.code == CHILD_LEFT_OUT)
    if not any(reason.message.startswith(told) for reason in reasons):
        return False
    is_named = was_cancelled = False
    for event in _since_requested(history, root.run_id):
        match event.data:
            case RunRequested(run=run) | RunChanged(run=run) if run.run_id == root.run_id:
                is_named |= run.version == document.version  # the first one: another one of this version is refused
            case RunCancelled(run_id=cancelled) if is_named:
                was_cancelled |= cancelled == child_id
            case _:
                pass
    return was_cancelled


def _since_requested(history: HierarchyHistory, run_id: str) -> Sequence[Event]:
    """Return the events since a run was requested: a change that came before had no effect."""
    for place, event in enumerate(history.lifecycle):
        if isinstance(event.data, RunRequested) and event.data.run.run_id == run_id:
            return history.lifecycle[place:]
    return history.lifecycle  # its request is no longer in the topic


def _with_child(root: RunDocument, child: RunHistory | None, root_state: PublishedState) -> RunDocument:
    if child is None:
        return root
    published = build_published_state(child)
    if published.phase in ENDED_PHASES and not _ended_with(root_state, published):  # cancelled before, by itself
        return without_children(root, {child.run_id})
    known = embedded_child(root, child.run_id)
    changed = [each.document for each in child.requests if each.is_change]
    newest = max(changed, key=lambda document: document.version, default=None)
    if known is None or newest is None or newest.version <= known.version:
        return root
    return with_changed_child(root, newest.model_copy(update={"children": ()}))


def _refused_versions(run: RunHistory) -> set[int]:
    """Return the versions of changes that were refused for another reason than their version."""
    updates = [each for each in run.notifications if isinstance(each, RunUpdate)]
    refused = [each for each in updates if each.kind is UpdateKind.CHANGE_REFUSED]
    return {each.version for each in refused if any(reason.code != _VERSION_NOT_HIGHER for reason in each.reasons)}


def _ended_with(root: PublishedState, child: PublishedState) -> bool:
    """Return whether a child ended together with its root, or after it."""
    return root.finished_at is not None and child.finished_at is not None and child.finished_at >= root.finished_at


def _waiting_reasons(run: RunHistory) -> tuple[Reason, ...]:
    updates = [each for each in run.notifications if isinstance(each, RunUpdate)]
    found = [reason for each in updates for reason in each.reasons if reason.code == WAITS_FOR_THRESHOLD]
    return tuple(found[-1:])


def _waits_for(run: RunHistory) -> tuple[str, ...]:
    return tuple(name for reason in _waiting_reasons(run) for name in waiting_definitions(reason))
