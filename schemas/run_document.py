"""The run document: everything an external system needs to know to execute one test run.

Field names are those of TMF653 v4.1 `ServiceTest`, in snake case.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Self

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator, model_validator

from schemas.base import LONG_MAX, LONG_MIN, Model, Whole
from schemas.vocabulary import Mode

_LONG_RANGE = f"{LONG_MIN} to {LONG_MAX}"


def _to_utc(moment: datetime) -> datetime:
    """Read a moment without a zone as UTC, truncated to Avro's milliseconds."""
    if moment.tzinfo is UTC and not moment.microsecond % 1000:
        return moment  # nearly always: our own moments, and those decoded from Avro
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).replace(microsecond=aware.microsecond // 1000 * 1000)
    except OverflowError:
        raise ValueError(f"{moment.isoformat()} is outside the years 1 to 9999 in UTC") from None


def _check_is_no_number(value: object) -> object:
    # Pydantic takes 20260101 for seconds since 1970, which is a day in August of that year.
    is_number = isinstance(value, int | float) or (isinstance(value, str) and "-" not in value[1:])
    if is_number:
        raise ValueError("is a number or no date: write a date and time such as 2026-01-31T09:35:43Z")
    return value


Timestamp = Annotated[datetime, BeforeValidator(_check_is_no_number), AfterValidator(_to_utc)]
# No NUL: databases refuse it in a text.
NonEmptyStr = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]


WholeSeconds = Annotated[Whole, Field(ge=0)]


class JsonText(Model):
    """A value that is an object or a list, kept as JSON text because Avro has no type for it."""

    json_text: str

    @field_validator("json_text")
    @classmethod
    def _check_json(cls, text: str) -> str:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as wrong:
            raise ValueError(f"is not JSON: {wrong}") from None
        return text


# Spaces around a value belong to it, other than those around a name.
JsonValue = bool | int | float | Annotated[str, StringConstraints(strip_whitespace=False)] | JsonText | None


def value_from_json(value: object) -> object:
    """Convert any JSON value to a `JsonValue`; refuse numbers that could not be passed on unchanged."""
    if isinstance(value, int) and not LONG_MIN <= value <= LONG_MAX:
        raise ValueError(f"is a number that does not fit into 64 bits with a sign ({_LONG_RANGE}); send it as text")
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, list) or (isinstance(value, dict) and set(value) != {"json_text"}):
        return _to_json_text(value)
    return value


def _to_json_text(value: object) -> JsonText:
    try:
        text = orjson.dumps(value).decode()
        json.dumps(value, allow_nan=False)  # orjson would write null for a number that is not finite
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"cannot be kept as JSON text: {wrong}") from None
    return JsonText(json_text=text)


def value_to_json(value: JsonValue) -> object:
    """Return the plain JSON value of a document's value."""
    return orjson.loads(value.json_text) if isinstance(value, JsonText) else value


class ServiceRef(Model):
    """The service under test (TMF653 `ServiceRef`)."""

    id: NonEmptyStr
    href: str | None = None
    name: str | None = None
    type: str | None = None


class SpecificationRef(Model):
    """What to test (TMF653 `ServiceTestSpecificationRef`)."""

    id: NonEmptyStr
    href: str | None = None
    name: str | None = None
    version: str | None = None
    type: str | None = None


class Characteristic(Model):
    """One input parameter of a run. `value` may be any JSON value."""

    name: NonEmptyStr
    value: JsonValue = None
    value_type: str | None = None

    _convert_value = field_validator("value", mode="before")(value_from_json)


class RelatedParty(Model):
    """A party that is related to the run (TMF653 `RelatedParty`)."""

    id: NonEmptyStr
    referred_type: NonEmptyStr
    name: str | None = None
    role: str | None = None
    href: str | None = None


class ThresholdRule(Model):
    """A rule for the values of a measure, passed on unchanged (TMF653 `MetricDefMeasureThresholdRule`)."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    severity: str | None = None
    conformance_target_lower: str | None = None
    conformance_target_upper: str | None = None
    conformance_target_exact: str | None = None
    conformance_comparator_lower: str | None = None
    conformance_comparator_upper: str | None = None
    conformance_comparator_exact: bool | None = None
    number_of_allowed_crossing: Whole | None = None
    tolerance_seconds: WholeSeconds | None = None


class RequestedMeasure(Model):
    """A measure that the ordering service expects back, under this id. Without one it gets that of its definition."""

    id: Annotated[str, Field(pattern=r"^[^\x00]*$")] = ""
    metric_name: NonEmptyStr
    metric_href: str | None = None
    definition_id: str | None = None
    unit_of_measure: str | None = None
    mandatory: bool = True
    threshold_rule: tuple[ThresholdRule, ...] = ()


class AppliedSpecification(Model):
    """What a run takes from its test specification. It is chosen once, when the run is routed, and kept.

    `revision` is that of the record on `testrun.specifications`, `expected_duration` and `time_out` are in seconds.
    """

    id: NonEmptyStr
    revision: Whole = 0
    name: str | None = None
    version: str | None = None
    type: str | None = None
    lifecycle_status: str | None = None
    characteristic: tuple[Characteristic, ...] = ()
    test_measure: tuple[RequestedMeasure, ...] = ()
    expected_duration: WholeSeconds | None = None
    time_out: WholeSeconds | None = None


class ValidityPeriod(Model):
    """When results are valid (TMF653 `TimePeriod`); an end that is None is open."""

    start_date_time: Timestamp | None = None
    end_date_time: Timestamp | None = None


class RunDocument(Model):
    """The whole desired state of one run; a root may embed its child documents as a flat list.

    `version` grows with every change. `order` is the position among the children of one parent.
    `child_run_ids` names children that arrive as their own `RunRequested` events instead. `expected_duration` is in
    seconds, and so is `time_out`, after which a run that has not ended ends as timed out. `specification` is filled in
    by Southbound; what an ordering service writes there is ignored. `other_attributes` are those of an ordered
    `ServiceTest` that have no field of their own: they are shown again, and sent to no one.
    """

    run_id: NonEmptyStr
    if TYPE_CHECKING:
        root_run_id: NonEmptyStr = ""  # callers may leave it out: `_default_root_run_id`
    else:
        root_run_id: NonEmptyStr
    parent_run_id: str | None = None
    version: Whole = Field(default=1, ge=1)
    name: NonEmptyStr
    description: str | None = None
    mode: Mode = Mode.ONDEMAND
    priority: Whole | None = None
    tenant: str | None = None
    test_specification: SpecificationRef
    related_service: ServiceRef
    characteristic: tuple[Characteristic, ...] = ()
    related_party: tuple[RelatedParty, ...] = ()
    test_measure: tuple[RequestedMeasure, ...] = ()
    start_date_time: Timestamp | None = None
    end_date_time: Timestamp | None = None
    valid_for: ValidityPeriod | None = None
    other_attributes: JsonText | None = None
    expected_duration: WholeSeconds | None = None
    time_out: WholeSeconds | None = None
    specification: AppliedSpecification | None = None
    order: Whole = 0
    children: tuple[RunDocument, ...] = ()
    child_run_ids: tuple[str, ...] = ()

    @field_validator("version", "priority", "order", "expected_duration", "time_out", mode="before")
    @classmethod
    def _check_is_no_boolean(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("should be a whole number, not true or false")  # noqa: TRY004 - pydantic takes ValueError
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_root_run_id(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("root_run_id") and not data.get("parent_run_id"):
            return {**data, "root_run_id": data.get("run_id")}
        return data

    @model_validator(mode="after")
    def _check_children_are_flat(self) -> Self:
        for child in self.children:
            if child.children:
                raise ValueError(
                    f"children are a flat list with parent_run_id: "
                    f"child {child.run_id[:80]!r} carries children of its own"
                )
        return self
