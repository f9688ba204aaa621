"""Read runs that a system shows by the rules of its profile, and name the rule that misses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.port import NotUnderstoodError, ReadsLists
from consumers.spokes.profile import LOOK_UPS_BY_NAME, EndOfRun
from router.responses import HttpResponse
from router.runs.reports.verdict import HOW_TO_TRANSLATE, has_unknown_verdict
from schemas.codec.printable import excerpt, printable
from schemas.text.counts import count_noun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.spokes.port import Call, Spoke
    from consumers.spokes.profile import Profile
    from router.responses import NoResponse
    from router.runs.reports.report import ExternalReport

MAX_READ = 20  # runs of a list
_MAX_NAMED = 3  # states that are not known
_MAX_DETAIL = 300  # characters of what a system shows


def listed_runs(spoke: Spoke, response: HttpResponse) -> Sequence[ExternalReport] | None:
    """Return what a list shows about its first runs; None if the dialect does not read lists, or not this one."""
    if not isinstance(spoke, ReadsLists):
        return None
    try:
        return spoke.read_list(response, MAX_READ)
    except NotUnderstoodError:
        return None


def mistake_in_list(profile: Profile, runs: Sequence[ExternalReport]) -> str | None:
    """Return which rule misses what the runs of a list show; None if none does.

    A list may show runs without their states, which a GET of one run has.
    """
    count = count_noun(len(runs), "listed run")
    if lacking := [run for run in runs if not run.external_id]:
        return (
            f"{len(lacking)} of {count} have no id that could be read (the first has {_shown(lacking[0])}): correct "
            "the rule of mapping.receive to /id, or mapping.runs_at"
        )
    if profile.look_up in LOOK_UPS_BY_NAME and not any(run.name for run in runs):
        return (
            f"no name could be read in {count}, and look_up: {profile.look_up.value} finds a run by its name: correct "
            "the rule of mapping.receive to /name"
        )
    return _unknown_states(runs) or _unknown_verdicts(profile, runs)


def mistake_in_run(
    profile: Profile, call: Call, listed: ExternalReport, response: HttpResponse, spoke: Spoke
) -> ExternalReport | str:
    """Return what the answer to a GET of a listed run shows, or which rule misses it."""
    what = f"GET {printable(call.path)[:_MAX_DETAIL]}"
    try:
        run = spoke.read_reply(response)
    except NotUnderstoodError as error:
        return f"{what}: {printable(str(error))[:_MAX_DETAIL]}: correct mapping.run_at, or paths.run"
    if run.external_id and run.external_id != listed.external_id:
        return (
            f"{what} shows the id {excerpt(run.external_id)!r}, and the list {excerpt(listed.external_id or '')!r}: "
            "correct the rule of mapping.receive to /id, or mapping.run_at"
        )
    if run.raw_state is None and profile.end_of_run is not EndOfRun.MEASURES:
        return (
            f"{what} shows no state that could be read (it has {_shown(run)}): correct the rule of mapping.receive to "
            "/state, or mapping.run_at; if the system shows no states, write end_of_run: measures"
        )
    return _unknown_states([run]) or _unknown_verdicts(profile, [run]) or run


def read_sentence(run: ExternalReport) -> str:
    """Return what was read of a run."""
    state = "no state"
    if run.raw_state is not None:
        meaning = "being cancelled" if run.is_being_cancelled else run.state
        state = f"state {excerpt(run.raw_state)!r}, which is {meaning}"
    name = f"name {excerpt(run.name)!r}" if run.name else "no name"
    verdict = f", verdict {run.verdict.value}" if run.verdict is not None else ""
    return f"id {excerpt(run.external_id or '')!r}, {name}, {state}{verdict}"


def is_success(profile: Profile, response: HttpResponse | NoResponse) -> bool:
    """Return whether a GET was answered with success and a body."""
    if not isinstance(response, HttpResponse):
        return False
    return response.status in profile.success_codes_of("GET") and bool(response.body.strip())


def _unknown_states(runs: Sequence[ExternalReport]) -> str | None:
    unknown = [run.raw_state for run in runs if run.raw_state and run.state is None]
    advice = "name what it means in state_spellings, or correct the rule of mapping.receive to /state"
    return f"{_not_known('state', unknown)}: {advice}" if unknown else None


def _unknown_verdicts(profile: Profile, runs: Sequence[ExternalReport]) -> str | None:
    by_measures = profile.end_of_run is EndOfRun.MEASURES
    counted = [run for run in runs if has_unknown_verdict(run, ends_with_measures=by_measures)]
    unknown = [run.unknown_verdict for run in counted if run.unknown_verdict]
    return f"{_not_known('verdict', unknown)}: {HOW_TO_TRANSLATE}" if unknown else None


def _not_known(what: str, words: Sequence[str]) -> str:
    unknown = list(dict.fromkeys(map(excerpt, words)))
    named = ", ".join(map(repr, unknown[:_MAX_NAMED])) + (" and others" if unknown[_MAX_NAMED:] else "")
    return f"the {what} {named} is not known" if len(unknown) == 1 else f"the {what}s {named} are not known"


def _shown(run: ExternalReport) -> str:
    return printable(run.shown)[:_MAX_DETAIL] or "nothing"
