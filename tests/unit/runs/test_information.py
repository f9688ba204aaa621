"""What a system asks for is told once, is kept while the run is pending, and allows the change that answers it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.events import ChangeAccepted, Reported
from router.runs.reports.information import INFORMATION_REQUIRED, asked_fields, question
from router.runs.reports.report import ExternalReport
from router.runs.revisions.change_plan import ChangeRules, plan_of
from router.runs.run import replace
from schemas.results import RunResult, RunUpdate
from schemas.run_document import Characteristic
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import NOON, a_document, a_run

ASKED = (question("/characteristic", INFORMATION_REQUIRED), question("/testMeasure/0", INFORMATION_REQUIRED))
states = st.sampled_from([RunState.ACKNOWLEDGED, RunState.PENDING, RunState.IN_PROGRESS, RunState.COMPLETED])


def asking(report_id: str = "R1", state: RunState | None = RunState.PENDING) -> Reported:
    return Reported(report_id=report_id, report=ExternalReport(external_id="ext-TR0001", state=state, asked=ASKED))


def reported(state: RunState, report_id: str = "R2") -> Reported:
    return Reported(report_id=report_id, report=ExternalReport(external_id="ext-TR0001", state=state))


def test_a_question_makes_the_run_pending_and_is_told() -> None:
    step = advance(a_run(phase=Phase.ACCEPTED), [asking()], NOON)
    (update,) = step.notifications
    assert isinstance(update, RunUpdate)
    assert (update.kind, update.state, update.reasons) == (UpdateKind.PROGRESS, RunState.PENDING, ASKED)
    assert asked_fields(step.row) == {"characteristic", "testMeasure"}


def test_a_question_that_is_repeated_is_not_told_again() -> None:
    row = advance(a_run(phase=Phase.ACCEPTED), [asking()], NOON).row
    assert advance(row, [asking("R2")], NOON).notifications == ()


def test_a_question_that_comes_back_after_the_run_went_on_is_told_again() -> None:
    row = advance(a_run(phase=Phase.ACCEPTED), [asking(), reported(RunState.IN_PROGRESS)], NOON).row
    assert asked_fields(row) == frozenset()
    assert len(advance(row, [asking("R3")], NOON).notifications) == 1


def test_a_further_question_to_a_pending_run_is_told() -> None:
    row = advance(a_run(phase=Phase.ACCEPTED), [reported(RunState.PENDING)], NOON).row
    (update,) = advance(row, [asking("R3")], NOON).notifications
    assert update.reasons == ASKED


def test_a_question_about_the_cancellation_does_not_change_the_state() -> None:
    step = advance(a_run(phase=Phase.ACCEPTED), [asking(state=None)], NOON)
    assert (step.row.state, len(step.notifications)) == (RunState.ACKNOWLEDGED, 1)


@given(st.lists(states, max_size=6))
def test_a_result_never_names_what_was_asked_for(later: list[RunState]) -> None:
    events = [asking(), *(reported(state, f"R{number + 2}") for number, state in enumerate(later))]
    step = advance(a_run(phase=Phase.ACCEPTED), events, NOON)
    results = [each for each in step.notifications if isinstance(each, RunResult)]
    assert all(reason not in ASKED for result in results for reason in result.reasons)
    assert not asked_fields(step.row) or step.row.state is RunState.PENDING


def test_an_accepted_change_answers_what_it_brings_and_nothing_else() -> None:
    row = advance(a_run(phase=Phase.ACCEPTED), [asking()], NOON).row
    answer = a_document(characteristic=(Characteristic(name="speed", value=2),))
    row = advance(row, [ChangeAccepted(document=answer)], NOON).row
    assert asked_fields(row) == {"testMeasure"}
    (update,) = advance(row, [asking("R3")], NOON).notifications
    assert update.reasons == ASKED[:1]


def test_other_measures_can_be_requested_only_if_the_system_asks_for_them() -> None:
    row = replace(a_run(phase=Phase.ACCEPTED), requested=a_document(measures=("M1",)))
    rules = ChangeRules(patchable=frozenset(), states=frozenset(RunState))
    assert [reason.code for reason in plan_of(row, rules).refused] == ["FIELD_NOT_CHANGEABLE"]
    plan = plan_of(replace(row, reasons=ASKED), rules)
    assert ([change.field for change in plan.changes], plan.refused) == (["testMeasure"], ())
