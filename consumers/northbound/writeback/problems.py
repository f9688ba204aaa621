"""Build the problems that keep a run from being written to a target, each with one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.problem import Problem

if TYPE_CHECKING:
    from schemas.results import RunResult, RunUpdate


def run_not_stored(data: RunUpdate | RunResult, target: str) -> Problem:
    """Return the problem of a run whose document is not known."""
    return Problem(
        code="RUN_NOT_STORED",
        sentence=f"Run {data.run_id} cannot be written to {target}, because the run store does not have it: "
        "it was never stored, or `store.keep_ended` is over. Enter the result there by hand, then drop this record.",
    )


def run_behind(data: RunUpdate | RunResult, revision: int) -> Problem:
    """Return why a run is written later: the store does not have yet what the event says."""
    return Problem(
        code="STORE_BEHIND",
        sentence=f"Run {data.run_id} has revision {revision} in the run store, and revision {data.revision} in the "
        "event: it is read again.",
    )


def written_by_other(run_id: str, target: str) -> Problem:
    """Return why a run is written later: another writer has it."""
    return Problem(
        code="WRITE_BUSY",
        sentence=f"Run {run_id} is being written to {target} by another process, or one that ended meanwhile: "
        "this record waits for it.",
    )


def run_unknown_at_target(run_id: str, target: str) -> Problem:
    """Return the problem of a run that the target does not have and that may not be created."""
    return Problem(
        code="TARGET_WITHOUT_RUN",
        sentence=f"{target} does not have run {run_id}, and `create_unknown_runs` of its profile is false: "
        "check the rights of the user (a run that it may not see is not found either), then redrive this record.",
    )


def not_settled_at_target(run_id: str, target: str, wait: float) -> Problem:
    """Return why a run is not created again yet."""
    return Problem(
        code="IN_DOUBT",
        sentence=f"{target} does not have run {run_id}, whose POST was perhaps accepted, and may store it late: "
        f"it is looked for again in {wait:.0f} s.",
    )


def look_up_unproven(run_id: str, target: str) -> Problem:
    """Return the problem of a POST with unknown outcome about which the look-up proves nothing."""
    return Problem(
        code="IN_DOUBT",
        sentence=f"It is not known whether the POST of run {run_id} reached {target}, and its answer to the look-up by "
        "name shows other runs: ask the operators of the target, then redrive or drop this record.",
    )
