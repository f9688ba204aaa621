"""What an external system reports about the cancellation of a run that is a task of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.results import Reason


class TaskState(StrEnum):
    """How far a cancellation, or a change, has come (TMF653 v5.0 `TaskStateType`, by what follows from it)."""

    IN_PROGRESS = "inProgress"  # accepted; whether the run is cancelled or changed will be reported
    DONE = "done"  # the run is cancelled, or changed
    REFUSED = "refused"  # the run goes on
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTask:
    """The task; `reasons` are why it was refused. `id` is the task's own, not that of the run."""

    id: str | None
    state: TaskState
    reasons: tuple[Reason, ...]
