"""Decide which runs are cancelled because a child of their request was refused, if its profile wants that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.transitions import ENDED_PHASES
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.runs.run import RunRow

COMPENSATED = "COMPENSATED"
CHILD_LEFT_OUT = "CHILD_LEFT_OUT"
MAX_REASONS = 10  # of a request; every refused child is one of its runs
_OF_REQUEST = (COMPENSATED, CHILD_LEFT_OUT)


def is_refused_child(row: RunRow) -> bool:
    """Return whether this is a child of a hierarchical request that its system has refused."""
    hierarchical = row.decision is not None and row.decision.hierarchical
    return hierarchical and row.run_id != row.root_run_id and row.state is RunState.REJECTED


def runs_to_cancel(rows: Iterable[RunRow]) -> list[RunRow]:
    """Return the runs of a request that have not ended and that nobody has cancelled."""
    return [row for row in rows if row.phase not in ENDED_PHASES and not row.cancel_requested]


def compensation_reason(refused: RunRow) -> Reason:
    """Return why the other runs of a request are cancelled."""
    return Reason(
        code=COMPENSATED,
        message=f"Child run {refused.run_id} was refused, and the profile of {refused.spoke} cancels the other runs of "
        "such a request.",
    )


def left_out_reason(run_id: str, why: str | None) -> Reason:
    """Return why a request is sent without a child that it names."""
    because = f": {why}" if why else "."
    return Reason(code=CHILD_LEFT_OUT, message=f"{_left_out(run_id)}{because}")


def is_left_out(row: RunRow, run_id: str) -> bool:
    """Return whether a request is sent without this child, which the root named when it was ordered."""
    return any(reason.code == CHILD_LEFT_OUT and reason.message.startswith(_left_out(run_id)) for reason in row.reasons)


def _left_out(run_id: str) -> str:
    return f"Child run {run_id} is left out of the request"


def reasons_of_request(rows: Sequence[RunRow]) -> tuple[Reason, ...]:
    """Return why runs of a request were cancelled together, or left out, each reason once."""
    found = (reason for row in rows for reason in row.reasons if reason.code in _OF_REQUEST)
    return tuple(dict.fromkeys(found))[:MAX_REASONS]
