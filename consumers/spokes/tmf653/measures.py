"""Read the measures of a TMF653 `ServiceTest`, in all the forms in which systems write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import (
    as_json_value,
    as_list,
    as_mapping,
    as_moment,
    as_number,
    as_text,
    first_text,
    is_changed,
)
from router.runs.reports import ExternalMeasure
from schemas.results import Reason, RuleViolation

if TYPE_CHECKING:
    from consumers.spokes.tmf653.lenient_json import Json
    from schemas.run_document import JsonValue


def read_measures(run: Json) -> tuple[tuple[ExternalMeasure, ...], tuple[Reason, ...]]:
    """Return the measures, and a reason for each that could not be read: none is dropped silently."""
    measures: list[ExternalMeasure] = []
    reasons: list[Reason] = []
    for position, item in enumerate(as_list(run.get("testMeasure"))):
        where = f"/testMeasure/{position}"
        try:
            measures.append(_measure(item))
        except NotUnderstoodError as error:
            reasons.append(Reason(code="MEASURE_UNREADABLE", message=str(error), property_path=where))
            continue
        if _has_long_number(item):
            message = "64 bits do not hold a number of the measure: a value is kept as text, an accuracy is rounded"
            reasons.append(Reason(code="NUMBER_NOT_EXACT", message=message, property_path=where))
    return tuple(measures), tuple(reasons)


def _measure(item: object) -> ExternalMeasure:
    if not isinstance(item, dict):
        raise NotUnderstoodError("a measure is not an object")
    value, value_type = _value(item.get("value"))
    return ExternalMeasure(
        id=first_text(item, "id"),
        definition_id=first_text(item, "testMeasureDefinitionId"),
        metric_name=first_text(item, "metricName"),
        metric_href=first_text(item, "metricHref", "metricUri"),
        value=value,
        has_value=value is not None and value != "",
        value_type=value_type or first_text(item, "valueType"),
        unit_of_measure=first_text(item, "unitOfMeasure"),
        accuracy=as_number(item.get("accuracy")),
        capture_date_time=as_moment(item.get("captureDateTime")),
        capture_method=first_text(item, "captureMethod"),
        rule_violation=tuple(_violation(as_mapping(one)) for one in as_list(item.get("ruleViolation")) if one),
    )


def _has_long_number(measure: object) -> bool:
    item = as_mapping(measure)
    found = item.get("value")
    value = found["value"] if isinstance(found, dict) and "value" in found else found
    return is_changed(value) or is_changed(item.get("accuracy"))


def _value(found: object) -> tuple[JsonValue, str | None]:
    """Return the value of a Characteristic object; ServiceNow's samples have a bare text instead."""
    if isinstance(found, dict) and "value" in found:
        return as_json_value(found["value"]), first_text(found, "valueType")
    return as_json_value(found), None


def _violation(rule: Json) -> RuleViolation:
    # ServiceNow's tables misspell "Comparator" where its bodies do not: both are read.
    return RuleViolation(
        id=first_text(rule, "id"),
        name=first_text(rule, "name"),
        description=first_text(rule, "description"),
        severity=first_text(rule, "thresholdRuleSeverity", "severity"),
        conformance_target_lower=first_text(rule, "conformanceTargetLower"),
        conformance_target_upper=first_text(rule, "conformanceTargetUpper"),
        conformance_target_exact=first_text(rule, "conformanceTargetExact"),
        conformance_comparator_lower=first_text(rule, "conformanceComparatorLower", "conformanceComporatorLower"),
        conformance_comparator_upper=first_text(rule, "conformanceComparatorUpper", "conformanceComporatorUpper"),
        consequence=_consequence(as_list(rule.get("appliedConsequence"))),
    )


def _consequence(applied: list[object]) -> str | None:
    texts = [_consequence_text(one) for one in applied]
    return "; ".join(one for one in texts if one) or None


def _consequence_text(action: object) -> str | None:
    return first_text(action, "appliedAction", "name", "description") if isinstance(action, dict) else as_text(action)
