"""Replace a run at its system: the test that it has is cancelled, and once that has ended the changed run is POSTed.

The system never has two active tests of one run. What it still reports about the cancelled one does not count.
"""

from __future__ import annotations

from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING

from router.runs.reports.unread_fields import without_count
from router.runs.revisions.replaced_tests import Replacement
from router.runs.run import replace
from schemas.commands import SendRun
from schemas.results import Reason
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from router.runs.run import RunRow
    from schemas.run_document import RunDocument
    from schemas.vocabulary import RunState

TEST_REPLACED = "TEST_REPLACED"
MAX_REPLACED = 20  # tests of one run, all of which a look-up has to tell apart


def replaced_ids(row: RunRow) -> tuple[str, ...]:
    """Return the external ids of the tests that were replaced: what is reported about them is not about the run."""
    return row.replacement.ended if row.replacement is not None else ()


def is_replaced(row: RunRow, external_id: str | None) -> bool:
    """Return whether this is the id of a test that was replaced."""
    return row.replacement is not None and external_id in row.replacement.ended


def is_being_replaced(row: RunRow) -> bool:
    """Return whether the run's test is being cancelled for a change, and not because the run is cancelled."""
    return row.replacement is not None and row.replacement.cancelling and not row.cancel_requested


def expects_cancellation(row: RunRow) -> bool:
    """Return whether it was requested that the run's test ends."""
    return row.cancel_requested or is_being_replaced(row)


def awaits_repost(row: RunRow) -> bool:
    """Return whether the test has ended, and a `SendRun` has to send the changed run."""
    return row.replacement is not None and row.replacement.base is not None and row.phase is Phase.RETRYING


def is_reposted(row: RunRow) -> bool:
    """Return whether the changed run is being POSTed, or waits for that."""
    return row.replacement is not None and row.replacement.base is not None


def begin(row: RunRow) -> RunRow:
    """Return the row of a run whose test is being cancelled for a change."""
    return replace(row, replacement=replace_fields(row.replacement or Replacement(), cancelling=True))


def stop(row: RunRow) -> RunRow:
    """Return the row of a run whose test goes on."""
    if row.replacement is None or not row.replacement.cancelling:
        return row
    stopped = replace_fields(row.replacement, cancelling=False)
    return replace(row, replacement=stopped if stopped.ended else None)


def end_test(row: RunRow) -> tuple[RunRow, Reason]:
    """Return the row once the test has ended, with nothing that was reported about it, and what has happened."""
    known = row.replacement or Replacement()
    ended = (*known.ended, row.external_id) if row.external_id else known.ended
    reason = Reason(
        code=TEST_REPLACED,
        message=f"{row.spoke} has cancelled its test {row.external_id} of the run: the run is sent again as changed.",
    )
    row = replace(
        without_count(row),
        phase=Phase.RETRYING,
        state=None,
        external_id=None,
        external_href=None,
        sent=None,
        sent_at=None,
        accepted_at=None,
        measures=(),
        reasons=(),
        watch=None,
        deadline=None,
        doubt=None,
        failed_attempt=None,
        cancellation=None,
        replacement=Replacement(ended=ended, base=row.sent or row.requested),
    )
    return row, reason


def repost_command(row: RunRow) -> SendRun | None:
    """Return the command that sends the changed run; None for a run that was never routed."""
    if row.decision is None:
        return None
    return SendRun(run=row.requested, request_id=row.request_id, spoke=row.spoke, decision=row.decision)


def accepts_change(row: RunRow, document: RunDocument) -> bool:
    """Return whether the acceptance of this document is that of a change for which the run was POSTed again."""
    base = row.replacement.base if row.replacement is not None else None
    return base is not None and document.version > base.version


def accept_repost(row: RunRow) -> RunRow:
    """Return the row of a run that its system has accepted as changed."""
    if row.replacement is None or row.replacement.base is None:
        return row
    return replace(row, replacement=replace_fields(row.replacement, base=None))


def refusal_of_repost(row: RunRow, family: Iterable[RunRow], cancelable: Collection[RunState]) -> Reason | None:
    """Return why a run that its system has cannot be cancelled and POSTed again; None if it can.

    `family` are the runs of its request if that is hierarchical, `cancelable` the states in which it can be cancelled.
    """
    if row.cancel_requested:
        why = "its cancellation was requested"
    elif row.state is not None and row.state not in cancelable:
        why = f"it is {row.state}, and its system cancels no run in that state"
    elif row.decision is not None and row.decision.payload == "bundle":
        why = "it was POSTed together with its parent or its children"
    elif any(other.parent_run_id == row.run_id for other in family):
        why = "its children name the test that would be cancelled as their parent"
    elif len(replaced_ids(row)) >= MAX_REPLACED:
        why = f"that was done {MAX_REPLACED} times"
    else:
        return None
    return Reason(
        code="REPOST_NOT_POSSIBLE",
        message=f"This change needs the run to be cancelled and POSTed again, which it cannot be, because {why}.",
    )
