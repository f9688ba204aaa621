"""The wire format of the job API: a test run is a job with a number, a numeric status and a list of readings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from consumers.spokes.conventions.body_limits import check_values
from consumers.spokes.port import NotUnderstoodError
from router.runs.measures.bounds import MAX_MEASURES
from router.runs.reports.report import ExternalMeasure
from schemas.results import RuleViolation
from schemas.run_document import JsonValue, value_from_json
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_VIOLATIONS = 100  # of a reading
_MAX_LISTED = 1_000  # jobs of one page

# The API has numbers for states; a profile can add some (`state_spellings: {"70": completed}`).
STATES: Mapping[int, RunState] = {
    10: RunState.ACKNOWLEDGED,  # queued
    20: RunState.IN_PROGRESS,
    25: RunState.PENDING,  # waits for a person
    30: RunState.COMPLETED,
    40: RunState.FAILED,
    50: RunState.CANCELLED,  # aborted
    60: RunState.REJECTED,
}


def _moment(milliseconds: object) -> datetime | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


EpochMilliseconds = Annotated[datetime | None, BeforeValidator(_moment)]
Text = Annotated[str, Field(max_length=512, pattern=r"^[^\x00]*$")]
Value = Annotated[JsonValue, BeforeValidator(value_from_json)]


class _WireModel(BaseModel):
    # What the API adds one day is ignored.
    model_config = ConfigDict(
        frozen=True, extra="ignore", coerce_numbers_to_str=True, alias_generator=to_camel, populate_by_name=True
    )


class BrokenLimit(_WireModel):
    """A limit that a reading broke."""

    name: Text | None = None
    severity: Text | None = None
    lower: Text | None = None
    upper: Text | None = None

    def to_violation(self) -> RuleViolation:
        """Return it in terms of TMF653."""
        return RuleViolation(
            name=self.name,
            severity=self.severity,
            conformance_target_lower=self.lower,
            conformance_target_upper=self.upper,
        )


class Reading(_WireModel):
    """One measured value, under the key that the order gave it."""

    key: Text | None = None
    quantity: Text | None = None
    value: Value = None
    unit: Text | None = None
    taken_at: EpochMilliseconds = None
    broken_limits: tuple[BrokenLimit, ...] = Field(default=(), max_length=_MAX_VIOLATIONS)

    def to_measure(self) -> ExternalMeasure:
        """Return it in terms of TMF653."""
        return ExternalMeasure(
            id=self.key,
            metric_name=self.quantity,
            value=self.value,
            has_value=self.value is not None,
            unit_of_measure=self.unit,
            capture_date_time=self.taken_at,
            rule_violation=tuple(limit.to_violation() for limit in self.broken_limits),
        )


class JobFault(_WireModel):
    """Why a job failed or was refused."""

    code: Text
    text: Annotated[str, Field(max_length=10_000)] = ""


class Job(_WireModel):
    """A job as the API shows it: in a response, in a list and in a notification."""

    job_id: Text = Field(min_length=1)
    status: int | None = None
    reference: Text | None = None  # our run id, which the order gave
    procedure: Text | None = None
    target: Text | None = None
    note: str | None = None
    title: str | None = None
    not_before: int | None = None  # milliseconds since 1970
    parameters: dict[str, Any] | None = None
    readings: tuple[Reading, ...] | None = Field(default=None, max_length=MAX_MEASURES)
    fault: JobFault | None = None
    steps: tuple[Job, ...] = Field(default=(), max_length=_MAX_LISTED)


class JobEvent(Job):
    """A notification: the job's number and status, and what else the system cares to send of the job."""

    type: Text = Field(min_length=1)
    sequence: int | None = None  # of the events of a job


class JobList(_WireModel):
    """A page of jobs; `total` counts all that match."""

    jobs: tuple[Job, ...] = Field(max_length=_MAX_LISTED)
    total: int | None = None


M = TypeVar("M", bound=_WireModel)


def read(model: type[M], body: bytes) -> M:
    """Read a body.

    Raises:
        NotUnderstoodError: it has another shape, or too many values; the message names the first field that is wrong.
    """
    check_values(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"])) or "the body"
        raise NotUnderstoodError(f"the body is no {model.__name__}: {where}: {first['msg']}") from None
