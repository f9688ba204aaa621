"""Read the measures of a TMF653 `ServiceTest`, in all the forms in which systems write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import (
    UNIT_FIELDS,
    as_json_value,
    as_list,
    as_mapping,
    as_moment,
    as_number,
    as_text,
    as_truth_value,
    as_whole_number,
    first_text,
    is_changed,
    unwrapped,
    wrapped_in,
)
from router.runs.measures.bounds import MAX_MEASURES, measures_left_out
from router.runs.reports.reasons import shortened_text
from router.runs.reports.report import ExternalMeasure
from schemas.results import AppliedConsequence, Reason, RuleViolation, TolerancePeriod
from schemas.text.counts import count_noun
from schemas.text.exact_numbers import is_exact
from schemas.text.shown_json import shown_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from schemas.run_document import JsonValue
    from schemas.text.json_types import Json

_MAX_VIOLATIONS = 100  # of a measure; the first ones and the last
_MAX_CONSEQUENCES = 20  # of a violation
_MAX_UNREAD_PARTS = 10  # of a measure that are quoted
_MAX_SHOWN = 60  # characters of each of them
_CHARACTERISTICS = "testMeasureCharacteristic"  # of 5.0
_CHARACTERISTICS_LEFT_OUT = Reason(
    code="MEASURE_CHARACTERISTIC_LEFT_OUT",
    message=(
        f"The {_CHARACTERISTICS} of measures is left out: a rule of mapping.receive moves one of them to a field of its"
        " measure, or to a measure of its own."
    ),
    property_path=f"/testMeasure/*/{_CHARACTERISTICS}",
)
# What programs write in place of no violation.
_NO_VIOLATION = frozenset({"", "false", "no", "none", "null", "nil", "n/a", "0", "[]", "{}", "-"})
# Parts of a violation that are no texts, or that are texts and were written in another form.
_PARTS_OF_VIOLATION: Mapping[str, Callable[[RuleViolation], object]] = {
    "numberOfAllowedCrossing": lambda violation: violation.number_of_allowed_crossing,
    "conformanceComparatorExact": lambda violation: violation.conformance_comparator_exact,
    "conformanceComporatorExact": lambda violation: violation.conformance_comparator_exact,
    "conformanceTargetLower": lambda violation: violation.conformance_target_lower,
    "conformanceTargetUpper": lambda violation: violation.conformance_target_upper,
    "conformanceTargetExact": lambda violation: violation.conformance_target_exact,
    "tolerancePeriod": lambda violation: violation.tolerance_period,
}


def read_measures(run: Json, limit: int = MAX_MEASURES) -> tuple[tuple[ExternalMeasure, ...], tuple[Reason, ...]]:
    """Return the measures, and a reason for each that could not be read: none is dropped silently.

    Of more than `limit` measures the first ones and the last are read.
    """
    measures: list[ExternalMeasure] = []
    reasons: list[Reason] = []
    items = as_list(run.get("testMeasure"))
    has_characteristics = False
    for position in _places(len(items), limit):
        item, where = items[position], f"/testMeasure/{position}"
        try:
            measures.append(_measure(item))
        except NotUnderstoodError as error:
            reasons.append(Reason(code="MEASURE_UNREADABLE", message=str(error), property_path=where))
            continue
        if _has_long_number(item):
            message = "64 bits do not hold a number of the measure: a value is kept as text, an accuracy is rounded"
            reasons.append(Reason(code="NUMBER_NOT_EXACT", message=message, property_path=where))
        has_characteristics = has_characteristics or bool(as_mapping(item).get(_CHARACTERISTICS))
        if as_mapping(item).get("ruleViolation"):
            reasons += _left_out(as_mapping(item), where)
        if unread := [*_unread_parts(as_mapping(item), measures[-1])]:
            parts = ", ".join(unread[:_MAX_UNREAD_PARTS])
            message = f"left out, or changed, because it cannot be read as it is written: {parts}"
            reasons.append(Reason(code="MEASURE_UNREADABLE", message=message, property_path=where))
    if has_characteristics:
        reasons.append(_CHARACTERISTICS_LEFT_OUT)
    if len(items) > limit:
        reasons.append(measures_left_out(len(items) - max(0, limit)))
    return tuple(measures), tuple(reasons)


def _unread_parts(item: Json, measure: ExternalMeasure) -> Iterator[str]:
    """Yield the parts of a measure that it has in another form than could be read, as they were written."""
    value = _unwrapped_value(item.get("value"))
    if isinstance(value, str) and "\x00" in value:  # databases refuse it
        yield _quoted("value", value)
    for name, read in (
        ("accuracy", measure.accuracy),
        ("captureDateTime", measure.capture_date_time),
        ("metricName", measure.metric_name),
        ("unitOfMeasure", measure.unit_of_measure),
    ):
        if name in item and read is None and not _is_empty(found := unwrapped(item[name])):
            yield _quoted(name, found)
    accuracy = unwrapped(item.get("accuracy"))
    if isinstance(accuracy, str) and measure.accuracy is not None and not is_exact(accuracy.strip()):
        yield _quoted("accuracy", accuracy)
    if measure.rule_violation:
        for rule, violation in zip(_violations(item), measure.rule_violation, strict=True):
            if isinstance(rule, dict):
                yield from _unread_parts_of_violation(rule, violation)


def _unread_parts_of_violation(rule: Json, violation: RuleViolation) -> Iterator[str]:
    for name, read in _PARTS_OF_VIOLATION.items():
        if name in rule and read(violation) is None and not _is_empty(rule[name]):
            yield _quoted(name, rule[name])
    amount, period = as_mapping(rule.get("tolerancePeriod")).get("amount"), violation.tolerance_period
    if period is not None and period.amount is None and not _is_empty(amount):
        yield _quoted("amount", amount)
    actions = [as_mapping(each) for each in as_list(rule.get("appliedConsequence"))[:_MAX_CONSEQUENCES]]
    repeats = [each["repeatAction"] for each in actions if not _is_empty(each.get("repeatAction"))]
    yield from [_quoted("repeatAction", each) for each in repeats if as_truth_value(each) is None]


def _is_empty(found: object) -> bool:
    return found in (None, [], {}) or (isinstance(found, str) and not found.strip())


def _quoted(name: str, found: object) -> str:
    written = str(found) if isinstance(found, str) else shown_json(found)
    return f"{name} {shortened_text(written, _MAX_SHOWN)!r}"


def _left_out(measure: Json, where: str) -> Iterable[Reason]:
    """Return how many violations and consequences of a measure are not kept."""
    if (more := len(as_list(measure.get("ruleViolation"))) - _MAX_VIOLATIONS) > 0:
        left_out = count_noun(more, "violation of the measure is", "violations of the measure are")
        message = f"{left_out} left out: {_MAX_VIOLATIONS} are kept"
        yield Reason(code="VIOLATIONS_LEFT_OUT", message=message, property_path=where)
    counts = [len(as_list(as_mapping(rule).get("appliedConsequence"))) for rule in _violations(measure)]
    if more := sum(max(0, count - _MAX_CONSEQUENCES) for count in counts):
        left_out = count_noun(more, "consequence of a violation is", "consequences of violations are")
        message = f"{left_out} left out: {_MAX_CONSEQUENCES} of each violation are kept"
        yield Reason(code="CONSEQUENCES_LEFT_OUT", message=message, property_path=where)


def _places(count: int, limit: int) -> Iterable[int]:
    """Return which of `count` items are read: all of them, or the first ones and the last."""
    return range(count) if count <= limit else [*range(limit - 1), count - 1][: max(0, limit)]


def _measure(item: object) -> ExternalMeasure:
    if not isinstance(item, dict):
        raise NotUnderstoodError("a measure is not an object")
    value, value_type, unit = _value(item.get("value"))
    return ExternalMeasure(
        id=first_text(item, "id"),
        definition_id=first_text(item, "testMeasureDefinitionId"),
        metric_name=first_text(item, "metricName"),
        metric_href=first_text(item, "metricHref", "metricUri"),
        value=value,
        has_value=value is not None and value != "",
        value_type=value_type or first_text(item, "valueType"),
        unit_of_measure=unit or _unit(item),
        accuracy=as_number(unwrapped(item.get("accuracy"))),
        capture_date_time=as_moment(unwrapped(item.get("captureDateTime"))),
        capture_method=first_text(item, "captureMethod"),
        rule_violation=tuple(_violation_in(one) for one in _violations(item)),
    )


def _has_long_number(measure: object) -> bool:
    item = as_mapping(measure)
    return is_changed(_unwrapped_value(item.get("value"))) or is_changed(unwrapped(item.get("accuracy")))


def _value(found: object) -> tuple[JsonValue, str | None, str | None]:
    """Return a value with its type and unit: of a Characteristic or another object around it, or a bare value."""
    if not isinstance(found, dict):
        return as_json_value(found), None, None
    inwards = [*wrapped_in(found)]
    value = inwards[-1]["value"] if inwards else found
    if _is_quantity(value):
        inwards.append(as_mapping(value))
        value = inwards[-1]["amount"]
    types = [kind for each in inwards if (kind := first_text(each, "valueType"))]
    units = [unit for each in inwards if (unit := _unit(each))]
    return as_json_value(value), next(reversed(types), None), next(reversed(units), None)


def _unwrapped_value(found: object) -> object:
    value = unwrapped(found)
    return as_mapping(value)["amount"] if _is_quantity(value) else value


def _is_quantity(value: object) -> bool:
    """Return whether a value is a `Quantity` of TMF: an amount with units."""
    if not isinstance(value, dict) or "amount" not in value:
        return False
    return len(value) > 1 and value.keys() <= {"amount", *UNIT_FIELDS}


def _unit(thing: Json) -> str | None:
    """Return the unit: a text, or an object that has it as name or code."""
    for field in UNIT_FIELDS:
        found = thing.get(field)
        if found is None:
            continue
        text = first_text(found, *UNIT_FIELDS, "name", "value", "code", "id") if isinstance(found, dict) else None
        if text := text or as_text(found):
            return text
    return None


def _violations(item: Json) -> Iterable[object]:
    found = as_list(item.get("ruleViolation"))
    return [found[place] for place in _places(len(found), _MAX_VIOLATIONS) if _is_violation(found[place])]


def _is_violation(found: object) -> bool:
    return bool(found) and not (isinstance(found, str) and found.strip().casefold() in _NO_VIOLATION)


def _violation_in(found: object) -> RuleViolation:
    """Read a violation; one that is a text instead of an object is known by it."""
    return _violation(as_mapping(found)) if isinstance(found, dict) else RuleViolation(name=as_text(found))


def _violation(rule: Json) -> RuleViolation:
    # ServiceNow's tables misspell "Comparator" where its bodies do not: both are read.
    consequences = as_list(rule.get("appliedConsequence"))[:_MAX_CONSEQUENCES]
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
        consequence=_consequence(consequences),
        conformance_comparator_exact=as_truth_value(
            rule.get("conformanceComparatorExact", rule.get("conformanceComporatorExact"))
        ),
        number_of_allowed_crossing=as_whole_number(rule.get("numberOfAllowedCrossing")),
        tolerance_period=_period(rule.get("tolerancePeriod")),
        applied_consequence=tuple([one for each in consequences if (one := _applied(each)) is not None]),
    )


def _period(found: object) -> TolerancePeriod | None:
    """Read a `Duration`, or a text such as "15 Minutes"; a text that is no such is kept as the units."""
    if isinstance(found, dict):
        period = TolerancePeriod(amount=as_whole_number(found.get("amount")), units=first_text(found, "units", "unit"))
        return period if period != TolerancePeriod() else None
    text = as_text(found)
    if text is None:
        return None
    amount, _, units = text.partition(" ")
    number = as_whole_number(amount)
    return (
        TolerancePeriod(units=text) if number is None else TolerancePeriod(amount=number, units=units.strip() or None)
    )


def _applied(consequence: object) -> AppliedConsequence | None:
    if not isinstance(consequence, dict):
        text = as_text(consequence)
        return AppliedConsequence(applied_action=text) if text else None
    applied = AppliedConsequence(
        id=first_text(consequence, "id"),
        name=first_text(consequence, "name"),
        description=first_text(consequence, "description"),
        applied_action=first_text(consequence, "appliedAction"),
        repeat_action=as_truth_value(consequence.get("repeatAction")),
    )
    return applied if applied != AppliedConsequence() else None


def _consequence(applied: list[object]) -> str | None:
    texts = [_consequence_text(one) for one in applied]
    return "; ".join(one for one in texts if one) or None


def _consequence_text(action: object) -> str | None:
    return first_text(action, "appliedAction", "name", "description") if isinstance(action, dict) else as_text(action)
