"""Convert rows to the values of database columns and back, by position, because every event does so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from router.runs.checks.cancellation import FollowedTask
from router.runs.checks.doubt import Doubt
from router.runs.checks.next_check import next_check
from router.runs.checks.watch import Watch
from router.runs.deadlines.deadline import Deadline
from router.runs.failed_attempt import FailedAttempt
from router.runs.requests.progress import StateCount
from router.runs.revisions.replaced_tests import Replacement
from router.runs.revisions.replacement import replaced_ids
from router.runs.run import LastNotification, RequestRow, RunRow
from schemas.commands import PinnedDecision
from schemas.results import Reason, ReportedMeasure, RuleViolation
from schemas.run_document import JsonText, JsonValue
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.store.document_cache import DocumentCache

ColumnValues = tuple[Any, ...]  # what a driver accepts and returns, one per column, in the order of the table

_REASONS = TypeAdapter(tuple[Reason, ...])
_DOUBT = TypeAdapter(Doubt)
_FAILED_ATTEMPT = TypeAdapter(FailedAttempt)
_WATCH = TypeAdapter(Watch)
_FOLLOWED_TASK = TypeAdapter(FollowedTask)
_REPLACEMENT = TypeAdapter(Replacement)
_VIOLATIONS = TypeAdapter(tuple[RuleViolation, ...])
# A process of the previous version refuses fields that it does not know, and reads the same rows during an upgrade.
_LATER_FIELDS = {
    "conformance_comparator_exact",
    "number_of_allowed_crossing",
    "tolerance_period",
    "applied_consequence",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentFormat:
    """How a database stores moments."""

    write: Callable[[datetime], object]
    read: Callable[[Any], datetime]

    def write_if(self, moment: datetime | None) -> object:
        """Convert a moment that may be missing."""
        return None if moment is None else self.write(moment)

    def read_if(self, stored: object) -> datetime | None:
        """Convert back a moment that may be missing."""
        return None if stored is None else self.read(stored)


@lru_cache(maxsize=1024)  # a row has several moments, and most of them are equal
def _to_text(moment: datetime) -> str:
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds")


def _as_it_is(moment: datetime) -> datetime:
    return moment


TEXT_MOMENTS = MomentFormat(write=_to_text, read=datetime.fromisoformat)
NATIVE_MOMENTS = MomentFormat(write=_as_it_is, read=_as_it_is)


def run_values(row: RunRow, moments: MomentFormat, documents: DocumentCache) -> ColumnValues:
    """Return a row's columns in the order of `tables.runs`."""
    requested = documents.write(row.requested)
    return (
        row.run_id,
        row.root_run_id,
        row.parent_run_id,
        row.tenant,
        row.request_id,
        row.spoke,
        _encode_decision(row.decision) if row.decision else None,
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
        moments.write(row.created_at),
        moments.write_if(row.sent_at),
        moments.write_if(row.accepted_at),
        moments.write_if(row.finished_at),
        moments.write(row.updated_at),
        row.revision,
        waits_for_text(row.waits_for) if row.waits_for else None,
        _DOUBT.dump_json(row.doubt, exclude_defaults=True).decode() if row.doubt else None,
        _WATCH.dump_json(row.watch).decode() if row.watch else None,
        moments.write_if(next_check(row)),
        _encode_last_notification(row.last_notification) if row.last_notification else None,
        _FAILED_ATTEMPT.dump_json(row.failed_attempt).decode() if row.failed_attempt else None,
        _encode_deadline(row.deadline) if row.deadline else None,
        _FOLLOWED_TASK.dump_json(row.cancellation).decode() if row.cancellation else None,
        row.cancellation.id or None if row.cancellation else None,
        _REPLACEMENT.dump_json(row.replacement, exclude_defaults=True).decode() if row.replacement else None,
        moments.write_if(row.state_event_at),
    )


def run_row(
    values: ColumnValues, measures: Iterable[ColumnValues], moments: MomentFormat, documents: DocumentCache
) -> RunRow:
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
        doubt,
        watch,
        _check_at,
        last_notification,
        failed_attempt,
        deadline,
        cancellation,
        _cancel_task,
        replacement,
        state_event_at,
    ) = values
    return RunRow(
        run_id=run_id,
        root_run_id=root_run_id,
        parent_run_id=parent_run_id,
        tenant=tenant,
        request_id=request_id,
        spoke=spoke,
        decision=_decode_decision(decision) if decision else None,
        phase=_PHASES[phase],
        state=_STATES[state],
        result=_RESULTS[result],
        external_id=external_id,
        external_href=external_href,
        requested=documents.read(requested),
        sent=documents.read(sent) if sent else None,
        accepted_version=accepted_version,
        measures=tuple([_decode_measure(each, moments) for each in measures]),
        reasons=() if reasons == "[]" else _REASONS.validate_json(reasons),
        cancel_requested=bool(cancel_requested),
        processed_reports=() if processed_reports == "[]" else tuple(orjson.loads(processed_reports)),
        processed_events=() if processed_events == "[]" else tuple(orjson.loads(processed_events)),
        created_at=moments.read(created_at),
        sent_at=moments.read_if(sent_at),
        accepted_at=moments.read_if(accepted_at),
        finished_at=moments.read_if(finished_at),
        updated_at=moments.read(updated_at),
        revision=revision,
        waits_for=waits_for_of(waits_for) if waits_for else (),
        doubt=_DOUBT.validate_json(doubt) if doubt else None,
        watch=_WATCH.validate_json(watch) if watch else None,
        last_notification=_decode_last_notification(last_notification) if last_notification else None,
        failed_attempt=_FAILED_ATTEMPT.validate_json(failed_attempt) if failed_attempt else None,
        deadline=_decode_deadline(deadline) if deadline else None,
        cancellation=_FOLLOWED_TASK.validate_json(cancellation) if cancellation else None,
        replacement=_REPLACEMENT.validate_json(replacement) if replacement else None,
        state_event_at=moments.read_if(state_event_at),
    )


def _encode_last_notification(notification: LastNotification) -> str:
    return orjson.dumps([*notification]).decode()


def _decode_last_notification(text: str) -> LastNotification:
    cause, process_id, revision, updates, *others = orjson.loads(text)
    return LastNotification(cause, process_id, revision, tuple(updates), *others)


def _encode_deadline(known: Deadline) -> str:
    # By position, because every run that is at its system has one.
    return orjson.dumps([known.expires, known.jeopardy, known.left, known.left_until_jeopardy, known.is_set]).decode()


def _decode_deadline(text: str) -> Deadline:
    expires, jeopardy, left, left_until_jeopardy, is_set = orjson.loads(text)
    return Deadline(
        expires=datetime.fromisoformat(expires),
        jeopardy=None if jeopardy is None else datetime.fromisoformat(jeopardy),
        left=left,
        left_until_jeopardy=left_until_jeopardy,
        is_set=is_set,
    )


_PHASES = {word.value: word for word in Phase}
_STATES: dict[str | None, RunState | None] = {None: None} | {word.value: word for word in RunState}
_RESULTS: dict[str | None, Result | None] = {None: None} | {word.value: word for word in Result}
_ORIGINS = {word.value: word for word in MeasureIdOrigin}


def waits_for_text(definitions: tuple[str, ...]) -> str:
    """Return the text of what a run waits for; runs that wait for the same have the same text."""
    return orjson.dumps(definitions).decode()


def waits_for_of(text: str) -> tuple[str, ...]:
    """Parse what `waits_for_text` returned."""
    return tuple(orjson.loads(text))


@lru_cache(maxsize=4096)  # as many as there are rows in decision tables, not as there are runs
def _encode_decision(decision: PinnedDecision) -> str:
    return decision.model_dump_json()


@lru_cache(maxsize=4096)
def _decode_decision(text: str) -> PinnedDecision:
    return PinnedDecision.model_validate_json(text)


def replaced_values(row: RunRow) -> list[ColumnValues]:
    """Return the columns of each replaced test of a run as `tables.replaced_tests` orders them."""
    return [(row.spoke, external_id, row.run_id) for external_id in replaced_ids(row)]


def measure_values(row: RunRow, moments: MomentFormat) -> list[ColumnValues]:
    """Return the columns of each measure of a run as `tables.run_measures` orders them."""
    return [
        (
            row.run_id,
            position,
            measure.id,
            str(measure.id_origin),
            measure.metric_name,
            measure.metric_href,
            _encode_value(measure.value),
            measure.value_type,
            measure.unit_of_measure,
            measure.accuracy,
            moments.write_if(measure.capture_date_time),
            measure.capture_method,
            *_encode_violations(measure.rule_violation),
        )
        for position, measure in enumerate(row.measures)
    ]


def _encode_violations(violations: tuple[RuleViolation, ...]) -> tuple[str, str | None]:
    """Return the violations as processes before r0018 read them, and whole if they have more than that."""
    if not violations:
        return "[]", None
    plain = _VIOLATIONS.dump_json(violations, exclude={"__all__": _LATER_FIELDS}).decode()
    whole = _VIOLATIONS.dump_json(violations).decode() if any(map(_has_later_fields, violations)) else None
    return plain, whole


def _has_later_fields(violation: RuleViolation) -> bool:
    plain = (violation.conformance_comparator_exact, violation.number_of_allowed_crossing, violation.tolerance_period)
    return bool(violation.applied_consequence) or any(field is not None for field in plain)


def _decode_measure(values: ColumnValues, moments: MomentFormat) -> ReportedMeasure:
    # Not validated again: these columns were written from a valid measure, and there may be hundreds.
    return ReportedMeasure.model_construct(
        id=values[2],
        id_origin=_ORIGINS[values[3]],
        metric_name=values[4],
        metric_href=values[5],
        value=_decode_value(values[6]),
        value_type=values[7],
        unit_of_measure=values[8],
        accuracy=values[9],
        capture_date_time=moments.read_if(values[10]),
        capture_method=values[11],
        rule_violation=() if values[12] == "[]" else _VIOLATIONS.validate_json(values[13] or values[12]),
    )


def _encode_value(value: JsonValue) -> str | None:
    return None if value is None else to_json(value, inf_nan_mode="null").decode()


def _decode_value(text: str | None) -> JsonValue:
    if text is None:
        return None
    value: JsonValue | dict[str, str] = from_json(text)
    return JsonText(**value) if isinstance(value, dict) else value


def state_count(values: ColumnValues) -> StateCount:
    """Return how many runs are in a state and phase, of what the database returned."""
    state, phase, number = values
    return StateCount(_STATES[state], _PHASES[phase], number)


def request_values(row: RequestRow, moments: MomentFormat) -> ColumnValues:
    """Return a request's columns as `tables.outbound_requests` orders them."""
    decision = _encode_decision(row.decision)
    created_at = moments.write(row.created_at)
    return (row.request_id, row.root_run_id, row.tenant, row.spoke, decision, row.explanation, created_at)


def request_row(values: ColumnValues, moments: MomentFormat) -> RequestRow:
    """Return the request of what `request_values` returned."""
    request_id, root_run_id, tenant, spoke, decision, explanation, created_at = values
    return RequestRow(
        request_id=request_id,
        root_run_id=root_run_id,
        tenant=tenant,
        spoke=spoke,
        decision=_decode_decision(decision),
        explanation=explanation,
        created_at=moments.read(created_at),
    )
