"""Report what is wrong with a measure, in sentences that a person can act on."""

from __future__ import annotations

import re
from datetime import UTC
from math import isfinite
from typing import TYPE_CHECKING

from schemas.results import Reason
from schemas.run_document import JsonText
from schemas.vocabulary import MeasureIdOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from router.runs.measures.matching import MeasureMatch
    from router.runs.reports.report import ExternalMeasure
    from schemas.run_document import JsonValue

ID_MISSING = "MEASURE_ID_MISSING"

_NUMERIC = frozenset({"number", "numeric", "integer", "int", "long", "float", "double", "decimal"})
_NO_CONTENT = re.compile(r'(?:[\[\]{},\s]|""|null)*')  # objects and lists with nothing in them
_MAX_NAME_LENGTH = 80  # of an external system's measure or unit, in one of our sentences


def is_readable(value: JsonValue, value_type: str | None) -> bool:
    """Return whether a value is there, finite, and a number where its type says so."""
    return _has_value(value) and value_fault(value, value_type) is None


def is_supported_time(moment: datetime | None) -> bool:
    """Return whether a moment in UTC lies within the years 1 to 9999, as Python requires; True for None."""
    try:
        return moment is None or moment.tzinfo is None or moment.astimezone(UTC) is not None
    except OverflowError:
        return False


def find_measure_faults(position: int, measure: ExternalMeasure, match: MeasureMatch | None) -> Iterator[Reason]:
    """Return everything that is wrong with the measure at this place of a report."""
    for code, what in (*_find_match_faults(measure, match), *_find_content_faults(measure)):
        yield measure_reason(code, position, f"Measure {_described(measure)} {what}.")


def rejected_reason(position: int, measure: ExternalMeasure) -> Reason:
    """Return the reason of a measure that is left out because it matches none of the requested ones."""
    sentence = f"Measure {_described(measure)} belongs to none of the requested measures; it is left out."
    return measure_reason("MEASURE_REJECTED", position, sentence)


def measure_reason(code: str, position: int, sentence: str) -> Reason:
    """Return the reason that names a measure of a report."""
    return Reason(code=code, message=sentence, property_path=f"/testMeasure/{position}")


def value_fault(value: JsonValue, value_type: str | None) -> tuple[str, str] | None:
    """Return why a value cannot be used, as code and predicate; None if it can, or if there is none."""
    numeric = (value_type or "").partition(",")[0].strip().casefold() in _NUMERIC
    number = _number(value, numeric=numeric or value_type is None)
    if number is not None and not isfinite(number):
        return "MEASURE_NOT_FINITE", "has a value that is no finite number"
    if numeric and number is None and value is not None:
        return "MEASURE_UNPARSABLE", "is said to be a number, and its value is none"
    return None


def _has_value(value: JsonValue) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return _NO_CONTENT.fullmatch(value.json_text) is None if isinstance(value, JsonText) else value is not None


def _number(value: JsonValue, *, numeric: bool) -> float | None:
    if isinstance(value, (bool, JsonText)) or value is None:
        return None
    if isinstance(value, int):
        return 0.0  # every int is finite; a huge one does not fit a float
    try:
        return float(value) if numeric or isinstance(value, float) else None
    except ValueError:
        return None


def _find_match_faults(measure: ExternalMeasure, match: MeasureMatch | None) -> Iterator[tuple[str, str]]:
    if match is None and (measure.id or measure.definition_id):
        yield (
            "MEASURE_UNKNOWN",
            "has an id that belongs to none of the requested measures; it got one of ours",
        )
    elif match is None:
        yield ID_MISSING, "came without an id and matches no requested measure; it got an id of ours"
    else:
        yield from _find_match_doubts(measure, match)


def _find_match_doubts(measure: ExternalMeasure, match: MeasureMatch) -> Iterator[tuple[str, str]]:
    if match.origin is MeasureIdOrigin.ONLY_OPEN and measure.metric_name:
        yield (
            "MEASURE_NAME_DIFFERS",
            f"was taken for {match.requested.metric_name!r}, the only one still open",
        )
    told, wanted = measure.unit_of_measure, match.requested.unit_of_measure
    if told and wanted and told.strip() != wanted:
        yield "MEASURE_UNIT_DIFFERS", f"came in {_quote(told)} although {wanted!r} was requested"


def _find_content_faults(measure: ExternalMeasure) -> Iterator[tuple[str, str]]:
    if not _has_value(measure.value):
        yield "MEASURE_VALUE_MISSING", "came without a value"
    elif fault := value_fault(measure.value, measure.value_type):
        yield fault
    if measure.accuracy is not None and not isfinite(measure.accuracy):
        yield "MEASURE_NOT_FINITE", "has an accuracy that is no finite number"
    if not is_supported_time(measure.capture_date_time):
        yield (
            "MEASURE_TIME_UNUSABLE",
            "was captured outside the years 1 to 9999; its time is left out",
        )


def _described(measure: ExternalMeasure) -> str:
    return _quote(measure.metric_name or measure.id or measure.definition_id or measure.metric_href or "without name")


def _quote(text: str) -> str:
    return repr(text if len(text) <= _MAX_NAME_LENGTH else f"{text[:_MAX_NAME_LENGTH]}…")
