"""Shorten a notification that its topic does not take: detail is left out, step by step, never the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.measures.bounds import bounded_measures
from router.runs.reports.reasons import bounded_reasons, reasons_left_out
from schemas.results import Reason
from schemas.vocabulary import MeasureIdOrigin

if TYPE_CHECKING:
    from schemas.results import ReportedMeasure, RunResult, RunUpdate

STEPS = 3
SHORTENED = "MESSAGE_SHORTENED"
_FEW_REASONS = 10
_MAX_MEASURES = (None, 500, 0)  # that are kept, by step, and all that were requested; None: all of them
_MAX_BYTES = (None, 50_000, 5_000)  # of all measures
_SENTENCE = "The topic does not take the whole message: reasons{} are left out, or only their beginning is kept."


def shortened(message: RunUpdate | RunResult, step: int) -> RunUpdate | RunResult:
    """Return a shorter message; `step` is 1 to `STEPS`, and each leaves out more than the one before.

    First reasons, the first and the last of which are kept, then long texts of measures and measures that were not
    requested, at last all reasons. A measure that was requested is never left out.
    """
    measures, left_out = _measures(message.test_measure, step)
    reasons = _reasons(message, step)
    told = Reason(code=SHORTENED, message=_SENTENCE.format(" and measures" if step > 1 else ""))
    return message.model_copy(update={"test_measure": measures, "reasons": (*reasons, *left_out, told)})


def _reasons(message: RunUpdate | RunResult, step: int) -> tuple[Reason, ...]:
    if step < STEPS:
        return bounded_reasons(message.reasons, _FEW_REASONS)
    return (reasons_left_out(len(message.reasons)),) if message.reasons else ()


def _measures(
    measures: tuple[ReportedMeasure, ...], step: int
) -> tuple[tuple[ReportedMeasure, ...], tuple[Reason, ...]]:
    number, size = _MAX_MEASURES[step - 1], _MAX_BYTES[step - 1]
    if number is None or size is None:
        return measures, ()
    requested = sum([measure.id_origin is not MeasureIdOrigin.DERIVED for measure in measures])
    return bounded_measures(measures, max(number, requested), size)
