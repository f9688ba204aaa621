"""A request has its result when its last run has ended, and the result is the same each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.request_result import in_request_order, request_result
from router.runs.states import TERMINAL
from schemas.vocabulary import Phase, Result, RunState
from tests.builders.runs import NOON, SINGLE, TREE, a_document, a_run, a_tree

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.commands import PinnedDecision
    from schemas.run_document import RunDocument

ENDS = st.sampled_from(sorted(TERMINAL))
STATES = st.none() | st.sampled_from(sorted(RunState))


def a_row(
    document: RunDocument,
    state: RunState | None,
    *,
    phase: Phase = Phase.CREATED,
    minutes: int = 0,
    decision: PinnedDecision = TREE,
) -> RunRow:
    finished = NOON + timedelta(minutes=minutes) if state in TERMINAL else None
    return a_run(document=document, phase=phase, state=state, finished_at=finished, decision=decision)


def rows_of(*states: RunState | None) -> list[RunRow]:
    tree = a_tree("R", children=len(states) - 1)
    documents = (tree, *tree.children)
    return [
        a_row(document, state, minutes=minutes)
        for minutes, (document, state) in enumerate(zip(documents, states, strict=True))
    ]


@given(st.lists(STATES, min_size=1, max_size=6))
def test_there_is_a_result_exactly_when_all_runs_have_ended(states: list[RunState | None]) -> None:
    concluded = request_result(rows_of(*states))
    assert (concluded is not None) is all(state in TERMINAL for state in states)


@given(st.lists(ENDS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_counts_are_right_and_independent_of_the_order_of_the_rows(ends: list[RunState], dice: object) -> None:
    rows = rows_of(*ends)
    concluded = request_result(rows)
    assert concluded is not None
    assert (concluded.state is RunState.COMPLETED) is (set(ends) == {RunState.COMPLETED})
    assert concluded.state in {RunState.COMPLETED, RunState.FAILED}
    assert concluded.counts == {state.value: ends.count(state) for state in set(ends)}
    assert [run.run_id for run in concluded.runs] == [row.run_id for row in rows]
    assert concluded.occurred_at == NOON + timedelta(minutes=len(ends) - 1)
    dice.shuffle(rows)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert request_result(rows) == concluded


def test_a_request_without_rows_has_not_ended() -> None:
    assert request_result([]) is None


def test_a_child_that_has_no_row_yet_is_waited_for() -> None:
    root, *_ = rows_of(RunState.COMPLETED, RunState.COMPLETED)
    assert request_result([root]) is None
    named = a_row(a_document("R", child_run_ids=("R-1",)), RunState.COMPLETED)
    assert request_result([named]) is None


def test_a_run_that_is_sent_alone_does_not_wait_for_its_children() -> None:
    tree = a_tree("R")
    concluded = request_result([a_row(tree, RunState.COMPLETED, decision=SINGLE)])
    assert concluded is not None
    assert not concluded.hierarchical
    assert [run.run_id for run in concluded.runs] == ["R"]


def test_a_child_that_is_sent_alone_has_its_own_request_result() -> None:
    child = a_row(a_document("c1", parent="R"), RunState.COMPLETED, decision=SINGLE)
    concluded = request_result([child])
    assert concluded is not None
    assert concluded.runs[0].run_id == "c1"


@pytest.mark.parametrize("state", [None, RunState.FAILED])
def test_a_request_with_a_run_in_fallout_has_no_result(state: RunState | None) -> None:
    assert request_result([a_row(a_document("R"), state, phase=Phase.FALLOUT)]) is None


def test_a_blocked_child_counts_as_cancelled() -> None:
    root, child = rows_of(RunState.REJECTED, None)
    blocked = a_row(child.requested, RunState.CANCELLED, phase=Phase.BLOCKED)
    concluded = request_result([root, blocked])
    assert concluded is not None
    assert concluded.counts == {"rejected": 1, "cancelled": 1}
    assert concluded.state is RunState.FAILED


def test_the_result_of_each_run_is_passed_on() -> None:
    passed = a_run(document=a_document("R"), state=RunState.COMPLETED, result=Result.FAIL)
    concluded = request_result([passed])
    assert concluded is not None
    assert concluded.state is RunState.COMPLETED
    assert concluded.runs[0].result is Result.FAIL


@given(parents=st.lists(st.none() | st.integers(0, 9), max_size=10), orders=st.lists(st.integers(0, 3), min_size=10))
def test_order_keeps_every_run_and_puts_parents_first(parents: list[int | None], orders: list[int]) -> None:
    rows = [
        a_run(f"R{n}", document=a_document(f"R{n}", root="R", parent=None if p is None else f"R{p}", order=orders[n]))
        for n, p in enumerate(parents)
    ]
    ordered = [row.run_id for row in in_request_order(rows)]
    assert sorted(ordered) == sorted(row.run_id for row in rows)
    for n, parent in enumerate(parents):
        acyclic = parent is not None and parent < n and all(p is None or p < k for k, p in enumerate(parents))
        assert not acyclic or ordered.index(f"R{parent}") < ordered.index(f"R{n}")


def test_runs_that_are_each_others_parents_are_still_listed() -> None:
    first = replace(a_run("A"), parent_run_id="B")
    second = replace(a_run("B"), parent_run_id="A")
    assert in_request_order([second, first]) == [first, second]
