"""What other services request for test runs: requested, changed, cancelled (topic `testrun.lifecycle`)."""

from schemas.base import Model
from schemas.run_document import NonEmptyStr, RunDocument


class RunRequested(Model):
    """A run, or a root with its children, is to be executed."""

    run: RunDocument


class RunChanged(Model):
    """The desired state of a run changed; `run.version` is higher than before."""

    run: RunDocument
    reason: str | None = None


class RunCancelled(Model):
    """A run is no longer to be executed; the root of a hierarchical request is cancelled with its children."""

    run_id: NonEmptyStr
    root_run_id: NonEmptyStr
    reason: str | None = None


LifecycleEvent = RunRequested | RunChanged | RunCancelled
