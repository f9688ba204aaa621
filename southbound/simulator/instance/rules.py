"""The documented rules of the Service Test Management Open API, applied strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from southbound.simulator.errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    AnyJson = dict[str, Any]

STATES = frozenset({"acknowledged", "canceled", "completed", "failed", "inProgress", "pending", "rejected"})
ENDED = frozenset({"canceled", "completed", "failed", "rejected"})
MAX_NAME, MAX_DESCRIPTION, MAX_ACCURACY = 250, 4_000, 40
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_VALUE_TYPES = frozenset({"choice", "date", "date_time", "duration", "email", "label", "single_line_text", "yes_no"})
_MODES = frozenset({"ondemand", "proactive"})
_RUN_FIELDS = frozenset(
    {
        "id",
        "name",
        "description",
        "mode",
        "state",
        "startDateTime",
        "endDateTime",
        "validFor",
        "relatedService",
        "testSpecification",
        "characteristic",
        "testMeasure",
    }
)
_MEASURE_FIELDS = frozenset(
    {
        "id",
        "metricName",
        "metricHref",
        "unitOfMeasure",
        "accuracy",
        "captureDateTime",
        "captureMethod",
        "value",
        "ruleViolation",
    }
)
_VIOLATION_FIELDS = frozenset(
    {
        "id",
        "name",
        "description",
        "thresholdRuleSeverity",
        "conformanceTargetLower",
        "conformanceTargetUpper",
        "conformanceTargetExact",
        "conformanceComparatorLower",
        "conformanceComparatorUpper",
        "conformanceComparatorExact",
        "numberOfAllowedCrossing",
        "tolerancePeriod",
        "appliedConsequence",
    }
)
_CONSEQUENCE_FIELDS = frozenset({"id", "name", "description", "appliedAction", "repeatAction"})
_CHOICES: Mapping[str, frozenset[str]] = {
    "captureMethod": frozenset({"automatic", "manual", "none"}),
    "thresholdRuleSeverity": frozenset({"high", "medium", "low"}),
    "conformanceComparatorLower": frozenset({"greater than", "greater than or is", "is"}),
    "conformanceComparatorUpper": frozenset({"less than", "less than or is", "lesser than", "is"}),
}


def check_run(body: AnyJson) -> None:
    """Check the body of a POST or PATCH of a test run.

    Raises:
        RequestRefusedError: it breaks a rule; 400, with the place.
    """
    for pointer, sentence in _mistakes(body):
        raise RequestRefusedError(400, "invalidBody", sentence, pointer)


def _mistakes(body: AnyJson) -> Iterator[tuple[str, str]]:
    yield from _unknown(body, _RUN_FIELDS, "")
    yield from _text(body, "name", MAX_NAME, "", required=True)
    for field in ("relatedService", "testSpecification"):
        yield from _reference(body, field)
    yield from _text(body, "description", MAX_DESCRIPTION, "")
    if "state" in body and body["state"] not in STATES:
        yield "/state", f"must be one of {', '.join(sorted(STATES))}"
    if str(body.get("mode", "ondemand")).casefold() not in _MODES:
        yield "/mode", "must be ONDEMAND or PROACTIVE"
    for field in ("startDateTime", "endDateTime"):
        yield from _moment(body, field, "")
    yield from _period(body)
    for number, one in enumerate(_list(body, "characteristic")):
        if isinstance(one, dict) and one.get("valueType", "label") not in _VALUE_TYPES:
            yield f"/characteristic/{number}/valueType", f"must be one of {', '.join(sorted(_VALUE_TYPES))}"
    for number, measure in enumerate(_list(body, "testMeasure")):
        yield from _measure(measure, f"/testMeasure/{number}")


def _period(body: AnyJson) -> Iterator[tuple[str, str]]:
    period = body.get("validFor", {})
    if not isinstance(period, dict):
        yield "/validFor", "must be an object"
        return
    for field in ("startDateTime", "endDateTime"):
        yield from _moment(period, field, "/validFor")


def _measure(measure: object, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(measure, dict):
        yield at, "must be an object"
        return
    yield from _unknown(measure, _MEASURE_FIELDS, at)
    yield from _text(measure, "id", MAX_NAME, at, required=True)
    yield from _text(measure, "metricName", MAX_NAME, at)
    yield from _text(measure, "accuracy", MAX_ACCURACY, at)
    yield from _moment(measure, "captureDateTime", at)
    yield from _choices(measure, at)
    if not _is_value(measure.get("value", "")):
        yield f"{at}/value", "must be a text, or an object with valueType and value"
    for number, violation in enumerate(_list(measure, "ruleViolation")):
        yield from _violation(violation, f"{at}/ruleViolation/{number}")


def _violation(rule: object, at: str) -> Iterator[tuple[str, str]]:
    if not isinstance(rule, dict):
        yield at, "must be an object"
        return
    yield from _unknown(rule, _VIOLATION_FIELDS, at)
    yield from _text(rule, "id", MAX_NAME, at, required=True)
    yield from _text(rule, "name", MAX_NAME, at)
    yield from _text(rule, "description", MAX_DESCRIPTION, at)
    yield from _choices(rule, at)
    if rule.get("conformanceComparatorExact") and not rule.get("conformanceTargetExact"):
        yield f"{at}/conformanceTargetExact", "is required when conformanceComparatorExact is true"
    for number, consequence in enumerate(_list(rule, "appliedConsequence")):
        where = f"{at}/appliedConsequence/{number}"
        if isinstance(consequence, dict):
            yield from _unknown(consequence, _CONSEQUENCE_FIELDS, where)
            yield from _text(consequence, "id", MAX_NAME, where, required=True)
            yield from _text(consequence, "appliedAction", MAX_DESCRIPTION, where)
        else:
            yield where, "must be an object"


def _choices(thing: AnyJson, at: str) -> Iterator[tuple[str, str]]:
    for field, allowed in _CHOICES.items():
        if field in thing and thing[field] not in allowed:
            yield f"{at}/{field}", f"must be one of {', '.join(sorted(allowed))}"


def _unknown(thing: AnyJson, known: frozenset[str], at: str) -> Iterator[tuple[str, str]]:
    for field in thing.keys() - known:
        yield f"{at}/{field}", "is no documented field"


def _reference(body: AnyJson, field: str) -> Iterator[tuple[str, str]]:
    reference = body.get(field)
    if not isinstance(reference, dict) or not reference.get("id"):
        yield f"/{field}/id", "is required, also in a PATCH"


def _text(thing: AnyJson, field: str, limit: int, at: str, *, required: bool = False) -> Iterator[tuple[str, str]]:
    value = thing.get(field)
    if required and not value:
        yield f"{at}/{field}", "is required"
    elif value is not None and not isinstance(value, str):
        yield f"{at}/{field}", "must be a text"
    elif isinstance(value, str) and len(value) > limit:
        yield f"{at}/{field}", f"has more than {limit} characters"


def _moment(thing: AnyJson, field: str, at: str) -> Iterator[tuple[str, str]]:
    value = thing.get(field, "")
    if value != "" and not (isinstance(value, str) and _MOMENT.fullmatch(value)):
        yield f"{at}/{field}", "must be YYYY-MM-DD HH:MM:SS"


def _list(thing: AnyJson, field: str) -> list[object]:
    found = thing.get(field, [])
    return found if isinstance(found, list) else [found]


def _is_value(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and {"valueType", "value"} <= value.keys())
