"""Write the cancellation of a run as the TMF653 v5 task `CancelServiceTest`; a run has at most one, with its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.api_version import ApiVersion
from router.northbound.errors import MistakeCode, refuse
from router.northbound.resource import href_of
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from router.northbound.order import RunView
    from router.northbound.resource import Resource

MAX_REASON_LENGTH = 1_000
TASK_ATTRIBUTES = frozenset({"id", "href", "state", "serviceTest", "cancellationReason", "@type"})
TASK_STATES = ("acknowledged", "rejected", "inProgress", "cancelled", "done", "terminatedWithError")


def cancel_task_of(view: RunView, base_url: str = "") -> Resource:
    """Return the task of a run whose cancellation was ordered."""
    run_id = view.run_id
    address = href_of(run_id, ApiVersion.V5, base_url)
    task: Resource = {
        "id": run_id,
        "href": address.replace("/serviceTest/", "/cancelServiceTest/"),
        "state": _state(view),
        "serviceTest": {"id": run_id, "href": address, "@type": "ServiceTestRef", "@referredType": "ServiceTest"},
        "@type": "CancelServiceTest",
    }
    order = view.order
    if order is not None and order.reason is not None and order.cancelled_at is not None:
        task["cancellationReason"] = order.reason
    if view.has_ended and view.state is not RunState.CANCELLED:
        sentence = f"the run was {view.state.value} before it could be cancelled"
        task["errorMessage"] = [{"code": "otherIssue", "reason": sentence, "@type": "Error"}]
    return task


def read_cancellation(body: object) -> tuple[str, str | None]:
    """Return the id of the run that a new task names, and the reason.

    Raises:
        ApiRefusedError: 400.
    """
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the body must be a JSON object")
    run, reason = body.get("serviceTest"), body.get("cancellationReason")
    run_id = run.get("id") if isinstance(run, dict) else None
    if run_id is None:
        place = "/serviceTest/id" if isinstance(run, dict) else "/serviceTest"
        raise refuse(400, MistakeCode.MISSING, "the run to cancel is missing", place)
    if not isinstance(run_id, str) or not run_id.strip() or "\x00" in run_id:
        raise refuse(400, MistakeCode.INVALID_VALUE, "the id of a run is a text", "/serviceTest/id")
    if reason is not None and (
        not isinstance(reason, str) or len(reason) > MAX_REASON_LENGTH or "\x00" in reason or not reason.strip()
    ):
        sentence = f"a reason is a text of 1 to {MAX_REASON_LENGTH} characters"
        raise refuse(400, MistakeCode.INVALID_VALUE, sentence, "/cancellationReason")
    return run_id, reason


def _state(view: RunView) -> str:
    """Return the state of the task (TMF653 v5 `TaskStateType`)."""
    if view.has_ended:
        return "done" if view.state is RunState.CANCELLED else "terminatedWithError"
    return "inProgress" if view.row is not None and view.row.cancel_requested else "acknowledged"
