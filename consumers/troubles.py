"""Say in one sentence what keeps a run from going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.trouble import Trouble
from schemas.outcomes import Reason

if TYPE_CHECKING:
    from consumers.calling import Asked
    from router.runs import RunRow
    from schemas.documents import RunDocument
    from schemas.envelope import Event


def reason_of(trouble: Trouble) -> Reason:
    """Give the trouble as a reason in an event."""
    return Reason(code=trouble.code, message=trouble.sentence)


def unknown_run(run_id: str, wanted: str) -> Trouble:
    """Tell that a run is not in the store."""
    return Trouble(
        code="UNKNOWN_RUN",
        sentence=f"Cannot {wanted} run {run_id}: no such run is in the run store; "
        "publish its RunRequested first, then redrive this record.",
    )


def in_words(asked: Asked, what: str) -> Trouble:
    """Tell why a call to an external system did not do what it should."""
    reasons = asked.judgement.reasons
    told = "; ".join(f"{reason.code}: {reason.message}" for reason in reasons) or asked.judgement.verdict
    return Trouble(code=f"CALL_{asked.judgement.verdict.name}", sentence=f"{what}: {told}")


def cannot_look_up(row: RunRow) -> Trouble:
    """Tell that only a person can settle this doubt."""
    return Trouble(
        code="IN_DOUBT",
        sentence=f"Nobody knows whether the POST of run {row.run_id} reached {row.spoke}, and its profile names no "
        "look-up method: ask the system's operators, then redrive or drop this record.",
    )


def waits_for_id(row: RunRow) -> Trouble:
    """Tell that a run is out but its external id is not known yet."""
    return Trouble(
        code="EXTERNAL_ID_NOT_KNOWN",
        sentence=f"{row.spoke} accepted run {row.run_id} without an id; this record waits until one is reported.",
    )


def does_not_belong(event: Event, where: str) -> Trouble:
    """Tell that an event is understood but has no business on this topic."""
    return Trouble(
        code="WRONG_TOPIC",
        sentence=f"{type(event.data).__name__} does not belong on {where}: publish it to its own topic.",
    )


def run_exists(run: RunDocument) -> Trouble:
    """Tell that a run id is taken."""
    return Trouble(
        code="RUN_EXISTS",
        sentence=f"Run {run.run_id} (or one of its children) was already requested: "
        "give a new run a new id, or publish RunChanged with a higher version.",
    )
