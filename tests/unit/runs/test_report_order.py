"""An older word never overwrites a newer one, in whatever order the words of a system arrive."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.events import Reported
from router.runs.reports.information import INFORMATION_REQUIRED, question
from router.runs.reports.news import has_news
from router.runs.reports.report import ExternalMeasure, ExternalReport
from router.runs.reports.report_order import is_behind, merge_answer
from router.runs.states import RANK
from router.runs.transitions import PHASE_OF_STATE
from schemas.results import ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Phase, RunState
from tests.builders.runs import NOON, a_document, a_run

STATES = st.none() | st.sampled_from(sorted(RANK))
BOTH_WAYS = st.sampled_from([RunState.PENDING, RunState.IN_PROGRESS])
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
    assert step.row.reasons == ()


@given(
    st.lists(st.tuples(st.integers(0, 9), BOTH_WAYS), min_size=1, max_size=6, unique_by=lambda event: event[0]).flatmap(
        lambda events: st.tuples(st.just(events), st.permutations(events + events[:2]))
    )
)
def test_events_in_any_order_end_at_the_newest_state(
    events_and_arrivals: tuple[list[tuple[int, RunState]], list[tuple[int, RunState]]],
) -> None:
    events, arrivals = events_and_arrivals
    row = a_run(phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    for number, (second, state) in enumerate(arrivals):
        report = said(state, event_time=NOON + timedelta(seconds=second))
        row = advance(row, (Reported(report_id=f"R{number}", report=report),), NOON).row
    assert row.state is max(events, key=lambda event: event[0])[1]
    assert row.reasons == ()


@given(BOTH_WAYS, BOTH_WAYS, st.sampled_from([None, NOON]), st.sampled_from([None, NOON]))
def test_events_of_the_same_time_or_of_none_count_as_they_arrive(
    first: RunState, second: RunState, one: datetime | None, other: datetime | None
) -> None:
    row = a_run(phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    for state, at in ((first, one), (second, other)):
        row = advance(row, (Reported(report_id=f"R{state}", report=said(state, event_time=at)),), NOON).row
    assert row.state is second


def test_an_older_event_replaces_no_measure_and_asks_for_nothing() -> None:
    known = ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=2)
    row = a_run(
        phase=Phase.IN_PROGRESS,
        state=RunState.IN_PROGRESS,
        document=a_document(measures=("TM1",)),
        measures=(known,),
        state_event_at=NOON,
    )
    asked = (question("/description", INFORMATION_REQUIRED),)
    value = ExternalMeasure(id="TM1", value=1, has_value=True)
    report = said(RunState.PENDING, event_time=NOON - timedelta(seconds=1), measures=(value,), asked=asked)
    step = advance(row, (Reported(report_id="R", report=report),), NOON)
    assert (step.row.state, step.row.measures, step.row.reasons) == (RunState.IN_PROGRESS, (known,), ())
    assert step.notifications == ()


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
