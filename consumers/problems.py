"""Build the problems that stop a run, each with one sentence."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from consumers.spokes.profile import CancelMethod
from router.responses import HttpResponse, Verdict
from schemas.partition_keys import root_run_key
from schemas.problem import Problem
from schemas.results import Reason

if TYPE_CHECKING:
    from consumers.dispatch.call import CallResult
    from consumers.spokes.profile import Profile
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument

REPORT_UNREADABLE = "REPORT_UNREADABLE"
_CREDENTIALS_REFUSED = (401, 403, 407)
_NOT_THERE = (404, 405, 410, 501)
CANCEL_NOT_SHOWN = "CANCEL_NOT_SHOWN"


def reason_of(problem: Problem) -> Reason:
    """Return a problem as the reason in an event."""
    return Reason(code=problem.code, message=problem.sentence)


def run_unknown(run_id: str, action: str) -> Problem:
    """Return the problem of a run that is not in the store."""
    return Problem(
        code="UNKNOWN_RUN",
        sentence=f"Cannot {action} run {run_id}: no such run is in the run store; "
        "publish its RunRequested first, then redrive this record.",
    )


def call_failed(result: CallResult, summary: str) -> Problem:
    """Return the problem of a call to an external system that did not do what it should."""
    reasons = result.meaning.reasons
    details = "; ".join(f"{reason.code}: {reason.message}" for reason in reasons) or result.meaning.verdict
    sentence = f"{summary}: {details}"
    if remedy := _remedy(result):
        sentence = f"{sentence.rstrip('.')}. {remedy}"
    return Problem(code=f"CALL_{result.meaning.verdict.name}", sentence=sentence)


def _remedy(result: CallResult) -> str:
    """Return what to correct in the profile of a system that refuses calls because of how they are made."""
    if result.meaning.verdict is not Verdict.CONFIGURATION or not isinstance(result.response, HttpResponse):
        return ""
    status = result.response.status
    if status in _CREDENTIALS_REFUSED:
        return "Correct auth in the profile, the secret to which it refers, or the rights of the user, and restart."
    is_elsewhere = status in _NOT_THERE or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return "Correct base_url or paths in the profile, and restart." if is_elsewhere else ""


def look_up_impossible(row: RunRow) -> Problem:
    """Return the problem of a POST with unknown outcome that only a person can settle."""
    return Problem(
        code="IN_DOUBT",
        sentence=f"It is not known whether the POST of run {row.run_id} reached {row.spoke}, and its profile names no "
        "look-up method: ask the system's operators, then redrive or drop this record.",
    )


def outcome_not_proven(row: RunRow, cause: Problem) -> Problem:
    """Return the problem of a POST with unknown outcome about which the look-ups prove nothing."""
    return Problem(
        code="IN_DOUBT",
        sentence=f"It is not known whether the POST of run {row.run_id} reached {row.spoke}, and its "
        f"responses to the look-up prove nothing ({cause.sentence}): ask the system's operators, then redrive or drop "
        "this record.",
    )


def response_unreadable(row: RunRow) -> Problem:
    """Return the problem of a run that was accepted by a response that cannot be read, and is not found since."""
    return Problem(
        code="IN_DOUBT",
        sentence=f"{row.spoke} answered the POST of run {row.run_id} with success, but the response cannot be read and "
        "the run is not found there: ask the system's operators, then redrive or drop this record.",
    )


def body_changed(row: RunRow) -> Problem:
    """Return the problem of a run whose POST never arrived, and which is written in another way by now."""
    return Problem(
        code="BODY_CHANGED",
        sentence=f"{row.spoke} does not have run {row.run_id}, whose POST ended without an answer, but another POST "
        "would send another body: its profile, its spoke or its parent was changed meanwhile. Redrive this record to "
        "send the run as it is written now, or drop it.",
    )


def not_settled(row: RunRow, wait: float) -> Problem:
    """Return why a run that is not found at its system is not sent again yet."""
    return Problem(
        code="IN_DOUBT",
        sentence=f"{row.spoke} does not have run {row.run_id}, whose POST was perhaps accepted, and may store it late: "
        f"it is looked up again in {wait:.0f} s.",
    )


def external_id_taken(row: RunRow, report: ExternalReport, detail: str) -> Problem:
    """Return the problem of a system that returned the external id of another run."""
    return Problem(
        code="EXTERNAL_ID_TAKEN",
        sentence=f"{row.spoke} answered the POST of run {row.run_id} with the id {report.external_id}, which belongs "
        "to another run: ask the system's operators which run it means, then redrive this record.",
        detail=detail,
    )


def test_repeated(row: RunRow, report: ExternalReport) -> Problem:
    """Return the problem of a system that answered another POST with a test that was cancelled for it."""
    return Problem(
        code="TEST_REPEATED",
        sentence=f"{row.spoke} answered the POST of the changed run {row.run_id} with its test {report.external_id}, "
        "which was cancelled for it: ask the system's operators whether it takes a second POST of a run, then redrive "
        "this record.",
    )


def parent_not_accepted(row: RunRow, parent: RunRow) -> Problem:
    """Return the problem of a child whose parent is not accepted yet."""
    return Problem(
        code="PARENT_IN_FALLOUT",
        sentence=f"Run {row.run_id} waits for its parent {parent.run_id}, which is {parent.phase}: "
        "redrive the parent's dead letter first, then this one.",
    )


def report_unreadable(spoke: str, detail: str) -> Problem:
    """Return the problem of a report that cannot be read."""
    return Problem(
        code=REPORT_UNREADABLE,
        sentence=f"What {spoke} reported cannot be read ({detail}): "
        "correct its profile or ask the system's operators, then redrive this record.",
    )


def answer_unreadable(spoke: str) -> Reason:
    """Return why an event that reported the end of a run counts without the run as its system shows it."""
    return Reason(
        code="ANSWER_UNREADABLE",
        message=f"{spoke} reported the end of the run, and its answers to GET cannot be read: the event counts without "
        "them. Correct the profile, or ask the system's operators.",
    )


def answer_behind(row: RunRow, event: ExternalReport, answer: ExternalReport) -> Problem:
    """Return why a run is read again although the system answered."""
    reported = event.raw_state or "a change"
    return Problem(
        code="ANSWER_BEHIND",
        sentence=f"{row.spoke} reported {reported} of run {row.run_id}, but its answer to the GET still says "
        f"{answer.raw_state}: the run is read again.",
    )


def report_without_run(spoke: str, report: ExternalReport) -> Problem:
    """Return the problem of a report that belongs to no run of ours."""
    if report.external_id is None:
        has = f", and has {report.shown}" if report.shown else ""
        advice = "write or correct a rule to /id in mapping.receive of its profile, or mapping.event, then redrive it"
        return Problem(
            code="REPORT_WITHOUT_RUN",
            sentence=f"{spoke} reported on a run without an id: the notification names no run of ours{has}: {advice}.",
        )
    return Problem(
        code="REPORT_WITHOUT_RUN",
        sentence=f"{spoke} reported on {report.external_id}, "
        "which no run in the run store carries: check that the system answers for our runs, and set callback_auth "
        "if it names the id of a run only in callbacks.",
    )


def too_many_unknown_ids(spoke: str, report: ExternalReport) -> Problem:
    """Return the problem of a report that does not wait for its run, because too many others of its spoke do."""
    unknown = report_without_run(spoke, report)
    return replace(unknown, sentence=f"Reports wait for too many other ids of {spoke} already. {unknown.sentence}")


def external_id_pending(row: RunRow) -> Problem:
    """Return the problem of a run that was sent and whose external id is not known yet."""
    return Problem(
        code="EXTERNAL_ID_PENDING",
        sentence=f"{row.spoke} accepted run {row.run_id} without an id; this record waits until one is reported.",
    )


def external_id_missing(row: RunRow, subject: str) -> Problem:
    """Return the problem of a record that needs an external id which never became known."""
    return Problem(
        code="EXTERNAL_ID_MISSING",
        sentence=f"{subject} needs the external id of run {row.run_id}, which {row.spoke} accepted without one "
        "and has not named since: if its answers have the id under another name, write a rule to /id in "
        "mapping.receive of its profile; ask the system's operators for the run, then redrive this record.",
    )


def state_unknown(row: RunRow) -> Problem:
    """Return the problem of a run whose system reports a state that its profile does not know."""
    return Problem(
        code="UNKNOWN_STATE",
        sentence=f"{row.spoke} reports run {row.run_id} in a state that is not known: add it to state_spellings in the "
        "profile, then redrive this record.",
    )


def cancellation_not_shown(row: RunRow, state: str, seconds: float) -> Problem:
    """Return the problem of a run that goes on at its system, which has accepted its cancellation."""
    return Problem(
        code=CANCEL_NOT_SHOWN,
        sentence=f"{row.spoke} accepted the cancellation of run {row.run_id} at least {seconds:g} s ago, and still "
        f"shows its test {row.external_id} as {state}: ask the system's operators, then redrive this record to have "
        "the run asked for again.",
    )


def cancel_method_unsupported(profile: Profile, status: int) -> Reason:
    """Return what to do where a system has no such method as the profile says that it is cancelled by."""
    *others, last = (method.value for method in CancelMethod if method is not profile.cancel)
    return Reason(
        code="CANCEL_METHOD_UNSUPPORTED",
        message=f"{profile.name} answers {status} to a cancellation by {profile.cancel.value}: if its interface names "
        f"another way, write {', '.join(others)} or {last} as `cancel` in its profile, or correct `paths.cancel`; if "
        "it has none, wait for the end of the run.",
    )


def event_misplaced(event: Event, location: str) -> Problem:
    """Return the problem of an event that is understood but does not belong on this topic."""
    return Problem(
        code="WRONG_TOPIC",
        sentence=f"{type(event.data).__name__} does not belong on {location}: publish it to its own topic.",
    )


def wrong_key(event: Event, key: str) -> Problem:
    """Return the problem of a record whose key is not the id of its root run."""
    return Problem(
        code="WRONG_KEY",
        sentence=f"{_named_with_key(event, key)}: it is processed, but perhaps before an earlier event of the run. "
        "Ask its producer to use the id of the root run as key.",
    )


def wrong_key_refused(event: Event, key: str) -> Problem:
    """Return the problem of a record that `kafka.wrong_key` refuses."""
    return Problem(
        code="WRONG_KEY",
        sentence=f"{_named_with_key(event, key)}, and `kafka.wrong_key` refuses it: "
        "publish it again with the id of the root run as key.",
    )


def _named_with_key(event: Event, key: str) -> str:
    return f"{type(event.data).__name__} of root run {root_run_key(event.data)} has the key {key}"


def child_not_listed(row: RunRow) -> Problem:
    """Return the problem of a child whose root was sent without naming it."""
    return Problem(
        code="CHILD_NOT_LISTED",
        sentence=f"Run {row.run_id} says that its root is {row.root_run_id}, which does not name it: "
        "publish a RunChanged of the root that names or carries it.",
    )


def run_exists(run: RunDocument) -> Problem:
    """Return the problem of a run id that is taken."""
    return Problem(
        code="RUN_EXISTS",
        sentence=f"Run {run.run_id} (or one of its children) was already requested: "
        "give a new run a new id, or publish RunChanged with a higher version.",
    )
