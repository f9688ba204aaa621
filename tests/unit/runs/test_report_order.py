"""An older word never overwrites a newer one, in whatever order the words of a system arrive."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.events import Reported
from router.runs.reports.news import has_news
from router.runs.reports.report import ExternalMeasure, ExternalReport
from router.runs.reports.report_order import is_behind, merge_answer
from router.runs.states import RANK
from router.runs.transitions import PHASE_OF_STATE
from schemas.results import ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Phase, RunState
from tests.builders.runs import NOON, a_document, a_run

STATES = st.none() | st.sampled_from(sorted(RANK))
OUT = st.sampled_from([RunState.ACKNOWLEDGED, RunState.PENDING, RunState.IN_PROGRESS])


def said(state: RunState | None, **more: object) -> ExternalReport:
    return ExternalReport(external_id="ext-TR0001", state=state, raw_state=state, **more)  # type: ignore[arg-type]


@given(STATES, STATES)
def test_the_further_of_two_states_stays(event: RunState | None, answer: RunState | None) -> None:
    merged = merge_answer(said(event, thin=True), said(answer))
    ranks = [RANK[state] for state in (event, answer) if state]
    assert (RANK[merged.state] if merged.state else 0) == max(ranks, default=0)
    assert not merged.thin


@given(STATES, STATES)
def test_an_answer_that_is_behind_ranks_lower_than_the_event(event: RunState | None, answer: RunState | None) -> None:
    behind = is_behind(a_run(phase=Phase.ACCEPTED), said(event), said(answer))
    assert behind == (event is not None and answer is not None and RANK[answer] < RANK[event])


def test_nothing_is_behind_a_run_that_has_ended() -> None:
    row = a_run(phase=Phase.FULFILLED, state=RunState.COMPLETED)
    assert not is_behind(row, said(RunState.COMPLETED), said(RunState.IN_PROGRESS))


@given(OUT, OUT, st.sampled_from([-1, 1]))
def test_an_answer_that_was_asked_for_before_the_last_update_moves_no_run_back(
    known: RunState, answered: RunState, asked_after: int
) -> None:
    row = a_run(phase=PHASE_OF_STATE[known], state=known, updated_at=NOON)
    asked_at = NOON + timedelta(seconds=asked_after)
    step = advance(row, (Reported(report_id="R", report=said(answered, as_of=asked_at)),), NOON + timedelta(seconds=2))
    forward = RANK[answered] > RANK[known] if asked_after < 0 else RANK[answered] >= RANK[known]
    assert step.row.state is (answered if forward else known)


def test_an_older_answer_adds_measures_and_replaces_none() -> None:
    known = ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=2)
    row = a_run(phase=Phase.IN_PROGRESS, document=a_document(measures=("TM1", "TM2")), measures=(known,))
    values = (ExternalMeasure(id="TM1", value=1, has_value=True), ExternalMeasure(id="TM2", value=3, has_value=True))
    report = said(RunState.IN_PROGRESS, measures=values, as_of=NOON - timedelta(hours=1))
    step = advance(row, (Reported(report_id="R", report=report),), NOON)
    assert {measure.id: measure.value for measure in step.row.measures} == {"TM1": 2, "TM2": 3}


@given(OUT, OUT)
def test_an_answer_is_news_if_it_moves_the_run(known: RunState, answered: RunState) -> None:
    row = a_run(phase=PHASE_OF_STATE[known], state=known)
    assert has_news(row, said(answered), NOON, 0) == (known is not answered and RANK[answered] >= RANK[known])


def test_that_a_run_has_completed_is_no_news_while_it_waits_for_its_measures() -> None:
    row = a_run(phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS, document=a_document(measures=("TM1",)))
    completed = said(RunState.COMPLETED)
    assert has_news(row, completed, NOON, measures_grace=3600)
    waiting = advance(row, (Reported(report_id="R", report=completed, measures_grace=3600),), NOON).row
    assert not has_news(waiting, completed, NOON + timedelta(seconds=60), measures_grace=3600)
    assert has_news(waiting, completed, NOON + timedelta(seconds=3600), measures_grace=3600)
