"""Read the measures of a TMF653 `ServiceTest`, in all the forms in which systems write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import as_text, items, mapping, measured_value, moment, number, text
from router.runs.reports import ExternalMeasure
from schemas.results import Reason, RuleViolation

if TYPE_CHECKING:
    from consumers.spokes.tmf653.lenient_json import Json
    from schemas.run_document import Value


def read_measures(run: Json) -> tuple[tuple[ExternalMeasure, ...], tuple[Reason, ...]]:
    """Return the measures, and a reason for each that could not be read: none is dropped silently."""
    measures: list[ExternalMeasure] = []
    reasons: list[Reason] = []
    for place, item in enumerate(items(run.get("testMeasure"))):
        try:
            measures.append(_measure(item))
        except NotUnderstoodError as error:
            where = f"/testMeasure/{place}"
            reasons.append(Reason(code="MEASURE_UNREADABLE", message=str(error), property_path=where))
    return tuple(measures), tuple(reasons)


def _measure(item: object) -> ExternalMeasure:
    if not isinstance(item, dict):
        raise NotUnderstoodError("a measure is not an object")
    value, value_type = _value(item.get("value"))
    return ExternalMeasure(
        id=text(item, "id"),
        definition_id=text(item, "testMeasureDefinitionId"),
        metric_name=text(item, "metricName"),
        metric_href=text(item, "metricHref", "metricUri"),
        value=value,
        has_value=value is not None and value != "",
        value_type=value_type or text(item, "valueType"),
        unit_of_measure=text(item, "unitOfMeasure"),
        accuracy=number(item.get("accuracy")),
        capture_date_time=moment(item.get("captureDateTime")),
        capture_method=text(item, "captureMethod"),
        rule_violation=tuple(_violation(mapping(one)) for one in items(item.get("ruleViolation")) if one),
    )


def _value(found: object) -> tuple[Value, str | None]:
    """Return the value of a Characteristic object; ServiceNow's samples have a bare text instead."""
    if isinstance(found, dict) and "value" in found:
        return measured_value(found["value"]), text(found, "valueType")
    return measured_value(found), None


def _violation(rule: Json) -> RuleViolation:
    # ServiceNow's tables misspell "Comparator" where its bodies do not: both are read.
    return RuleViolation(
        id=text(rule, "id"),
        name=text(rule, "name"),
        description=text(rule, "description"),
        severity=text(rule, "thresholdRuleSeverity", "severity"),
        conformance_target_lower=text(rule, "conformanceTargetLower"),
        conformance_target_upper=text(rule, "conformanceTargetUpper"),
        conformance_target_exact=text(rule, "conformanceTargetExact"),
        conformance_comparator_lower=text(rule, "conformanceComparatorLower", "conformanceComporatorLower"),
        conformance_comparator_upper=text(rule, "conformanceComparatorUpper", "conformanceComporatorUpper"),
        consequence=_consequence(items(rule.get("appliedConsequence"))),
    )


def _consequence(applied: list[object]) -> str | None:
    said = [_one_consequence(one) for one in applied]
    return "; ".join(one for one in said if one) or None


def _one_consequence(one: object) -> str | None:
    return text(one, "appliedAction", "name", "description") if isinstance(one, dict) else as_text(one)
