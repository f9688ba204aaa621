"""Wait for what is missing of a run at its external system, report it, and end the wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.checks import watch as watches
from router.runs.checks.doubt import Doubt
from router.runs.checks.end import end
from router.runs.checks.watch import MIN_NOT_FOUND_ANSWERS, RETURN_WITHIN, UNKNOWN_STATE_WITHIN, Missing
from router.runs.measures.checks import is_readable
from router.runs.measures.measures import judge_result, match_measures, merge_measures, missing_measures
from router.runs.notifications import build as announcements
from router.runs.run import replace
from router.runs.states import TERMINAL
from router.runs.transitions import ACCEPTED_PHASES, PHASE_OF_STATE, Transition
from schemas.results import Reason
from schemas.vocabulary import Phase, Result, RunState, UpdateKind

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.events import Checked, RunMissing
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.results import RunUpdate
    from schemas.run_document import RequestedMeasure

LOST = "LOST"
UNKNOWN_STATE = "UNKNOWN_STATE"
MEASURE_MISSING = "MEASURE_MISSING"
MEASURES_AWAITED = "MEASURES_AWAITED"
NOT_FOUND_AT_SYSTEM = "NOT_FOUND_AT_SYSTEM"
_MAX_UNKNOWN_STATES = 5  # of one run, that are reported
MAX_STATE_LENGTH = 100  # characters of a reported state in a sentence


def expected_measures(row: RunRow) -> tuple[RequestedMeasure, ...]:
    """Return the measures that were requested of the system: those that a refused change named are not."""
    return (row.sent or row.requested).test_measure


def waits_for(row: RunRow, missing: Missing) -> bool:
    """Return whether this is missing of the run."""
    return row.watch is not None and row.watch.missing is missing


def is_lost(row: RunRow) -> bool:
    """Return whether a run has ended because its system did not have it any more."""
    return row.phase is Phase.FAILED and any(reason.code == LOST for reason in row.reasons)


def lacks_measures(row: RunRow, report: ExternalReport) -> bool:
    """Return whether a report that a run has completed leaves mandatory measures missing."""
    if report.state is not RunState.COMPLETED or row.phase not in ACCEPTED_PHASES:
        return False
    expected = expected_measures(row)
    if not any(measure.mandatory for measure in expected):
        return False
    matched = match_measures(expected, report.measures, row.spoke, row.external_id or row.run_id, known=row.measures)
    return bool(missing_measures(expected, merge_measures(row.measures, matched.measures)))


def is_measured(row: RunRow) -> bool:
    """Return whether all mandatory measures have readable values: all, if none is mandatory; any, if none is named."""
    readable = {measure.id for measure in row.measures if is_readable(measure.value, measure.value_type)}
    expected = expected_measures(row)
    wanted = [measure for measure in expected if measure.mandatory] or expected
    return bool(readable) and all(measure.id in readable for measure in wanted)


def wait_for_measures(row: RunRow, at: datetime, grace: float) -> Transition | None:
    """Return the row of a completed run that waits for its mandatory measures; None if there is nothing to wait for."""
    missing = missing_measures(expected_measures(row), row.measures)
    if not missing or grace <= 0:
        return None
    if waits_for(row, Missing.MEASURES):
        return None if row.watch is None or watches.is_over(row.watch, at, grace) else Transition(row)
    first = missing[0].message + (f" And {len(missing) - 1} more." if missing[1:] else "")
    reason = Reason(
        code=MEASURES_AWAITED,
        message=f"The external system reports completed, and mandatory measures are missing: {first} "
        f"The result is published once they arrive, in {grace:g} s at the latest.",
    )
    row = replace(row, watch=watches.begin(Missing.MEASURES, at, grace))
    return Transition(row, (announcements.build_update(row, UpdateKind.PROGRESS, (reason,)),))


def complete(row: RunRow, state: RunState, at: datetime) -> Transition:
    """End a run in this state: judge it by its measures, and name those that are missing."""
    row = judge(end(row, PHASE_OF_STATE[state], state, at))
    return Transition(row, (announcements.build_result(row),))


def judge(row: RunRow) -> RunRow:
    """Return the row of an ended run with its result, and a reason for each measure that it lacks."""
    if row.result is Result.TIMED_OUT:
        return row  # measures that arrive later do not change how it ended
    state = row.state or RunState.UNKNOWN
    expected = expected_measures(row)
    found = judge_result(state, expected, row.measures, row.reasons)
    named = missing_measures(expected, row.measures) if _lacks_measures(state, found) else ()
    others = tuple([reason for reason in row.reasons if reason.code != MEASURE_MISSING]) if row.reasons else ()
    return replace(row, result=found, reasons=others + named)


def _lacks_measures(state: RunState, found: Result | None) -> bool:
    return state is RunState.COMPLETED and found is Result.INCONCLUSIVE


def count_not_found(row: RunRow, run_event: RunMissing, at: datetime) -> Transition:
    """Count an answer that the system does not have the run; it is lost after several, and some time."""
    if is_lost(row):
        return _still_lost(row, at)
    # A system may delete a run that has completed: the wait for its measures has an end of its own.
    if row.phase not in ACCEPTED_PHASES or waits_for(row, Missing.MEASURES):
        return Transition(row, changed=False)
    known = row.watch if row.watch is not None and row.watch.missing is Missing.RUN else None
    watch = known or watches.begin(Missing.RUN, at, run_event.lost_after)
    if watch.answers + 1 >= MIN_NOT_FOUND_ANSWERS and watches.is_over(watch, at, run_event.lost_after):
        return _end_as_lost(row, run_event, watch, at)
    row = replace(row, watch=watches.after_check(watch, at, run_event.lost_after, answered=True))
    return Transition(row, () if known else (_not_found_update(row, run_event),))


def _not_found_update(row: RunRow, run_event: RunMissing) -> RunUpdate:
    reason = Reason(
        code=NOT_FOUND_AT_SYSTEM,
        message=f"The external system does not find the run ({_quoted(run_event)}): it is asked again, and the run "
        f"counts as lost if it is not found for {run_event.lost_after:g} s.",
    )
    return announcements.build_update(row, UpdateKind.PROGRESS, (reason,))


def _end_as_lost(row: RunRow, run_event: RunMissing, watch: watches.Watch, at: datetime) -> Transition:
    reason = Reason(
        code=LOST,
        message=f"The external system has not found the run since {watch.since.isoformat(timespec='seconds')}, in "
        f"{watch.answers + 1} answers ({_quoted(run_event)}): ask its operators. If it reports on the run again, the "
        "run goes on.",
    )
    row = replace(row, reasons=(*row.reasons, reason))
    ended = complete(row, RunState.FAILED, at)
    asked_on = watches.begin(Missing.RETURN, at, RETURN_WITHIN, answers=watch.answers + 1)
    return Transition(replace(ended.row, watch=asked_on), ended.notifications)


def _quoted(run_event: RunMissing) -> str:
    return "; ".join(reason.message for reason in run_event.reasons[:2]) or "an answer without content"


def _still_lost(row: RunRow, at: datetime) -> Transition:
    """Count the answer, and stop asking after a day: what is known of the run does not change."""
    if row.watch is None:
        return Transition(row, changed=False)
    over = watches.is_over(row.watch, at, RETURN_WITHIN)
    watch = None if over else watches.after_check(row.watch, at, RETURN_WITHIN, answered=True)
    return Transition(replace(row, watch=watch))


def take_back(row: RunRow, at: datetime) -> Transition:
    """Return a lost run, or one whose id never became known, as a run that is at its system."""
    if not (is_lost(row) or row.phase is Phase.FALLOUT):
        return Transition(row, changed=False)
    lost = row.phase is not Phase.FALLOUT
    row = replace(
        row,
        phase=Phase.ACCEPTED,
        state=RunState.ACKNOWLEDGED,
        result=None,
        finished_at=None,
        accepted_at=row.accepted_at or at,
        doubt=None,
        watch=None,
        deadline=None,
        failed_attempt=None,
        reasons=tuple(reason for reason in row.reasons if reason.code != LOST),
    )
    back = Reason(code="RUN_RETURNED", message="The external system reports on the run again: it goes on.")
    return Transition(row, (announcements.build_update(row, UpdateKind.PROGRESS, (back,) if lost else ()),))


def end_watch(row: RunRow, report: ExternalReport) -> RunRow:
    """Return the row without a watch for what the report brings."""
    if row.watch is None:
        return row
    brought = {
        Missing.RUN: True,
        Missing.EXTERNAL_ID: row.external_id is not None,
        Missing.STATE: report.state is not None,
    }
    return replace(row, watch=None) if brought.get(row.watch.missing, False) else row


def report_unknown_state(row: RunRow, report: ExternalReport, at: datetime) -> Transition:
    """Report a state that no spelling of the profile knows, once each, and read the run again."""
    known = [reason for reason in row.reasons if reason.code == UNKNOWN_STATE]
    reason = Reason(
        code=UNKNOWN_STATE,
        message=f"{row.spoke} reports the state {(report.raw_state or '')[:MAX_STATE_LENGTH]!r}, which is not known: "
        "add it to state_spellings in the profile, with the state that it means.",
    )
    if row.watch is None:
        row = replace(row, watch=watches.begin(Missing.STATE, at, UNKNOWN_STATE_WITHIN))
    if reason in known or len(known) >= _MAX_UNKNOWN_STATES:
        return Transition(row, changed=False)
    row = replace(row, reasons=(*row.reasons, reason))
    return Transition(row, (announcements.build_update(row, UpdateKind.PROGRESS, (reason,)),))


def after_check(row: RunRow, run_event: Checked, at: datetime) -> Transition:
    """Set the next check after one that did not bring what is missing, or end the wait."""
    if row.watch is None:
        return Transition(row, changed=False)
    if row.watch.missing is Missing.MEASURES and watches.is_over(row.watch, at, run_event.within):
        return complete(row, RunState.COMPLETED, at)
    if row.watch.missing is Missing.RETURN and watches.is_over(row.watch, at, run_event.within):
        return Transition(replace(row, watch=None))
    if run_event.gives_up is not None:
        return _give_up(row, run_event.gives_up)
    watch = watches.after_check(row.watch, at, run_event.within, answered=run_event.answered)
    return Transition(replace(row, watch=watch))


def _give_up(row: RunRow, reason: Reason) -> Transition:
    """End the checks; a person has to act. Without an external id the run is in fallout, and is never POSTed again."""
    if waits_for(row, Missing.EXTERNAL_ID):
        row = replace(row, phase=Phase.FALLOUT, watch=None, deadline=None, doubt=Doubt(was_accepted=True))
        return Transition(row, (announcements.build_update(row, UpdateKind.FALLOUT, (reason,)),))
    row = replace(row, watch=None)
    return Transition(row, (announcements.build_update(row, UpdateKind.PROGRESS, (reason,)),))


def state_to_enter(row: RunRow, report: ExternalReport) -> RunState | None:
    """Return the state that a report leads to; a run that waits for measures has completed."""
    if waits_for(row, Missing.MEASURES) and report.state not in TERMINAL:
        return RunState.COMPLETED
    return report.state
