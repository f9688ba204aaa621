"""Write a run as the body of a request to a system that keeps a table of test runs.

Two dialects: ServiceNow's Service Test Management Open API, with its differences, and plain TMF653 v4.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from router.runs.transitions import ENDED_PHASES
from schemas.results import AppliedConsequence
from schemas.run_document import JsonText, value_to_json
from schemas.vocabulary import Mode, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from router.runs.run import RunRow
    from schemas.results import ReportedMeasure, RuleViolation, TolerancePeriod
    from schemas.run_document import JsonValue, RunDocument

    Body = dict[str, object]

MAX_NAME_LENGTH = 250  # characters; "names" of rules and measures, sn_st_mgmt
MAX_DESCRIPTION_LENGTH = 4_000
MAX_ACCURACY_LENGTH = 40
DERIVED_ID_LENGTH = 32  # hexadecimal digits, as a sys_id has
_ELLIPSIS = "…"
_PERIOD_UNITS = frozenset({"days", "hours", "minutes", "seconds"})
_CAPTURE_METHODS = frozenset({"automatic", "manual", "none"})
_SEVERITIES = frozenset({"high", "medium", "low"})
_MODES = frozenset({Mode.ONDEMAND, Mode.PROACTIVE})
# ServiceNow's choices, and how systems write them besides.
_COMPARATORS = {
    "greater than": "greater than",
    ">": "greater than",
    "greater than or is": "greater than or is",
    ">=": "greater than or is",
    "greater than or equal": "greater than or is",
    "greater than or equal to": "greater than or is",
    "less than": "less than",
    "<": "less than",
    "lesser than": "less than",
    "less than or is": "less than or is",
    "<=": "less than or is",
    "less than or equal": "less than or is",
    "less than or equal to": "less than or is",
}
# ServiceNow's types of characteristics, and how others name them. A type that it does not have is left out.
_VALUE_TYPES = {
    **{name: name for name in ("choice", "date", "duration", "email", "label")},
    **dict.fromkeys(("date/time", "date_time", "date-time", "datetime"), "date_time"),
    **dict.fromkeys(("single line text", "single_line_text", "string", "text"), "single_line_text"),
    **dict.fromkeys(("yes/no", "yes_no", "boolean"), "yes_no"),
}
# A strict instance refuses the whole result for one on the other side.
_LOWER_COMPARATORS = frozenset({"greater than", "greater than or is"})
_UPPER_COMPARATORS = frozenset({"less than", "less than or is"})


class TargetDialect(StrEnum):
    """The form of the requests to a target."""

    SERVICENOW = "servicenow"
    TMF653 = "tmf653"


class ValueForm(StrEnum):
    """How the value of a measure is written."""

    TEXT = "text"
    OBJECT = "object"


class MeasureIds(StrEnum):
    """Which id a measure is written with."""

    MEASURE = "measure"
    DEFINITION = "definition"


SERVICENOW_STATES: Mapping[RunState, str] = {RunState.CANCELLED: "canceled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFormat:
    """How runs are written for one target. `states` are the spellings that differ from ours."""

    dialect: TargetDialect = TargetDialect.SERVICENOW
    value_form: ValueForm = ValueForm.TEXT
    measure_ids: MeasureIds = MeasureIds.MEASURE
    zone: tzinfo = UTC
    states: Mapping[RunState, str] = field(default_factory=dict)

    @property
    def is_servicenow(self) -> bool:
        """Whether the differences of ServiceNow apply."""
        return self.dialect is TargetDialect.SERVICENOW


@dataclass(frozen=True, slots=True, kw_only=True)
class WritableRun:
    """The data of a run from which its representation at a target is written.

    `shown_id` is the id of the run at the target. `ended_at` is None while the run has not ended. Rule violations
    without an id get one that is derived from `run_id`.
    """

    run_id: str
    shown_id: str
    document: RunDocument
    state: RunState
    ended_at: datetime | None
    measures: Sequence[ReportedMeasure]


def writable_run(row: RunRow, shown_id: str | None = None) -> WritableRun:
    """Return the data to write from the stored row of a run; `shown_id` is None if the target uses its own id."""
    return WritableRun(
        run_id=row.run_id,
        shown_id=shown_id or row.run_id,
        document=row.requested,
        state=state_of(row),
        ended_at=row.finished_at if row.phase in ENDED_PHASES else None,
        measures=row.measures,
    )


def create_body(form: TargetFormat, row: RunRow, shown_id: str | None = None) -> Body:
    """Write the body of the POST that creates a run, with everything that is known about it."""
    body = whole_body(form, writable_run(row, shown_id))
    if not form.is_servicenow or not row.requested.characteristic:
        return body
    written = [
        _characteristic(each.name, each.value, _servicenow_value_type(each.value_type))
        for each in row.requested.characteristic
    ]
    return {**body, "characteristic": written}


def whole_body(form: TargetFormat, writable: WritableRun) -> Body:
    """Write every field of a run that a target may have."""
    run = writable.document
    own_id = {"id": writable.shown_id} if form.is_servicenow else {}
    body = own_id | {
        "name": _name(form, run),
        "relatedService": _related_service(form, run),
        "testSpecification": _specification(form, run),
        "description": _cut(run.description, MAX_DESCRIPTION_LENGTH if form.is_servicenow else None),
        "mode": run.mode.value if run.mode in _MODES else Mode.ONDEMAND.value,
        "startDateTime": _moment(form, run.start_date_time),
        "validFor": _valid_for(form, run),
        "characteristic": [_characteristic(one.name, one.value, one.value_type) for one in run.characteristic],
    }
    return _without_empty(body | _progress(form, writable))


def update_body(form: TargetFormat, row: RunRow) -> Body:
    """Write the body of the PATCH that brings a run up to date: its state, its end and its measures.

    ServiceNow also requires name, relatedService and testSpecification.
    """
    return _progress(form, writable_run(row))


def _progress(form: TargetFormat, writable: WritableRun) -> Body:
    run = writable.document
    required: Body = {
        "name": _name(form, run),
        "relatedService": _related_service(form, run),
        "testSpecification": _specification(form, run),
    }
    return _without_empty(
        (required if form.is_servicenow else {})
        | {
            "state": spelled_state(form, writable.state),
            "endDateTime": _moment(form, writable.ended_at),
            "testMeasure": _measures(form, writable),
        }
    )


def state_of(row: RunRow) -> RunState:
    """Return the state of a run; one that no system has accepted yet is pending."""
    return RunState.PENDING if row.state in (None, RunState.UNKNOWN) else row.state


def spelled_state(form: TargetFormat, state: RunState) -> str:
    """Return a state as the target spells it."""
    known = SERVICENOW_STATES if form.is_servicenow else {}
    return form.states.get(state) or known.get(state) or state.value


def unique_name(run: RunDocument) -> str:
    """Return a name that contains the run's id, so that a look-up by name finds this run and no other.

    A comma means "or" in a filter of TMF630, so the name has none.
    """
    name = " ".join(run.name.replace(",", ";").split())
    return name if run.run_id in name.split() else " ".join(f"{run.run_id} {name}".replace(",", ";").split())


def derived_id(*parts: str | None) -> str:
    """Return an id that follows from what it names alone, so that it is the same in every attempt."""
    digest = sha256()
    for part in parts:
        text = b"\x00" if part is None else b"\x01" + part.encode(errors="surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:DERIVED_ID_LENGTH]


def _name(form: TargetFormat, run: RunDocument) -> str | None:
    # ServiceNow's run has its name already, and a PATCH that carries another one renames it.
    return _cut(run.name, MAX_NAME_LENGTH) if form.is_servicenow else unique_name(run)


def _related_service(form: TargetFormat, run: RunDocument) -> Body:
    service = run.related_service
    kind = None if form.is_servicenow else service.type
    name = _cut(service.name, MAX_NAME_LENGTH if form.is_servicenow else None)
    return _without_empty({"id": service.id, "href": service.href, "name": name, "@referredType": kind})


def _specification(form: TargetFormat, run: RunDocument) -> Body:
    spec = run.test_specification
    if form.is_servicenow:
        return _without_empty({"id": spec.id, "name": _cut(spec.name, MAX_NAME_LENGTH)})
    return _without_empty({"id": spec.id, "href": spec.href, "version": spec.version, "@referredType": spec.type})


def _characteristic(name: str, value: JsonValue, value_type: str | None) -> Body:
    return _without_empty({"name": name, "valueType": value_type}) | {"value": value_to_json(value)}


def _servicenow_value_type(value_type: str | None) -> str | None:
    return None if value_type is None else _VALUE_TYPES.get(value_type.strip().casefold())


def _measures(form: TargetFormat, writable: WritableRun) -> list[Body]:
    ids = _written_ids(form, writable)
    return [_measure(form, writable.run_id, ids[measure.id], measure) for measure in writable.measures]


def _written_ids(form: TargetFormat, writable: WritableRun) -> Mapping[str, str]:
    """Return the id that each measure is written with; an id of a definition that several have is not used."""
    own = {measure.id: measure.id for measure in writable.measures}
    if form.measure_ids is MeasureIds.MEASURE:
        return own
    requested = {measure.id: measure.definition_id for measure in writable.document.test_measure}
    found = {measure_id: requested.get(measure_id) or measure_id for measure_id in own}
    uses = Counter(found.values())
    return {measure_id: used if uses[used] == 1 else measure_id for measure_id, used in found.items()}


def _measure(form: TargetFormat, run_id: str, written_id: str, measure: ReportedMeasure) -> Body:
    limit = MAX_NAME_LENGTH if form.is_servicenow else None
    violations = _violations(form, run_id, measure)
    return _without_empty(
        {
            "id": written_id,
            "metricName": _cut(measure.metric_name, limit),
            "metricHref": measure.metric_href,
            "unitOfMeasure": measure.unit_of_measure,
            "accuracy": _accuracy(form, measure.accuracy),
            "captureDateTime": _moment(form, measure.capture_date_time),
            "captureMethod": _capture_method(form, measure.capture_method),
            "ruleViolation": violations,
        }
    ) | _value(form, measure)


def _value(form: TargetFormat, measure: ReportedMeasure) -> Body:
    if form.value_form is ValueForm.TEXT:
        return {} if measure.value is None else {"value": value_as_text(measure.value)}
    name = measure.metric_name or measure.id
    kind = measure.value_type or _value_type(measure.value)
    return {} if measure.value is None else {"value": _characteristic(name, measure.value, kind)}


def _value_type(value: JsonValue) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case JsonText():
            return "object"
        case _:
            return "string"


def value_as_text(value: JsonValue) -> str:
    """Write a value as text: a number without an exponent, an object as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _plain_number(value)
        case JsonText():
            return value.json_text
        case _:
            return value


def _plain_number(value: float) -> str:
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def _accuracy(form: TargetFormat, accuracy: float | None) -> float | str | None:
    if accuracy is None or not form.is_servicenow:
        return accuracy
    plain = _plain_number(accuracy)
    return plain if len(plain) <= MAX_ACCURACY_LENGTH else repr(accuracy)


def _capture_method(form: TargetFormat, method: str | None) -> str | None:
    if not form.is_servicenow or method is None:
        return method
    return method.casefold() if method.casefold() in _CAPTURE_METHODS else None


def _violations(form: TargetFormat, run_id: str, measure: ReportedMeasure) -> list[Body]:
    seen: Counter[tuple[str | None, ...]] = Counter()
    written = []
    for violation in measure.rule_violation:
        content = (violation.name, violation.conformance_target_lower, violation.conformance_target_upper)
        seen[content] += 1
        # By content and not by place: a report that adds a violation before it does not change its id.
        own = violation.id or derived_id(run_id, measure.id, *content, str(seen[content]))
        written.append(_violation(form, own, violation))
    return written


def _violation(form: TargetFormat, violation_id: str, rule: RuleViolation) -> Body:
    limit = MAX_NAME_LENGTH if form.is_servicenow else None
    return _without_empty(
        {
            "id": violation_id,
            "name": _cut(rule.name, limit),
            "description": _cut(rule.description, MAX_DESCRIPTION_LENGTH if form.is_servicenow else None),
            "thresholdRuleSeverity": _severity(form, rule.severity),
            "conformanceTargetLower": rule.conformance_target_lower,
            "conformanceTargetUpper": rule.conformance_target_upper,
            "conformanceTargetExact": rule.conformance_target_exact,
            "conformanceComparatorLower": _comparator(form, rule.conformance_comparator_lower, _LOWER_COMPARATORS),
            "conformanceComparatorUpper": _comparator(form, rule.conformance_comparator_upper, _UPPER_COMPARATORS),
            "conformanceComparatorExact": _exact_comparator(form, rule),
            "numberOfAllowedCrossing": rule.number_of_allowed_crossing,
            "tolerancePeriod": _tolerance(form, rule.tolerance_period),
            "appliedConsequence": _consequences(form, violation_id, rule),
        }
    )


def _exact_comparator(form: TargetFormat, rule: RuleViolation) -> bool | None:
    # ServiceNow requires the exact target with it.
    is_whole = not form.is_servicenow or rule.conformance_target_exact is not None
    return rule.conformance_comparator_exact if is_whole else None


def _tolerance(form: TargetFormat, period: TolerancePeriod | None) -> Body | None:
    if period is None:
        return None
    units = _period_units(period.units) if form.is_servicenow else period.units
    known = not form.is_servicenow or units in _PERIOD_UNITS
    return _without_empty({"amount": period.amount, "units": units}) if known else None


def _period_units(written: str | None) -> str | None:
    if written is None:
        return None
    units = written.casefold()
    return f"{units}s" if f"{units}s" in _PERIOD_UNITS else units


def _consequences(form: TargetFormat, violation_id: str, rule: RuleViolation) -> list[Body]:
    if not rule.applied_consequence and rule.consequence:  # stored by an earlier version
        action = AppliedConsequence(id=derived_id(violation_id, rule.consequence), applied_action=rule.consequence)
        return [_consequence(form, action)]
    return [_consequence(form, each) for each in rule.applied_consequence]


def _consequence(form: TargetFormat, consequence: AppliedConsequence) -> Body:
    long, short = (MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH) if form.is_servicenow else (None, None)
    return _without_empty(
        {
            "id": consequence.id,
            "name": _cut(consequence.name, short),
            "description": _cut(consequence.description, long),
            "appliedAction": _cut(consequence.applied_action, long),
            "repeatAction": consequence.repeat_action,
        }
    )


def _severity(form: TargetFormat, severity: str | None) -> str | None:
    if not form.is_servicenow or severity is None:
        return severity
    return severity.casefold() if severity.casefold() in _SEVERITIES else None


def _comparator(form: TargetFormat, comparator: str | None, allowed: frozenset[str]) -> str | None:
    if not form.is_servicenow or comparator is None:
        return comparator
    spelled = _COMPARATORS.get(" ".join(comparator.casefold().split()))
    return spelled if spelled in allowed else None


def _moment(form: TargetFormat, at: datetime | None) -> str | None:
    if at is None:
        return None
    if not form.is_servicenow:
        return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    try:
        local = at.astimezone(form.zone)
    except OverflowError:  # a zone west or east of UTC at the edge of the calendar
        local = at
    return local.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _valid_for(form: TargetFormat, run: RunDocument) -> Body | None:
    period = run.valid_for
    if period is None:
        return None
    moments = {"startDateTime": period.start_date_time, "endDateTime": period.end_date_time}
    return {name: _moment(form, at) for name, at in moments.items() if at is not None}


def _cut(text: str | None, limit: int | None) -> str | None:
    if text is None or limit is None or len(text) <= limit:
        return text
    return text[: limit - len(_ELLIPSIS)] + _ELLIPSIS


def _without_empty(fields: Mapping[str, object]) -> Body:
    return {name: value for name, value in fields.items() if value is not None and value != []}
