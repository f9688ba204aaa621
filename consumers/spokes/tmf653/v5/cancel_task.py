"""Write and read the task that cancels a run (TMF653 v5.0 `CancelServiceTest`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.tmf653.identities import MAX_ID_LENGTH, id_of, last_segment, unless_too_long
from consumers.spokes.tmf653.lenient_json import as_list, as_mapping, as_text, first_text
from router.runs.reports.cancel_task import CancelTask, TaskState
from router.runs.reports.report import ExternalReport
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.runs.run import RunRow
    from schemas.text.json_types import Json

TASKS_PATH = "/cancelServiceTest"
CANCEL_TASK = "cancelServiceTest"
_MAX_REASON_LENGTH = 1_000  # characters
_MAX_ERRORS = 10

# `TaskStateType`; a task that was cancelled itself cancels nothing.
TASK_STATES: Mapping[str, TaskState] = {
    "acknowledged": TaskState.IN_PROGRESS,
    "inprogress": TaskState.IN_PROGRESS,
    "pending": TaskState.IN_PROGRESS,
    "done": TaskState.DONE,
    "completed": TaskState.DONE,
    "rejected": TaskState.REFUSED,
    "cancelled": TaskState.REFUSED,
    "canceled": TaskState.REFUSED,
    "failed": TaskState.REFUSED,
    "terminatedwitherror": TaskState.REFUSED,
}


def cancel_task_body(row: RunRow, reason: str | None) -> dict[str, object]:
    """Write a `CancelServiceTest_FVO`."""
    href = {"href": row.external_href} if row.external_href else {}
    reference = {"id": row.external_id or "", **href, "@type": "ServiceTestRef", "@referredType": "ServiceTest"}
    told = {"cancellationReason": reason[:_MAX_REASON_LENGTH]} if reason else {}
    return {"serviceTest": reference, **told, "@type": "CancelServiceTest"}


def is_cancel_task(body: Json) -> bool:
    """Return whether a body is such a task: it says so, or it refers to a run and has nothing that a run has."""
    if first_text(body, "@type") == "CancelServiceTest":
        return True
    return isinstance(body.get("serviceTest"), dict) and not body.keys() & {"testSpecification", "event", "eventType"}


def id_of_task_at(location: str | None) -> str | None:
    """Return the id of the task whose address this is; None if it is that of something else."""
    above, _, _ = (location or "").rpartition("/")
    return unless_too_long(last_segment(location), MAX_ID_LENGTH) if above.endswith(TASKS_PATH) else None


def task_in_progress(task_id: str) -> CancelTask:
    """Return a task of which only the address is known."""
    return CancelTask(id=task_id, state=TaskState.IN_PROGRESS, reasons=())


def to_task_report(task: Json, asked: tuple[Reason, ...] = ()) -> ExternalReport:
    """Translate a task to a report on the run that it cancels; `asked` is what the event about the task asks for."""
    run = as_mapping(task.get("serviceTest"))
    raw_state = first_text(task, "state")
    state = TASK_STATES.get((raw_state or "").replace("_", "").casefold(), TaskState.UNKNOWN)
    done = state is TaskState.DONE
    return ExternalReport(
        external_id=id_of(run),
        state=RunState.CANCELLED if done else None,
        raw_state=RunState.CANCELLED.value if done else None,
        cancel_task=CancelTask(id=id_of(task), state=state, reasons=_errors(task, raw_state)),
        asked=asked,
    )


def _errors(task: Json, raw_state: str | None) -> tuple[Reason, ...]:
    found = [_error(each) for each in as_list(task.get("errorMessage"))[:_MAX_ERRORS]]
    unsaid = Reason(code="CANCEL_REFUSED", message=f"The external system ended the cancellation as {raw_state}.")
    return tuple(each for each in found if each) or (unsaid,)


def _error(error: object) -> Reason | None:
    if not isinstance(error, dict):
        text = as_text(error)
        return Reason(code="CANCEL_REFUSED", message=text) if text else None
    message = first_text(error, "message", "reason")
    code = first_text(error, "code")
    return Reason(code=code or "CANCEL_REFUSED", message=message or code or "") if message or code else None
