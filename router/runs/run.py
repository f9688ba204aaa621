"""The rows of a run and of an outbound request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.checks.cancellation import FollowedTask
    from router.runs.checks.doubt import Doubt
    from router.runs.checks.watch import Watch
    from router.runs.deadlines.deadline import Deadline
    from router.runs.failed_attempt import FailedAttempt
    from router.runs.revisions.replaced_tests import Replacement
    from schemas.commands import PinnedDecision
    from schemas.results import Reason, ReportedMeasure
    from schemas.run_document import RunDocument
    from schemas.vocabulary import Phase, Result, RunState


# A row keeps what it has processed in two fields, because external systems decide how many reports there are.
# A report adds its id and at most one update, so 32 entries are at least the last 16 reports: a system repeats its
# last few notifications, not those of last week.
MAX_PROCESSED_REPORTS = 32


# An event of ours adds at most four entries (a redriven SendRun: in doubt, fallout, accepted, progress), so 64 entries
# are at least the last 16 lifecycle events and commands of a run. Only those since the last commit are redelivered.
MAX_PROCESSED_EVENTS = 64


class LastNotification(NamedTuple):
    """What was published last about a run, as JSON. A result is kept without its measures, which the row has."""

    cause: str  # the id of the event that led to it
    process_id: str  # the process that published it, or ended before
    revision: int
    updates: tuple[str, ...]
    result: str | None = None
    traceparent: str | None = None
    replay: str | None = None
    wrong_key: str | None = None  # the headers of that event


@dataclass(frozen=True, kw_only=True)  # without slots: `replace` copies all fields at once
class RunRow:
    """Everything that is known of one run; `advance` makes the next one with `revision + 1`.

    `requested` is the ordering service's newest document, `sent` what the external system was sent last.
    `revision` starts at 1; the store writes a row only over its predecessor `revision - 1`.
    """

    run_id: str
    root_run_id: str
    parent_run_id: str | None
    tenant: str | None
    request_id: str
    spoke: str
    decision: PinnedDecision | None
    phase: Phase
    state: RunState | None = None
    result: Result | None = None
    external_id: str | None = None
    external_href: str | None = None
    requested: RunDocument
    sent: RunDocument | None = None
    accepted_version: int = 0
    measures: tuple[ReportedMeasure, ...] = ()
    reasons: tuple[Reason, ...] = ()
    cancel_requested: bool = False
    processed_reports: tuple[str, ...] = ()  # ids of external reports, and what each led to; newest last
    processed_events: tuple[str, ...] = ()  # what lifecycle events and commands led to; newest last
    created_at: datetime
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime
    revision: int
    doubt: Doubt | None = None  # what look-ups answered, while the outcome of a POST is unknown
    watch: Watch | None = None  # what is missing of a run that is at its system, and when the system is asked next
    last_notification: LastNotification | None = None  # what was published last about the run, and by which event
    failed_attempt: FailedAttempt | None = None  # the last one at the command that waits
    deadline: Deadline | None = None  # of a run that is at its system: when it is late, and when it times out
    cancellation: FollowedTask | None = None  # that the system has accepted, while the end of the run is not known
    state_event_at: datetime | None = None  # the newest time of an event that reported `pending` or `inProgress`
    replacement: Replacement | None = None  # the tests that it had at its system before, if changes replaced them
    waits_for: tuple[str, ...] = ()  # request definitions that are used up, on the root of a queued request


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """The outbound request: what was decided once, for one run or a whole hierarchy. Never changes.

    Its state is not stored: it follows from the rows of its runs.
    """

    request_id: str
    root_run_id: str
    tenant: str | None
    spoke: str
    decision: PinnedDecision
    explanation: str  # why the tables decided so, as `router.tables.explain.explanation` writes it
    created_at: datetime


def replace(row: RunRow, **changes: object) -> RunRow:
    """Return the same row with these fields changed.

    Raises:
        TypeError: a row has no such field.
    """
    values = {**row.__dict__, **changes}
    if len(values) != len(row.__dict__):
        raise TypeError(f"a row has none of the fields {', '.join(changes.keys() - row.__dict__.keys())}")
    made = object.__new__(RunRow)
    object.__setattr__(made, "__dict__", values)
    return made
