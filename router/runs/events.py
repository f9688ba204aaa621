"""The events that may happen to a run, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from router.runs.deadlines.deadline import DEFAULT_LIMITS, TimeLimits
from router.runs.measures.thresholds import ComparatorMeaning
from schemas.results import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.failed_attempt import FailedAttempt
    from router.runs.reports.report import ExternalReport
    from schemas.commands import PinnedDecision
    from schemas.results import RequestProgress
    from schemas.run_document import RunDocument


CANCELLED_BEFORE_SENDING = Reason(code="CANCELLED_BEFORE_SENDING", message="The run was cancelled before it was sent.")

CANCEL_REQUESTED = "CANCEL_REQUESTED"


def cancellation_reason(why: str | None) -> Reason | None:
    """Return the reason for which an ordering service cancels a run; None if it gave none."""
    if why is None or not why.strip():
        return None
    return Reason(code=CANCEL_REQUESTED, message=f"The ordering service requested the cancellation: {why.strip()}")


class RunEventKind(StrEnum):
    """The name of an event in the transition table."""

    THRESHOLD_REACHED = "threshold reached"
    ROUTED = "routed"
    COMMAND_PUBLISHED = "command published"
    COMMAND_REPEATED = "command repeated"
    SENDING = "sending"
    ATTEMPT_FAILED = "attempt failed"
    SYSTEM_DOWN = "system down"
    OUTCOME_UNKNOWN = "outcome unknown"
    NOT_FOUND = "not found"
    COMMAND_DELAYED = "command delayed"
    REFUSED_IN_DOUBT = "refused in doubt"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PARENT_NOT_ACCEPTED = "parent not accepted"
    GIVEN_UP = "given up"
    REPORTED = "reported"
    RUN_MISSING = "run missing"
    CHECKED = "checked"
    DEADLINE_REACHED = "deadline reached"
    CHANGE_REQUESTED = "change requested"
    CHANGE_ACCEPTED = "change accepted"
    CHANGE_REFUSED = "change refused"
    REPLACEMENT_BEGUN = "replacement begun"
    REPLACEMENT_DELAYED = "replacement delayed"
    CANCEL_REQUESTED = "cancel requested"
    CANCELLED_BEFORE_SENDING = "cancelled before sending"
    CANCEL_ACCEPTED = "cancel accepted"
    CANCEL_REFUSED = "cancel refused"
    CANCELLATION_CHECKED = "cancellation checked"
    REQUEST_PROGRESSED = "request progressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdReached:
    """Every request definition that matches is used up; the request is released when a use of one is free."""

    kind: ClassVar[RunEventKind] = RunEventKind.THRESHOLD_REACHED
    waits_for: tuple[str, ...]  # empty for a child, which is released with its root
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """The tables decided; the request is sent to a spoke."""

    kind: ClassVar[RunEventKind] = RunEventKind.ROUTED
    request_id: str
    spoke: str
    decision: PinnedDecision
    document: RunDocument
    from_queue: bool = (
        False  # by timer: no record is redelivered to command it, so it stays marked until it is commanded
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPublished:
    """The command of a request that was released from the queue is on its spoke's topic."""

    kind: ClassVar[RunEventKind] = RunEventKind.COMMAND_PUBLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRepeated:
    """A run was not touched for so long that its command is perhaps gone; the command was published again."""

    kind: ClassVar[RunEventKind] = RunEventKind.COMMAND_REPEATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A POST of `document` is about to be written. Stored first: a crash leads to a look-up, not to a second POST."""

    kind: ClassVar[RunEventKind] = RunEventKind.SENDING
    document: RunDocument
    key: str = ""  # of the POST; it follows from its bytes. A child that is a part of another run's POST has none.


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """The POST certainly had no effect; it will be retried."""

    kind: ClassVar[RunEventKind] = RunEventKind.ATTEMPT_FAILED
    failed_attempt: FailedAttempt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemDown:
    """A command about the run waits for its system, which is down for long."""

    kind: ClassVar[RunEventKind] = RunEventKind.SYSTEM_DOWN
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown:
    """The POST was perhaps accepted: the run is looked up before the next one."""

    kind: ClassVar[RunEventKind] = RunEventKind.OUTCOME_UNKNOWN
    reasons: tuple[Reason, ...] = ()
    was_accepted: bool = False  # a response said so, but could not be read
    failed_attempt: FailedAttempt | None = None
    posted_at: datetime | None = None  # the POST was written then or before
    key: str = ""  # of the POST, and its bytes as text: another POST sends the same
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """A look-up proved that the external system does not have the run, for now."""

    kind: ClassVar[RunEventKind] = RunEventKind.NOT_FOUND
    as_of: datetime  # when the look-up was made
    redriven: bool = False  # by a person, from fallout
    failed_attempt: FailedAttempt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDelayed:
    """An attempt at a command failed, which changes nothing: its next attempt follows later."""

    kind: ClassVar[RunEventKind] = RunEventKind.COMMAND_DELAYED
    failed_attempt: FailedAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedInDoubt:
    """Another POST was refused while an earlier one was perhaps accepted: the refusal may be because of that one."""

    kind: ClassVar[RunEventKind] = RunEventKind.REFUSED_IN_DOUBT
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The external system has the run; `document` is what it was sent."""

    kind: ClassVar[RunEventKind] = RunEventKind.ACCEPTED
    external_id: str | None
    href: str | None
    document: RunDocument
    id_deadline: float = 600.0  # seconds for which the external id is looked up, if the system named none
    limits: TimeLimits = DEFAULT_LIMITS
    without_id: Reason | None = None  # why no id was read in the answer, which has something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The external system refused the run: a result, not an error."""

    kind: ClassVar[RunEventKind] = RunEventKind.REFUSED
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentNotAccepted:
    """The parent was refused, blocked or cancelled before it was accepted."""

    kind: ClassVar[RunEventKind] = RunEventKind.PARENT_NOT_ACCEPTED
    parent_run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The retries are used up: a person has to act."""

    kind: ClassVar[RunEventKind] = RunEventKind.GIVEN_UP
    reasons: tuple[Reason, ...]
    failed_attempt: FailedAttempt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The external system reported something; `report_id` distinguishes repeats from news."""

    kind: ClassVar[RunEventKind] = RunEventKind.REPORTED
    report_id: str
    report: ExternalReport
    measures_grace: float = 0.0  # seconds for which a completed run waits for its mandatory measures
    id_deadline: float = 600.0  # seconds for which the external id is looked up, if a run that comes back has none
    ends_with_measures: bool = False  # whether a run has ended once its measures have values, whatever its state
    keeps_unknown_measures: bool = True  # False: measures that match none of the requested ones are left out
    limits: TimeLimits = DEFAULT_LIMITS
    comparators: ComparatorMeaning = ComparatorMeaning.NOT_EVALUATED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMissing:
    """The external system answered that it does not have the run."""

    kind: ClassVar[RunEventKind] = RunEventKind.RUN_MISSING
    lost_after: float  # seconds
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check of a run at its external system has ended, perhaps without what is missing.

    `within` are the seconds for which it is asked for, `gives_up` the reason if it is not asked for any longer.
    """

    kind: ClassVar[RunEventKind] = RunEventKind.CHECKED
    within: float
    answered: bool
    gives_up: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineReached:
    """The expected duration or the time of a run is over at `as_of`, by the detecting process's clock."""

    kind: ClassVar[RunEventKind] = RunEventKind.DEADLINE_REACHED
    as_of: datetime
    limits: TimeLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequested:
    """The ordering service requests another document."""

    kind: ClassVar[RunEventKind] = RunEventKind.CHANGE_REQUESTED
    document: RunDocument
    left_out: Reason | None = None  # what of it is not done, such as a child that is no longer part of the request
    elsewhere: tuple[Reason, ...] = ()  # the fields that are refused because another system would have to have the run


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccepted:
    """The external system accepted the change; `document` is what it has now."""

    kind: ClassVar[RunEventKind] = RunEventKind.CHANGE_ACCEPTED
    document: RunDocument
    limits: TimeLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRefused:
    """The change, or a part of it, was refused by us or by the system; the run continues.

    `test_goes_on`: the test that was to be cancelled for the change is certainly not.
    """

    kind: ClassVar[RunEventKind] = RunEventKind.CHANGE_REFUSED
    version: int
    reasons: tuple[Reason, ...]
    test_goes_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementBegun:
    """The run's test is about to be cancelled for a change: its end is not that of the run."""

    kind: ClassVar[RunEventKind] = RunEventKind.REPLACEMENT_BEGUN


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementDelayed:
    """The system has accepted the cancellation for a change and has not shown it for long; it may report it later."""

    kind: ClassVar[RunEventKind] = RunEventKind.REPLACEMENT_DELAYED
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """The run is no longer wanted, by the ordering service or by us; its result names the `reason`, if there is one."""

    kind: ClassVar[RunEventKind] = RunEventKind.CANCEL_REQUESTED
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledBeforeSending:
    """Nothing was sent, so nothing has to be cancelled at the external system."""

    kind: ClassVar[RunEventKind] = RunEventKind.CANCELLED_BEFORE_SENDING
    reason: Reason = CANCELLED_BEFORE_SENDING
    from_queue: bool = False  # no record is redelivered for it, so it stays marked until its result is published


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAccepted:
    """The external system will cancel the run; its report of the end has not arrived yet.

    `task` is the id of the task that cancels it at the system, which is followed to its end; None if there is none.
    """

    kind: ClassVar[RunEventKind] = RunEventKind.CANCEL_ACCEPTED
    task: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefused:
    """The run can no longer be cancelled; it continues."""

    kind: ClassVar[RunEventKind] = RunEventKind.CANCEL_REFUSED
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationChecked:
    """The system was asked whether a run is cancelled, and did not show its end.

    `absent`: it answered that it does not have the task that cancels the run. `gives_up`: it is not asked any longer.
    `within` are the seconds for which it is asked.
    """

    kind: ClassVar[RunEventKind] = RunEventKind.CANCELLATION_CHECKED
    absent: bool = False
    gives_up: bool = False
    within: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestProgressed:
    """Some runs of a root's request have ended, and others have not."""

    kind: ClassVar[RunEventKind] = RunEventKind.REQUEST_PROGRESSED
    progress: RequestProgress


RunEvent = (
    ThresholdReached
    | Routed
    | CommandPublished
    | CommandRepeated
    | Sending
    | AttemptFailed
    | SystemDown
    | OutcomeUnknown
    | NotFound
    | CommandDelayed
    | RefusedInDoubt
    | Accepted
    | Refused
    | ParentNotAccepted
    | GivenUp
    | Reported
    | RunMissing
    | Checked
    | DeadlineReached
    | ChangeRequested
    | ChangeAccepted
    | ChangeRefused
    | ReplacementBegun
    | ReplacementDelayed
    | CancelRequested
    | CancelledBeforeSending
    | CancelAccepted
    | CancelRefused
    | CancellationChecked
    | RequestProgressed
)
