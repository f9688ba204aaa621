"""Convert rows to the values of database columns and back, by position, because every event does so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from router.runs.run import RequestRow, RunRow
from schemas.commands import PinnedDecision
from schemas.results import Reason, ReportedMeasure, RuleViolation
from schemas.run_document import JsonText, Value
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.store.document_cache import DocumentCache

Values = tuple[Any, ...]  # what a driver accepts and returns, one per column, in the order of the table

_REASONS = TypeAdapter(tuple[Reason, ...])
_VIOLATIONS = TypeAdapter(tuple[RuleViolation, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentFormat:
    """How a database stores moments."""

    write: Callable[[datetime], object]
    read: Callable[[Any], datetime]

    def write_if(self, moment: datetime | None) -> object:
        """Convert a moment that may be missing."""
        return None if moment is None else self.write(moment)

    def read_if(self, kept: object) -> datetime | None:
        """Convert back a moment that may be missing."""
        return None if kept is None else self.read(kept)


@lru_cache(maxsize=1024)  # a row has several moments, and most of them are equal
def _as_text(moment: datetime) -> str:
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds")


def _as_it_is(moment: datetime) -> datetime:
    return moment


AS_TEXT = MomentFormat(write=_as_text, read=datetime.fromisoformat)
AS_MOMENTS = MomentFormat(write=_as_it_is, read=_as_it_is)


def run_values(row: RunRow, clock: MomentFormat, documents: DocumentCache) -> Values:
    """Return a row's columns in the order of `tables.runs`."""
    requested = documents.write(row.requested)
    return (
        row.run_id,
        row.root_run_id,
        row.parent_run_id,
        row.tenant,
        row.request_id,
        row.spoke,
        _decision_text(row.decision) if row.decision else None,
        str(row.phase),  # `.value` of an enumeration is two calls in Python
        str(row.state) if row.state else None,
        str(row.result) if row.result else None,
        row.external_id,
        row.external_href,
        requested,
        documents.write(row.sent) if row.sent else None,
        row.accepted_version,
        len(row.measures),
        _REASONS.dump_json(row.reasons).decode() if row.reasons else "[]",
        row.cancel_requested,
        orjson.dumps(row.processed_reports).decode() if row.processed_reports else "[]",
        orjson.dumps(row.processed_events).decode() if row.processed_events else "[]",
        clock.write(row.created_at),
        clock.write_if(row.sent_at),
        clock.write_if(row.accepted_at),
        clock.write_if(row.finished_at),
        clock.write(row.updated_at),
        row.revision,
        waits_for_text(row.waits_for) if row.waits_for else None,
    )


def run_row(values: Values, measures: Iterable[Values], clock: MomentFormat, documents: DocumentCache) -> RunRow:
    """Return the row of what `run_values` and `measure_values` returned."""
    (
        run_id,
        root_run_id,
        parent_run_id,
        tenant,
        request_id,
        spoke,
        decision,
        phase,
        state,
        result,
        external_id,
        external_href,
        requested,
        sent,
        accepted_version,
        _measure_count,
        reasons,
        cancel_requested,
        processed_reports,
        processed_events,
        created_at,
        sent_at,
        accepted_at,
        finished_at,
        updated_at,
        revision,
        waits_for,
    ) = values
    return RunRow(
        run_id=run_id,
        root_run_id=root_run_id,
        parent_run_id=parent_run_id,
        tenant=tenant,
        request_id=request_id,
        spoke=spoke,
        decision=_decision(decision) if decision else None,
        phase=_PHASES[phase],
        state=_STATES[state],
        result=_RESULTS[result],
        external_id=external_id,
        external_href=external_href,
        requested=documents.read(requested),
        sent=documents.read(sent) if sent else None,
        accepted_version=accepted_version,
        measures=tuple([_measure(each, clock) for each in measures]),
        reasons=() if reasons == "[]" else _REASONS.validate_json(reasons),
        cancel_requested=bool(cancel_requested),
        processed_reports=() if processed_reports == "[]" else tuple(orjson.loads(processed_reports)),
        processed_events=() if processed_events == "[]" else tuple(orjson.loads(processed_events)),
        created_at=clock.read(created_at),
        sent_at=clock.read_if(sent_at),
        accepted_at=clock.read_if(accepted_at),
        finished_at=clock.read_if(finished_at),
        updated_at=clock.read(updated_at),
        revision=revision,
        waits_for=waits_for_of(waits_for) if waits_for else (),
    )


_PHASES = {word.value: word for word in Phase}
_STATES: dict[str | None, RunState | None] = {None: None} | {word.value: word for word in RunState}
_RESULTS: dict[str | None, Result | None] = {None: None} | {word.value: word for word in Result}
_ORIGINS = {word.value: word for word in MeasureIdOrigin}


def waits_for_text(definitions: tuple[str, ...]) -> str:
    """Return the text of what a run waits for; runs that wait for the same have the same text."""
    return orjson.dumps(definitions).decode()


def waits_for_of(text: str) -> tuple[str, ...]:
    """Parse what `waits_text` returned."""
    return tuple(orjson.loads(text))


@lru_cache(maxsize=4096)  # as many as there are rows in decision tables, not as there are runs
def _decision_text(decision: PinnedDecision) -> str:
    return decision.model_dump_json()


@lru_cache(maxsize=4096)
def _decision(text: str) -> PinnedDecision:
    return PinnedDecision.model_validate_json(text)


def measure_values(row: RunRow, clock: MomentFormat) -> list[Values]:
    """Return the columns of each measure of a run as `tables.run_measures` orders them."""
    return [
        (
            row.run_id,
            place,
            measure.id,
            str(measure.id_origin),
            measure.metric_name,
            measure.metric_href,
            _value_text(measure.value),
            measure.value_type,
            measure.unit_of_measure,
            measure.accuracy,
            clock.write_if(measure.capture_date_time),
            measure.capture_method,
            _VIOLATIONS.dump_json(measure.rule_violation).decode() if measure.rule_violation else "[]",
        )
        for place, measure in enumerate(row.measures)
    ]


def _measure(values: Values, clock: MomentFormat) -> ReportedMeasure:
    # Not validated again: these columns were written from a valid measure, and there may be hundreds.
    return ReportedMeasure.model_construct(
        id=values[2],
        id_origin=_ORIGINS[values[3]],
        metric_name=values[4],
        metric_href=values[5],
        value=_value(values[6]),
        value_type=values[7],
        unit_of_measure=values[8],
        accuracy=values[9],
        capture_date_time=clock.read_if(values[10]),
        capture_method=values[11],
        rule_violation=() if values[12] == "[]" else _VIOLATIONS.validate_json(values[12]),
    )


def _value_text(value: Value) -> str | None:
    return None if value is None else to_json(value, inf_nan_mode="null").decode()


def _value(text: str | None) -> Value:
    if text is None:
        return None
    value: Value | dict[str, str] = from_json(text)
    return JsonText(**value) if isinstance(value, dict) else value


def request_values(row: RequestRow, clock: MomentFormat) -> Values:
    """Return a request's columns as `tables.outbound_requests` orders them."""
    decision = _decision_text(row.decision)
    created_at = clock.write(row.created_at)
    return (row.request_id, row.root_run_id, row.tenant, row.spoke, decision, row.explanation, created_at)


def request_row(values: Values, clock: MomentFormat) -> RequestRow:
    """Make a request again from what `request_values` gave."""
    request_id, root_run_id, tenant, spoke, decision, explanation, created_at = values
    return RequestRow(
        request_id=request_id,
        root_run_id=root_run_id,
        tenant=tenant,
        spoke=spoke,
        decision=_decision(decision),
        explanation=explanation,
        created_at=clock.read(created_at),
    )
