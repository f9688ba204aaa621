"""Read a `ServiceTestSpecification` (TMF653 v4.1 and v5.0) as what a run can take from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from router.specifications.durations import MAX_AMOUNT, UNITS, duration_of
from router.specifications.tmf_types import MAX_CHARACTERISTICS, MAX_ID_LENGTH, MAX_MEASURES, MAX_RULES, MAX_VALUES
from schemas.base import LONG_MAX
from schemas.files.mistakes import sentence_of
from schemas.run_document import (
    AppliedSpecification,
    Characteristic,
    RequestedMeasure,
    ThresholdRule,
)
from schemas.text.blank import is_blank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

MAX_MISTAKES = 20  # that an error names

_NO_NUL = r"^[^\x00]*$"
_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
_TIME_UNIT = r"(?i)^(second|minute|hour|day)s?$"
_DIGITS = re.compile(r"[0-9]{1,15}")


class SpecificationError(ValueError):
    """A document is no test specification. Each of `sentences` begins with the JSON pointer of what is wrong."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("; ".join(self.sentences))


def _blank_is_none(value: object) -> object:
    return None if is_blank(value) else value  # ServiceNow writes "" for null


def _whole(value: object) -> object:
    """Return a whole number, or a text of its digits, as it is.

    Raises:
        ValueError: it is a Boolean, which Python counts as a number, or another text.
    """
    if isinstance(value, bool) or (isinstance(value, str) and not _DIGITS.fullmatch(value.strip())):
        raise ValueError("must be a whole number")
    return value


def _boolean(value: object) -> object:
    """Return a Boolean; ServiceNow writes it as a text.

    Raises:
        ValueError: it is something else.
    """
    found = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - pydantic reports a ValueError with its place
    return found


NullableText = Annotated[Annotated[str, Field(pattern=_NO_NUL)] | None, BeforeValidator(_blank_is_none)]
Boolean = Annotated[bool, BeforeValidator(_boolean)]
NullableBoolean = Annotated[Boolean | None, BeforeValidator(_blank_is_none)]
Count = Annotated[
    Annotated[int, Field(ge=0, le=LONG_MAX), BeforeValidator(_whole)] | None, BeforeValidator(_blank_is_none)
]
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=_NO_CONTROL)]


class _Part(BaseModel):
    """A part of the document. Fields that no run takes anything from are not read."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", str_strip_whitespace=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )


class _Duration(_Part):
    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT), BeforeValidator(_whole)]
    units: Annotated[str, Field(pattern=_TIME_UNIT)]

    @property
    def seconds(self) -> int:
        return self.amount * UNITS[self.units.lower().removesuffix("s")]


Period = Annotated[_Duration | None, BeforeValidator(duration_of), BeforeValidator(_blank_is_none)]


class _Rule(_Part):
    id: NullableText = None
    name: NullableText = None
    description: NullableText = None
    severity: NullableText = Field(None, alias="thresholdRuleSeverity")
    target_lower: NullableText = Field(None, alias="conformanceTargetLower")
    target_upper: NullableText = Field(None, alias="conformanceTargetUpper")
    target_exact: NullableText = Field(None, alias="conformanceTargetExact")
    comparator_lower: NullableText = Field(None, alias="conformanceComparatorLower")
    comparator_upper: NullableText = Field(None, alias="conformanceComparatorUpper")
    comparator_exact: NullableBoolean = Field(None, alias="conformanceComparatorExact")
    allowed_crossing: Count = Field(None, alias="numberOfAllowedCrossing")
    tolerance: Period = Field(None, alias="tolerancePeriod")


class _Measure(_Part):
    id: Annotated[Id | None, BeforeValidator(_blank_is_none)] = None
    name: NullableText = None
    metric_name: NullableText = Field(None, alias="metricName")
    metric_href: NullableText = Field(None, alias="metricHref")
    metric_uri: NullableText = Field(None, alias="metricUri")
    unit: NullableText = Field(None, alias="unitOfMeasure")
    mandatory: Boolean = True
    rules: Annotated[tuple[_Rule, ...], Field(max_length=MAX_RULES)] = Field((), alias="thresholdRule")


class _Value(_Part):
    value: object = None
    is_default: NullableBoolean = Field(None, alias="isDefault")


class _Characteristic(_Part):
    name: Annotated[str, Field(min_length=1, pattern=_NO_NUL)]
    value_type: NullableText = Field(None, alias="valueType")
    values: Annotated[tuple[_Value, ...], Field(max_length=MAX_VALUES)] = Field(
        (), alias="characteristicValueSpecification"
    )


class _Reference(_Part):
    id: Annotated[str, Field(min_length=1, pattern=_NO_NUL)]


class _Specification(_Part):
    id: Id
    name: Annotated[str, Field(min_length=1, pattern=_NO_NUL)]
    version: NullableText = None
    type: NullableText = Field(None, alias="@type")
    lifecycle_status: NullableText = Field(None, alias="lifecycleStatus")
    # TMF653 requires it. It says which services can be tested, which no run takes anything from.
    services: Annotated[tuple[_Reference, ...], Field(min_length=1, alias="relatedServiceSpecification")]
    characteristics: Annotated[tuple[_Characteristic, ...], Field(max_length=MAX_CHARACTERISTICS)] = Field(
        (), alias="specCharacteristic"
    )
    measures: Annotated[tuple[_Measure, ...], Field(max_length=MAX_MEASURES)] = Field((), alias="testMeasureDefinition")
    expected_duration: Period = Field(None, alias="expectedDuration")
    time_out: Period = Field(None, alias="timeOut")


def read_specification(document: Mapping[str, object], revision: int = 0) -> AppliedSpecification:
    """Return what a run takes from this test specification.

    The id of a measure is the `id` of its definition, else the definition's `name`, else its `metricName`.
    `expectedDuration`, `timeOut` and a measure's `mandatory` are extensions of TMF653, which has no such fields.

    Raises:
        SpecificationError: a required field is missing, a field is of the wrong type, or two measures share an id.
    """
    try:
        read = _Specification.model_validate(document)
    except ValidationError as error:
        raise SpecificationError(map(_sentence_of, error.errors(include_url=False)[:MAX_MISTAKES])) from None
    measures = _measures(read)
    try:
        return AppliedSpecification(
            id=read.id,
            revision=revision,
            name=read.name,
            version=read.version,
            type=read.type,
            lifecycle_status=read.lifecycle_status,
            characteristic=tuple(map(_characteristic, read.characteristics)),
            test_measure=measures,
            expected_duration=read.expected_duration.seconds if read.expected_duration else None,
            time_out=read.time_out.seconds if read.time_out else None,
        )
    except ValidationError as error:  # a value that no event can have
        raise SpecificationError(map(_sentence_of, error.errors(include_url=False)[:MAX_MISTAKES])) from None


def _measures(read: _Specification) -> tuple[RequestedMeasure, ...]:
    sentences, measures, places = [], [], dict[str, int]()
    for place, definition in enumerate(read.measures):
        pointer = f"/testMeasureDefinition/{place}"
        metric_name = definition.metric_name or definition.name
        if metric_name is None:
            sentences.append(f"{pointer}/metricName: is missing, and so is the name")
            continue
        measure_id = definition.id or definition.name or metric_name
        if measure_id in places:
            other = f"/testMeasureDefinition/{places[measure_id]}"
            sentences.append(f"{pointer}: has the id {measure_id[:80]!r}, as {other} has: write an id to each")
        places.setdefault(measure_id, place)
        measures.append(_measure(definition, measure_id, metric_name))
    if sentences:
        raise SpecificationError(sentences[:MAX_MISTAKES])
    return tuple(measures)


def _measure(definition: _Measure, measure_id: str, metric_name: str) -> RequestedMeasure:
    return RequestedMeasure(
        id=measure_id,
        metric_name=metric_name,
        metric_href=definition.metric_href or definition.metric_uri,
        definition_id=definition.id,
        unit_of_measure=definition.unit,
        mandatory=definition.mandatory,
        threshold_rule=tuple(map(_rule, definition.rules)),
    )


def _rule(rule: _Rule) -> ThresholdRule:
    return ThresholdRule(
        id=rule.id,
        name=rule.name,
        description=rule.description,
        severity=rule.severity,
        conformance_target_lower=rule.target_lower,
        conformance_target_upper=rule.target_upper,
        conformance_target_exact=rule.target_exact,
        conformance_comparator_lower=rule.comparator_lower,
        conformance_comparator_upper=rule.comparator_upper,
        conformance_comparator_exact=rule.comparator_exact,
        number_of_allowed_crossing=rule.allowed_crossing,
        tolerance_seconds=rule.tolerance.seconds if rule.tolerance else None,
    )


def _characteristic(read: _Characteristic) -> Characteristic:
    """Return its default value, else its only one, else the list of its values."""
    values = [each.value for each in read.values if each.is_default][:1] or [each.value for each in read.values]
    value = values[0] if len(values) == 1 else values or None
    return Characteristic(name=read.name, value=value, value_type=read.value_type)


def _sentence_of(problem: ErrorDetails) -> str:
    pointer = "".join(f"/{part}" for part in problem["loc"])
    pattern = str(problem.get("ctx", {}).get("pattern", ""))
    message = _SENTENCES.get(problem["type"]) or _PATTERNS.get(pattern) or sentence_of(problem)
    return f"{pointer or '/'}: {message[:1].lower()}{message[1:]}"


# Of JSON; `sentence_of` has the words of YAML.
_SENTENCES = {
    "missing": "is missing",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
}
_PATTERNS = {
    _NO_NUL: "holds a NUL character (U+0000)",
    _NO_CONTROL: "holds a control character, such as a line break",
    _TIME_UNIT: "must be seconds, minutes, hours or days",
}
