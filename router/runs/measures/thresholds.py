"""Evaluate the threshold rules of requested measures, for systems that report values and no violations."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING

from router.runs.ids import violation_id
from schemas.results import RuleViolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from schemas.results import ReportedMeasure
    from schemas.run_document import JsonValue, RequestedMeasure, ThresholdRule

    Compare = Callable[[Decimal, Decimal], bool]

MAX_DIGITS = 100  # of a number in a text


class ComparatorMeaning(StrEnum):
    """What the comparator of a threshold rule states: nothing that is evaluated, a good value, or a bad value."""

    NOT_EVALUATED = "not_evaluated"
    CONFORMANCE = "conformance"
    VIOLATION = "violation"


_COMPARATORS: Mapping[str, Compare] = {
    **dict.fromkeys((">", "gt", "greaterthan"), gt),
    **dict.fromkeys((">=", "ge", "gte", "greaterthanorequal", "greaterthanorequalto"), ge),
    **dict.fromkeys(("<", "lt", "lessthan"), lt),
    **dict.fromkeys(("<=", "le", "lte", "lessthanorequal", "lessthanorequalto"), le),
    **dict.fromkeys(("=", "==", "eq", "equal", "equals", "equalto"), eq),
    **dict.fromkeys(("!=", "<>", "ne", "notequal", "notequalto"), ne),
}
# Of a target without a comparator: the range between the targets is good, and its limits are.
_DEFAULTS: Mapping[ComparatorMeaning, tuple[Compare, Compare]] = {
    ComparatorMeaning.CONFORMANCE: (ge, le),
    ComparatorMeaning.VIOLATION: (lt, gt),
}


def with_violations(
    reported: Iterable[ReportedMeasure], requested: Sequence[RequestedMeasure], meaning: ComparatorMeaning
) -> tuple[ReportedMeasure, ...]:
    """Return the measures with the rules that their values violate. What the system says of violations is kept.

    A rule that allows crossings or a tolerance is about several values, and is not evaluated, nor is one that has a
    comparator or a target that cannot be read.
    """
    measures = tuple(reported)
    rules = {measure.id: measure.threshold_rule for measure in requested if measure.threshold_rule}
    if meaning is ComparatorMeaning.NOT_EVALUATED or not rules:
        return measures
    return tuple([_evaluated(measure, rules.get(measure.id, ()), meaning) for measure in measures])


def _evaluated(
    measure: ReportedMeasure, rules: tuple[ThresholdRule, ...], meaning: ComparatorMeaning
) -> ReportedMeasure:
    value = _number(measure.value)
    if value is None or measure.rule_violation or not rules:
        return measure
    violated = [
        _violation(measure.id, place, rule) for place, rule in enumerate(rules) if _is_violated(rule, value, meaning)
    ]
    return measure.model_copy(update={"rule_violation": tuple(violated)}) if violated else measure


def _is_violated(rule: ThresholdRule, value: Decimal, meaning: ComparatorMeaning) -> bool:
    if rule.number_of_allowed_crossing or rule.tolerance_seconds:
        return False
    below, above = _DEFAULTS[meaning]
    targets = (
        (rule.conformance_target_lower, rule.conformance_comparator_lower, below),
        (rule.conformance_target_upper, rule.conformance_comparator_upper, above),
    )
    answers = [_compare(value, *target) for target in targets if target[0] is not None]
    if rule.conformance_target_exact is not None:
        # Its comparator is a Boolean: whether the value has to be the target, or must not be it, whatever the meaning.
        good = ne if rule.conformance_comparator_exact is False else eq
        bad = eq if good is ne else ne
        compare = good if meaning is ComparatorMeaning.CONFORMANCE else bad
        answers.append(_compare(value, rule.conformance_target_exact, None, compare))
    known = [answer for answer in answers if answer is not None]
    if len(known) < len(answers):
        return False
    return any(known) if meaning is ComparatorMeaning.VIOLATION else not all(known)


def _compare(value: Decimal, target: str | None, comparator: str | None, default: Compare) -> bool | None:
    """Return whether a value compares so with a target; None if one of them cannot be read."""
    number = _number(target)
    compare = default if not comparator else _COMPARATORS.get(_folded(comparator))
    return None if number is None or compare is None else compare(value, number)


def _folded(comparator: str) -> str:
    return "".join(comparator.split()).replace("_", "").replace("-", "").casefold()


def _number(value: JsonValue) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > MAX_DIGITS:
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _violation(measure: str, place: int, rule: ThresholdRule) -> RuleViolation:
    return RuleViolation(
        id=violation_id(measure, rule.id or rule.name or f"#{place}"),
        name=rule.name,
        description=rule.description,
        severity=rule.severity,
        conformance_target_lower=rule.conformance_target_lower,
        conformance_target_upper=rule.conformance_target_upper,
        conformance_target_exact=rule.conformance_target_exact,
        conformance_comparator_lower=rule.conformance_comparator_lower,
        conformance_comparator_upper=rule.conformance_comparator_upper,
        conformance_comparator_exact=rule.conformance_comparator_exact,
        number_of_allowed_crossing=rule.number_of_allowed_crossing,
    )
