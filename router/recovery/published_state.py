"""What the notifications of a run say it is now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.responses import RESPONSE_UNREADABLE
from router.runs.reports.reasons import bounded_reasons
from router.runs.revisions.replacement import TEST_REPLACED
from router.runs.transitions import ENDED_PHASES, PHASE_OF_STATE
from schemas.results import RunResult, RunUpdate
from schemas.vocabulary import Phase, UpdateKind

if TYPE_CHECKING:
    from datetime import datetime

    from router.recovery.history import RunHistory
    from schemas.results import Reason, ReportedMeasure
    from schemas.vocabulary import Result, RunState

_OF_ACCEPTED_VERSION = (UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED)


@dataclass(slots=True)
class PublishedState:
    """What the notifications of a run say, up to the newest.

    `was_accepted_unread`: the system answered a POST with success, and the answer could not be read.
    """

    phase: Phase | None = None
    state: RunState | None = None
    result: Result | None = None
    external_id: str | None = None
    external_href: str | None = None
    accepted_version: int = 0
    accepted_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
    measures: tuple[ReportedMeasure, ...] = ()
    revision: int = 0
    was_accepted_unread: bool = False
    last_reason: str | None = None  # the code of the newest update's last reason
    accepted: list[tuple[int, int]] = field(default_factory=list)  # versions, and the revisions that accepted them
    refused: dict[int, tuple[Reason, ...]] = field(default_factory=dict)  # of a change, by the revision
    replaced: tuple[str, ...] = ()  # the external ids of tests that changes have replaced
    is_reposted: bool = False  # the last of them has ended, and the changed run is not accepted yet


def build_published_state(run: RunHistory) -> PublishedState:
    """Apply the notifications of a run in order."""
    published = PublishedState()
    for notification in run.notifications:
        published.revision, published.updated_at = notification.revision, notification.occurred_at
        published.external_id = notification.external_id or published.external_id
        if isinstance(notification, RunUpdate):
            _apply_update(published, notification)
        else:
            _apply_result(published, notification)
    return published


def _apply_update(published: PublishedState, update: RunUpdate) -> None:
    if published.phase in ENDED_PHASES and update.phase not in ENDED_PHASES:  # a run that was lost is back
        published.result, published.finished_at = None, None
    published.phase, published.state = update.phase, update.state
    published.external_href = update.external_href or published.external_href
    published.last_reason = update.reasons[-1].code if update.reasons else None
    if update.kind in _OF_ACCEPTED_VERSION:
        published.accepted_version, published.is_reposted = update.version, False
        published.accepted.append((update.version, update.revision))
    if update.kind is UpdateKind.CHANGE_REFUSED:
        published.refused[update.revision] = update.reasons
    if published.last_reason == TEST_REPLACED:
        _replace_test(published)
    if update.kind is UpdateKind.ACCEPTED or (published.accepted_at is None and _shows_acceptance(update)):
        published.accepted_at, published.was_accepted_unread = update.occurred_at, False
    if update.kind is UpdateKind.IN_DOUBT and any(reason.code == RESPONSE_UNREADABLE for reason in update.reasons):
        published.was_accepted_unread = True


def _replace_test(published: PublishedState) -> None:
    ended = (published.external_id,) if published.external_id else ()
    published.replaced, published.is_reposted = (*published.replaced, *ended), True
    published.external_id = published.external_href = published.accepted_at = None


def _shows_acceptance(update: RunUpdate) -> bool:
    return update.phase in (Phase.ACCEPTED, Phase.IN_PROGRESS)


def _apply_result(published: PublishedState, result: RunResult) -> None:
    if published.phase not in ENDED_PHASES:
        published.phase = PHASE_OF_STATE.get(result.state, Phase.FAILED)
    published.state, published.result, published.measures = result.state, result.result, result.test_measure
    published.finished_at = result.occurred_at


def final_reasons(run: RunHistory) -> tuple[Reason, ...]:
    """Return the reasons of a run that has ended: those of its newest result, and of what was reported after it."""
    reasons: tuple[Reason, ...] = ()
    for notification in run.notifications:
        if isinstance(notification, RunResult):
            reasons = notification.reasons
        elif notification.kind is UpdateKind.STALE:
            known = [reason for reason in dict.fromkeys(reasons) if reason not in notification.reasons]
            reasons = (*known, *notification.reasons)
    return bounded_reasons(reasons)
