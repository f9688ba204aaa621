"""Results and in-flight updates of runs and requests (topics `testrun.inflight` and `testrun.results`)."""

from pydantic import Field, field_validator

from schemas.base import Model, Whole
from schemas.run_document import JsonValue, NonEmptyStr, Timestamp, value_from_json
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState, UpdateKind


class Reason(Model):
    """Why something was refused or went wrong; `code` is stable, `message` is for people."""

    code: NonEmptyStr
    message: str
    property_path: str | None = None


class TolerancePeriod(Model):
    """For how long a threshold may be crossed (TMF653 `Duration`)."""

    amount: Whole | None = None
    units: str | None = None


class AppliedConsequence(Model):
    """What follows from a violation (TMF653 `AppliedConsequence`). The id is that of the system, or one of ours."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    applied_action: str | None = None
    repeat_action: bool | None = None


class RuleViolation(Model):
    """A threshold rule that the external system reports as violated (TMF653 `MeasureThresholdRuleViolation`).

    It is passed through unchanged. The id is that of the system, or one of ours that stays the same. `consequence` is
    a text of all `applied_consequence`.
    """

    id: str | None = None
    name: str | None = None
    description: str | None = None
    severity: str | None = None
    conformance_target_lower: str | None = None
    conformance_target_upper: str | None = None
    conformance_target_exact: str | None = None
    conformance_comparator_lower: str | None = None
    conformance_comparator_upper: str | None = None
    consequence: str | None = None
    conformance_comparator_exact: bool | None = None
    number_of_allowed_crossing: Whole | None = None
    tolerance_period: TolerancePeriod | None = None
    applied_consequence: tuple[AppliedConsequence, ...] = ()


class ReportedMeasure(Model):
    """One measured value; `id` is always filled, `id_origin` says how it was found."""

    id: NonEmptyStr
    id_origin: MeasureIdOrigin
    metric_name: str | None = None
    metric_href: str | None = None
    value: JsonValue = None
    value_type: str | None = None
    unit_of_measure: str | None = None
    accuracy: float | None = None
    capture_date_time: Timestamp | None = None
    capture_method: str | None = None
    rule_violation: tuple[RuleViolation, ...] = ()

    _convert_value = field_validator("value", mode="before")(value_from_json)


class RequestProgress(Model):
    """How many runs of a hierarchical request have ended, and how many are in which state.

    `notAccepted` in `counts` are those that the external system has not accepted.
    """

    total: Whole
    ended: Whole
    counts: dict[str, Whole] = Field(default_factory=dict)


class RunUpdate(Model):
    """Something happened to a run in flight. `revision` orders the events of one run.

    `previous_revision` is the revision of the event before, `RunUpdate` or `RunResult`; None if there was none, or if
    it is not known any more. A reader of both topics sees from it that an event on the other topic is outstanding.

    `test_measure` are measures that arrived after the end of the run. `request_progress` is on updates of a root about
    the runs of its request, which may follow its own result.
    """

    run_id: NonEmptyStr
    root_run_id: NonEmptyStr
    request_id: NonEmptyStr
    spoke: str
    external_id: str | None = None
    external_href: str | None = None
    kind: UpdateKind
    phase: Phase
    state: RunState | None = None
    version: Whole
    reasons: tuple[Reason, ...] = ()
    test_measure: tuple[ReportedMeasure, ...] = ()
    request_progress: RequestProgress | None = None
    revision: Whole
    previous_revision: Whole | None = None
    occurred_at: Timestamp


class RunResult(Model):
    """A run has ended, with its measures."""

    run_id: NonEmptyStr
    root_run_id: NonEmptyStr
    request_id: NonEmptyStr
    spoke: str
    external_id: str | None = None
    state: RunState
    result: Result | None = None
    test_measure: tuple[ReportedMeasure, ...] = ()
    reasons: tuple[Reason, ...] = ()
    revision: Whole
    previous_revision: Whole | None = None
    occurred_at: Timestamp


class RunOutcome(Model):
    """How one run of a request ended."""

    run_id: NonEmptyStr
    state: RunState
    result: Result | None = None


class RequestResult(Model):
    """Every run of a request has ended: completed only if all are, else failed, with the counts per state.

    `reasons` say why runs were cancelled together, or left out.
    """

    request_id: NonEmptyStr
    root_run_id: NonEmptyStr
    spoke: str
    hierarchical: bool
    state: RunState
    counts: dict[str, Whole] = Field(default_factory=dict)
    runs: tuple[RunOutcome, ...] = ()
    reasons: tuple[Reason, ...] = ()
    occurred_at: Timestamp


RunNotification = RunUpdate | RunResult | RequestResult
