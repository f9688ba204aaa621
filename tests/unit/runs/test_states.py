"""States are read in every spelling, and a run only moves forward."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.states import (
    RANK,
    SPELLINGS,
    TERMINAL,
    BeingCancelled,
    UnknownStateError,
    is_forward,
    meaning_of,
    merge_spellings,
    normalise_state,
)
from schemas.vocabulary import RunState

KNOWN = st.sampled_from(sorted(RANK))


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("acknowledged", RunState.ACKNOWLEDGED),
        ("Scheduled", RunState.ACKNOWLEDGED),
        ("REJECTED", RunState.REJECTED),
        ("suspended", RunState.PENDING),
        ("Pending for Input", RunState.PENDING),
        ("InformationRequired", RunState.PENDING),
        ("In progress", RunState.IN_PROGRESS),
        ("in_progress", RunState.IN_PROGRESS),
        ("in-progress", RunState.IN_PROGRESS),
        ("canceled", RunState.CANCELLED),
        ("Cancelled", RunState.CANCELLED),
        ("Completed", RunState.COMPLETED),
        ("done", RunState.COMPLETED),
        (" failed\n", RunState.FAILED),
    ],
)
def test_common_spellings_are_known(raw: str, state: RunState) -> None:
    assert normalise_state(raw) is state


@given(st.sampled_from(sorted(SPELLINGS)), st.data())
def test_case_and_separators_never_matter(spelling: str, data: st.DataObject) -> None:
    letters = [
        data.draw(st.sampled_from((letter.upper(), letter.lower())))
        + data.draw(st.sampled_from(("", "_", "-", " ", "__")))
        for letter in spelling
    ]
    assert meaning_of("".join(letters)) is SPELLINGS[spelling]


@pytest.mark.parametrize("raw", ["Cancelling", "assessing-Cancelation", "PENDING_CANCELLATION", "stopping"])
def test_that_a_run_is_being_cancelled_is_no_state(raw: str) -> None:
    spellings = merge_spellings({"stopping": BeingCancelled.CANCELLING})
    assert meaning_of(raw, spellings) is BeingCancelled.CANCELLING
    assert normalise_state(raw, spellings) is None


@pytest.mark.parametrize("raw", ["", "unknown", "daydreaming", "completed!", "fail"])
def test_an_unknown_spelling_is_no_state(raw: str) -> None:
    assert normalise_state(raw) is None


def test_a_profile_adds_spellings_and_may_overrule_ours() -> None:
    spellings = merge_spellings({"Queued-Up": "pending", "done": "inProgress"})
    assert normalise_state("queued up", spellings) is RunState.PENDING
    assert normalise_state("DONE", spellings) is RunState.IN_PROGRESS
    assert normalise_state("Canceled", spellings) is RunState.CANCELLED
    assert normalise_state("queued up") is None


@pytest.mark.parametrize("meaning", ["finished", "unknown", ""])
def test_a_spelling_must_mean_a_state_of_a_run(meaning: str) -> None:
    with pytest.raises(UnknownStateError, match=r"'over' shall mean .* use one of .*completed"):
        merge_spellings({"over": meaning})


def test_the_ranks_are_those_of_the_lifecycle() -> None:
    assert {state: RANK[state] for state in RANK if state not in TERMINAL} == {
        RunState.ACKNOWLEDGED: 1,
        RunState.PENDING: 2,
        RunState.IN_PROGRESS: 2,
    }
    assert {RANK[state] for state in TERMINAL} == {9}
    assert set(RANK) == set(RunState) - {RunState.UNKNOWN}


@given(st.lists(st.sampled_from(sorted(RunState)), max_size=8))
def test_whatever_is_reported_the_rank_never_falls_and_an_end_is_final(reports: list[RunState]) -> None:
    state: RunState | None = None
    for reported in reports:
        before = state
        if is_forward(state, reported):
            state = reported
        assert before is None or state is not None
        assert before not in TERMINAL or state is before
        assert before is None or state is None or RANK[state] >= RANK[before]


@given(KNOWN)
def test_a_repeat_is_always_allowed(state: RunState) -> None:
    assert is_forward(state, state)
    assert is_forward(None, state)


def test_pending_and_in_progress_go_both_ways() -> None:
    assert is_forward(RunState.PENDING, RunState.IN_PROGRESS)
    assert is_forward(RunState.IN_PROGRESS, RunState.PENDING)


@pytest.mark.parametrize("current", [None, *RunState])
def test_an_unknown_report_moves_nothing(current: RunState | None) -> None:
    assert not is_forward(current, RunState.UNKNOWN)
