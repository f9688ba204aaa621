"""Match the reported measures to the requested ones, and derive the result of the test."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from router.runs.ids import measure_id
from router.runs.measures.checks import (
    ID_MISSING,
    find_measure_faults,
    is_readable,
    is_supported_time,
    measure_reason,
    rejected_reason,
)
from router.runs.measures.matching import match_to_requested
from router.runs.measures.violations import with_ids
from router.runs.reports.verdict import is_fail, is_inconclusive
from schemas.results import Reason, ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Result, RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs.measures.matching import MeasureMatch
    from router.runs.reports.report import ExternalMeasure
    from schemas.run_document import JsonValue, RequestedMeasure

_AVRO_LONG = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedMeasures:
    """The measures of one report, each with an id, and what was wrong with them."""

    measures: tuple[ReportedMeasure, ...] = ()
    reasons: tuple[Reason, ...] = ()


def match_measures(
    requested: Sequence[RequestedMeasure],
    reported: Sequence[ExternalMeasure],
    spoke: str,
    external_id: str,
    *,
    known: Sequence[ReportedMeasure] = (),
    keep_unknown: bool = True,
) -> MatchedMeasures:
    """Assign every reported measure the id of the requested one, or a stable id of our own.

    Nothing is dropped but the echo of a requested measure without a value, and without `keep_unknown` what matches none
    of the requested measures (if there are any), with a reason. Of two with one id the later captured stays
    (the readable one if the other has no value), with a problem. `known` are those of earlier reports, no longer open.
    """
    taken = {measure.id for measure in known if measure.id_origin is not MeasureIdOrigin.ONLY_OPEN}
    found: dict[str, ReportedMeasure] = {}
    problems: list[Reason] = []
    for place, match in enumerate(match_to_requested(requested, reported, taken)):
        measure = reported[place]
        if match and _is_request_echo(measure):
            continue
        if match is None and requested and not keep_unknown:
            problems.append(rejected_reason(place, measure))
            continue
        read = _with_requested_id(measure, match) if match else _with_derived_id(measure, spoke, external_id, place)
        problems += find_measure_faults(place, measure, match)
        if read.id in found:
            problems.append(_duplicate_reason(place, read))
        found[read.id] = _captured_later(found.get(read.id), read)
    return MatchedMeasures(measures=tuple(found.values()), reasons=tuple(problems))


def merge_measures(earlier: Sequence[ReportedMeasure], new: Sequence[ReportedMeasure]) -> tuple[ReportedMeasure, ...]:
    """Merge the measures of a new report into those of earlier ones: per id the later captured, if it is readable."""
    merged = {measure.id: measure for measure in earlier}
    for measure in new:
        merged[measure.id] = _captured_later(merged.get(measure.id), measure)
    return tuple(merged.values())


def missing_measures(requested: Sequence[RequestedMeasure], measures: Sequence[ReportedMeasure]) -> tuple[Reason, ...]:
    """Return a reason for each mandatory measure without a readable value."""
    readable = {measure.id for measure in measures if is_readable(measure.value, measure.value_type)}
    return tuple(_missing_reason(measure) for measure in requested if measure.mandatory and measure.id not in readable)


def judge_result(
    state: RunState,
    requested: Sequence[RequestedMeasure],
    measures: Sequence[ReportedMeasure],
    reasons: Sequence[Reason] = (),
) -> Result | None:
    """Return the result of the test, from the measures and problems of all its reports.

    Any violation is a fail, and so is the system's own verdict. A completed run without one passes if every mandatory
    measure has a readable value, none came without an id that could not be matched, and the system does not say that it
    is inconclusive; else it is inconclusive. A failed run never passes: with measures it is inconclusive, without any
    it has no result, like rejected and cancelled runs.
    """
    if state not in {RunState.COMPLETED, RunState.FAILED}:
        return None
    if any(measure.rule_violation for measure in measures) or is_fail(reasons):
        return Result.FAIL
    says_nothing = is_inconclusive(reasons)
    if state is RunState.FAILED:
        return Result.INCONCLUSIVE if measures or says_nothing else None
    unmatched = bool(requested) and any(reason.code == ID_MISSING for reason in reasons)
    is_open = says_nothing or unmatched or missing_measures(requested, measures)
    return Result.INCONCLUSIVE if is_open else Result.PASS


def _is_request_echo(measure: ExternalMeasure) -> bool:
    """Return whether a system only repeats what it was sent, as in its response to the POST."""
    return not (measure.has_value or measure.value is not None or measure.rule_violation)


def _with_requested_id(measure: ExternalMeasure, match: MeasureMatch) -> ReportedMeasure:
    name, href = match.requested.metric_name, match.requested.metric_href
    return _build_measure(
        measure, match.requested.id, match.origin, measure.metric_name or name, measure.metric_href or href
    )


def _with_derived_id(measure: ExternalMeasure, spoke: str, external_id: str, position: int) -> ReportedMeasure:
    own = measure.id or measure.definition_id or ""
    name = measure.metric_name or measure.metric_href or ("" if own else f"#{position}")
    derived = measure_id(spoke, external_id, name, own)
    return _build_measure(measure, derived, MeasureIdOrigin.DERIVED, measure.metric_name, measure.metric_href)


def _build_measure(
    measure: ExternalMeasure, found_id: str, origin: MeasureIdOrigin, name: str | None, href: str | None
) -> ReportedMeasure:
    return ReportedMeasure(
        id=found_id,
        id_origin=origin,
        metric_name=name,
        metric_href=href,
        value=_storable_value(measure.value),
        value_type=measure.value_type,
        unit_of_measure=measure.unit_of_measure,
        accuracy=measure.accuracy if measure.accuracy is None or isfinite(measure.accuracy) else None,
        capture_date_time=measure.capture_date_time if is_supported_time(measure.capture_date_time) else None,
        capture_method=measure.capture_method,
        rule_violation=with_ids(found_id, measure.rule_violation) if measure.rule_violation else (),
    )


def _storable_value(value: JsonValue) -> JsonValue:
    """Omit what is no finite number, and write as text what is too big for Avro's long."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, int) and value not in _AVRO_LONG:
        return str(value)
    return value


def _captured_later(old: ReportedMeasure | None, new: ReportedMeasure) -> ReportedMeasure:
    if old is None:
        return new
    later, earlier = (old, new) if _is_earlier(new, old) else (new, old)
    if is_readable(later.value, later.value_type) or not is_readable(earlier.value, earlier.value_type):
        return later
    # A field that was left empty does not undo what was measured; a violation without a value is about that value.
    return earlier.model_copy(update={"rule_violation": later.rule_violation}) if later.rule_violation else earlier


def _is_earlier(one: ReportedMeasure, other: ReportedMeasure) -> bool:
    """Return whether a measure was certainly captured before the other one."""
    if one.capture_date_time is None or other.capture_date_time is None:
        return False
    return one.capture_date_time < other.capture_date_time


def _duplicate_reason(position: int, measure: ReportedMeasure) -> Reason:
    sentence = f"Measure {measure.id!r} came more than once in one report; the one captured last stays."
    return measure_reason("DUPLICATE_MEASURE", position, sentence)


def _missing_reason(measure: RequestedMeasure) -> Reason:
    sentence = f"No readable value came for measure {measure.metric_name!r} ({measure.id})."
    return Reason(code="MEASURE_MISSING", message=sentence)
