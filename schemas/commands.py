"""Commands to dispatch (topics `testrun.dispatch.<spoke>`)."""

from schemas.base import Model
from schemas.run_document import Filled, RunDocument


class PinnedDecision(Model):
    """The decision made once on the root and kept for its children, changes and cancellation.

    `policy` and `selector` are written `table@version#row`.
    """

    policy: Filled
    selector: Filled
    hierarchical: bool
    payload: str = "per-run"


class SendRun(Model):
    """POST this run. `run.children` is filled only for the payload `bundle`."""

    run: RunDocument
    request_id: Filled
    spoke: Filled
    decision: PinnedDecision


class ChangeRun(Model):
    """Bring what the external system knows up to this document."""

    run: RunDocument
    request_id: Filled
    spoke: Filled
    decision: PinnedDecision
    reason: str | None = None


class CancelRun(Model):
    """Cancel this run at the external system."""

    run_id: Filled
    root_run_id: Filled
    request_id: Filled
    spoke: Filled
    decision: PinnedDecision
    reason: str | None = None


Command = SendRun | ChangeRun | CancelRun
