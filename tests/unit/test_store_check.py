"""A store that was lost, restored or exchanged is noticed, and nothing else is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store_continuity import (
    Discontinuity,
    GroupHistory,
    StoreMark,
    StoreState,
    commit_metadata,
    find_discontinuity,
    highest_marks,
    read_commit_metadata,
)

OURS, OTHERS = "a" * 32, "b" * 32


def a_store(**more: Any) -> StoreState:  # noqa: ANN401 - any field
    return replace(StoreState(store_id=OURS, mark=5, has_runs=True, bound=True), **more)


def a_history(*commits: StoreMark | None, published: bool = False) -> GroupHistory:
    return GroupHistory(commits=commits, has_published=published)


FRESH = a_store(mark=0, has_runs=False, bound=False)


@pytest.mark.parametrize(
    ("store", "history", "found"),
    [
        (FRESH, a_history(), None),
        (a_store(), a_history(StoreMark(OURS, 5), StoreMark(OURS, 1), published=True), None),
        (FRESH, a_history(StoreMark(OTHERS, 1)), Discontinuity.EMPTY),
        (FRESH, a_history(None), Discontinuity.EMPTY),  # committed by an operator or an older version
        (FRESH, a_history(published=True), Discontinuity.EMPTY),  # the groups were deleted, too
        (a_store(), a_history(StoreMark(OURS, 6), published=True), Discontinuity.OLDER),
        (a_store(), a_history(StoreMark(OTHERS, 1)), Discontinuity.OTHER),
        (a_store(bound=False), a_history(None), Discontinuity.OTHER),
        (a_store(), a_history(None, published=True), None),  # offsets were reset
        (a_store(), a_history(published=True), None),  # offsets expired
        (a_store(bound=False, unmarked=True), a_history(None, published=True), None),  # upgraded
        (a_store(accepted={OTHERS: 3}), a_history(StoreMark(OTHERS, 3)), None),
        (a_store(accepted={OTHERS: 3}), a_history(StoreMark(OTHERS, 4)), Discontinuity.OTHER),
        (a_store(has_runs=False), a_history(StoreMark(OURS, 5)), None),  # nothing but dead letters so far
    ],
)
def test_what_is_refused(store: StoreState, history: GroupHistory, found: Discontinuity | None) -> None:
    assert find_discontinuity(store, history) is found


marks = st.builds(StoreMark, st.sampled_from([OURS, OTHERS]), st.integers(0, 10**17))


@given(marks)
def test_metadata_is_read_as_it_was_written(mark: StoreMark) -> None:
    assert read_commit_metadata(commit_metadata(mark)) == mark
    assert read_commit_metadata(f"{commit_metadata(mark)} done=1-3,7") == mark


@given(st.none() | st.text(max_size=200))
def test_foreign_metadata_is_no_mark(metadata: str | None) -> None:
    assert read_commit_metadata(metadata) is None


@given(st.lists(marks | st.none(), max_size=6), st.integers(0, 10**17), st.booleans())
def test_what_was_accepted_is_not_refused_again(
    commits: list[StoreMark | None],
    mark: int,
    published: bool,  # noqa: FBT001 - drawn
) -> None:
    highest = highest_marks(commits)
    accepted = a_store(mark=max(mark, highest.get(OURS, 0)), accepted=highest)
    assert find_discontinuity(accepted, a_history(*commits, published=published)) is None
