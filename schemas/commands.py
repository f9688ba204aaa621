"""Commands to dispatch (topics `testrun.dispatch.<spoke>`)."""

from schemas.base import Model
from schemas.run_document import NonEmptyStr, RunDocument


class PinnedDecision(Model):
    """The decision made once on the root and kept for its children, changes and cancellation.

    `policy` and `selector` are written `table@version#row`.
    """

    policy: NonEmptyStr
    selector: NonEmptyStr
    hierarchical: bool
    payload: str = "per-run"


class SendRun(Model):
    """POST this run. `run.children` is filled only for the payload `bundle`."""

    run: RunDocument
    request_id: NonEmptyStr
    spoke: NonEmptyStr
    decision: PinnedDecision


class ChangeRun(Model):
    """Bring what the external system knows up to this document."""

    run: RunDocument
    request_id: NonEmptyStr
    spoke: NonEmptyStr
    decision: PinnedDecision
    reason: str | None = None


class CancelRun(Model):
    """Cancel this run at the external system."""

    run_id: NonEmptyStr
    root_run_id: NonEmptyStr
    request_id: NonEmptyStr
    spoke: NonEmptyStr
    decision: PinnedDecision
    reason: str | None = None


Command = SendRun | ChangeRun | CancelRun
