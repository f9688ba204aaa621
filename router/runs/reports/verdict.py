"""Keep the last word of a system on a run: its own verdict, from which the result follows, and why the run failed.

TMF653 has no field for a verdict: systems that judge themselves call it `result`, as ServiceNow does, or a mapping
writes theirs to that field. That a run passed needs more than its word: the mandatory measures, and no violation.

A verdict is kept as a reason of the run, one at a time. Before the end it is provisional: a newer one takes its place,
by the rules that hold for measures. So `pass` is kept too, until the end, for an older `fail` not to replace it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.error_bodies import one_line
from router.runs.states import TERMINAL
from schemas.results import Reason
from schemas.text.shown_json import shown_json
from schemas.vocabulary import Result, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.runs.reports.report import ExternalReport

    Reasons = tuple[Reason, ...]

FAIL = Reason(code="VERDICT_FAIL", message="The external system's own verdict on the run is fail.")
INCONCLUSIVE = Reason(
    code="VERDICT_INCONCLUSIVE", message="The external system's own verdict on the run is inconclusive."
)
PASS = Reason(code="VERDICT_PASS", message="The external system's own verdict on the run is pass so far.")
STATUS_REASON = "STATUS_REASON"
UNKNOWN_VERDICT = "UNKNOWN_VERDICT"
HOW_TO_TRANSLATE = (
    "write what it means (pass, fail or inconclusive) into values of a rule to /result in mapping.receive, or drop "
    "/result if it is none"
)
_MAX_WORD = 100  # characters of a verdict in a sentence
_WORDS: Mapping[str, Result] = {
    "pass": Result.PASS,
    "passed": Result.PASS,
    "fail": Result.FAIL,
    "failed": Result.FAIL,
    "inconclusive": Result.INCONCLUSIVE,
}
_REASON_OF: Mapping[Result, Reason] = {Result.PASS: PASS, Result.INCONCLUSIVE: INCONCLUSIVE, Result.FAIL: FAIL}
_SEVERITY: Mapping[str, int] = {PASS.code: 0, INCONCLUSIVE.code: 1, UNKNOWN_VERDICT: 1, FAIL.code: 2}
_JUDGED = frozenset({RunState.COMPLETED, RunState.FAILED})
_UNSUCCESSFUL = TERMINAL - {RunState.COMPLETED}


def read_verdict(written: object) -> Result | None:
    """Return the verdict that a system writes; None if it is no word for one, such as null."""
    return _WORDS.get(written.strip().casefold()) if isinstance(written, str) else None


def read_unknown_verdict(written: object) -> str | None:
    """Return what a system writes as its verdict if that is not known; None if it is, or nothing is written."""
    if written in (None, "", [], {}) or read_verdict(written) is not None:
        return None
    return one_line(written if isinstance(written, str) else shown_json(written))[:_MAX_WORD] or None


def is_fail(reasons: Iterable[Reason]) -> bool:
    """Return whether the system has judged that the run failed."""
    return any(reason.code == FAIL.code for reason in reasons)


def is_inconclusive(reasons: Iterable[Reason]) -> bool:
    """Return whether the system has judged that the run says nothing, or how it has judged is not known."""
    return any(reason.code in (INCONCLUSIVE.code, UNKNOWN_VERDICT) for reason in reasons)


def has_unknown_verdict(report: ExternalReport, *, ends_with_measures: bool) -> bool:
    """Return whether what a report shows as the verdict counts as one, and is not known."""
    verdict = _verdict_of(report)
    return verdict is not None and verdict.code == UNKNOWN_VERDICT and _may_be_about_end(report, ends_with_measures)


def last_words(reasons: Reasons) -> Reasons:
    """Return the verdict and the explanation among the reasons of a run."""
    return tuple([reason for reason in reasons if reason.code in _SEVERITY or reason.code == STATUS_REASON])


def with_last_words(known: Reasons, report: ExternalReport, *, is_older: bool, ends_with_measures: bool) -> Reasons:
    """Return the reasons of a run that goes on, with the verdict and the explanation of a report.

    What an older report says (`is_older`) counts only if nothing is known. A report that names a state in which the run
    goes on may show an initial value: it replaces a verdict, and brings no first one.
    """
    verdict, before = _verdict_of(report), next(iter(_verdicts(known)), None)
    counts = verdict is not None and (before is not None or _may_be_about_end(report, ends_with_measures))
    if verdict is not None and counts and verdict != before and not (is_older and before is not None):
        known = (*[reason for reason in known if reason not in (before, _explanation(known))], verdict)
    said = explanation_in(report, ends_with_measures=ends_with_measures)
    told = _explanation(known)
    if said is None or said == told or (is_older and told is not None):
        return known
    return (*[reason for reason in known if reason != told], said)


def without_pass(reasons: Reasons) -> Reasons:
    """Return the reasons of a run that has ended: a verdict of `pass` gives none."""
    return tuple([reason for reason in reasons if reason != PASS]) if PASS in reasons else reasons


def late_words(
    known: Reasons, report: ExternalReport, state: RunState | None, *, ends_with_measures: bool
) -> tuple[Reason, ...]:
    """Return the verdict of a report about a run that has ended in `state` if it is worse than the known one, and why.

    A verdict from before the end that arrives after it does not count. The explanation of another end, or of a milder
    verdict, is none of this one.
    """
    if report.is_older and report.state not in _JUDGED:
        return ()
    verdict = _verdict_of(report) if _may_be_about_end(report, ends_with_measures) else None
    said, told = explanation_in(report, ends_with_measures=ends_with_measures), _explanation(known)
    if verdict is None:
        return (said,) if said is not None and told is None and report.state is state else ()
    severity, worst = _SEVERITY[verdict.code], max([_SEVERITY[reason.code] for reason in _verdicts(known)], default=0)
    if severity > worst:
        return (verdict, said) if said is not None else (verdict,)
    return (said,) if said is not None and told is None and severity == worst else ()


def without_replaced_words(known: Reasons, words: Reasons) -> Reasons:
    """Return the reasons of a run that has ended without the verdict, or explanation, that a newer one replaces."""
    if not _verdicts(words):
        return known
    replaced = {reason.code for reason in words} & {STATUS_REASON} | _SEVERITY.keys()
    return tuple([reason for reason in known if reason.code not in replaced])


def explanation_in(report: ExternalReport, *, ends_with_measures: bool) -> Reason | None:
    """Return why the system ended a run without success, as it says in a report."""
    if report.status_reason is None:
        return None
    may_be_bad = report.verdict in (Result.FAIL, Result.INCONCLUSIVE) or report.unknown_verdict is not None
    is_bad = may_be_bad and _may_be_about_end(report, ends_with_measures)
    if report.state not in _UNSUCCESSFUL and not is_bad:
        return None
    return Reason(code=STATUS_REASON, message=report.status_reason)


def _verdict_of(report: ExternalReport) -> Reason | None:
    is_judged = report.state not in TERMINAL or report.state in _JUDGED
    if not is_judged:
        return None
    if report.verdict is not None:
        return _REASON_OF.get(report.verdict)
    return _unknown(report.unknown_verdict) if report.unknown_verdict is not None else None


def _unknown(word: str) -> Reason:
    return Reason(
        code=UNKNOWN_VERDICT,
        message=f"The external system's own verdict on the run is {word!r}, which is not known: {HOW_TO_TRANSLATE}.",
    )


def _may_be_about_end(report: ExternalReport, ends_with_measures: bool) -> bool:  # noqa: FBT001 - private
    """Return whether the system does not say that the run goes on; if measures end its runs, its states say nothing."""
    return report.state in TERMINAL or report.raw_state is None or ends_with_measures


def _verdicts(reasons: Reasons) -> Reasons:
    return tuple([reason for reason in reasons if reason.code in _SEVERITY])


def _explanation(reasons: Reasons) -> Reason | None:
    return next((reason for reason in reasons if reason.code == STATUS_REASON), None)
