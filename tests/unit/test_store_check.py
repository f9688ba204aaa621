"""A store that was lost, restored or exchanged is noticed, and nothing else is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store_continuity import (
    Discontinuity,
    GatewayHistory,
    StoreMark,
    StoreState,
    TopicEnds,
    current_mark,
    find_discontinuity,
)
from schemas.store_claim import StoreClaim, read_claim

OURS, OTHERS = "a" * 32, "b" * 32
TOPIC = "p.testrun.lifecycle"


def a_store(**more: Any) -> StoreState:  # noqa: ANN401 - any field
    return replace(StoreState(store_id=OURS, mark=5, has_runs=True, bound_to="p."), **more)


def a_history(mark: StoreMark | None = None, *, published: bool = False) -> GatewayHistory:
    return GatewayHistory(prefix="p.", mark=mark, has_published=published)


FRESH = a_store(mark=0, has_runs=False, bound_to=None)


@pytest.mark.parametrize(
    ("store", "history", "found"),
    [
        (FRESH, a_history(), None),
        (a_store(), a_history(StoreMark(OURS, 5), published=True), None),
        (FRESH, a_history(StoreMark(OTHERS, 1)), Discontinuity.EMPTY),
        (
            FRESH,
            a_history(published=True),
            Discontinuity.EMPTY,
        ),  # an older version, or the topic of marks was lost, too
        (a_store(), a_history(StoreMark(OURS, 6), published=True), Discontinuity.OLDER),
        (a_store(bound_to=None), a_history(StoreMark(OURS, 6)), Discontinuity.OLDER),
        (a_store(), a_history(StoreMark(OTHERS, 1)), Discontinuity.OTHER),
        (a_store(bound_to=None), a_history(published=True), Discontinuity.OTHER),
        (a_store(), a_history(published=True), None),  # the topic of marks was made anew
        (a_store(bound_to=None, unmarked=True), a_history(published=True), None),  # upgraded
        (a_store(accepted={OTHERS: 3}), a_history(StoreMark(OTHERS, 3)), None),
        (a_store(accepted={OTHERS: 3}), a_history(StoreMark(OTHERS, 4)), Discontinuity.OTHER),
        (a_store(has_runs=False), a_history(StoreMark(OURS, 5)), None),  # nothing but dead letters so far
        (a_store(bound_to="q."), a_history(), Discontinuity.TAKEN),
        (a_store(bound_to=""), a_history(StoreMark(OURS, 5)), Discontinuity.TAKEN),
        (a_store(bound_to="q.", has_runs=False), a_history(), Discontinuity.TAKEN),
    ],
)
def test_what_is_refused(store: StoreState, history: GatewayHistory, found: Discontinuity | None) -> None:
    assert find_discontinuity(store, history) is found


store_ids = st.sampled_from([OURS, OTHERS, "c" * 32])
claims = st.builds(StoreClaim, store_id=store_ids, mark=st.integers(0, 10**17), accepted=st.sets(store_ids).map(tuple))


@given(claims)
def test_a_claim_is_read_as_it_was_written(claim: StoreClaim) -> None:
    assert read_claim(claim.model_dump_json().encode()) == claim


@given(st.none() | st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_foreign_records_are_no_claim(value: bytes | None) -> None:
    assert read_claim(value) is None


def test_of_two_stores_that_start_at_once_the_first_one_counts_until_it_is_replaced() -> None:
    first, second = StoreClaim(store_id=OURS, mark=1), StoreClaim(store_id=OTHERS, mark=9)
    assert current_mark([]) is None
    assert current_mark([first, second]) == StoreMark(OURS, 1)
    assert current_mark([first, second, first.model_copy(update={"mark": 2})]) == StoreMark(OURS, 2)
    replacing = StoreClaim(store_id=OTHERS, mark=10, accepted=(OURS,))
    assert current_mark([first, second, replacing]) == StoreMark(OTHERS, 10)
    assert current_mark([first, replacing, first]) == StoreMark(OTHERS, 10)  # a process that was not stopped


@given(st.lists(claims, min_size=1, max_size=6))
def test_marks_of_the_current_store_never_fall(made: list[StoreClaim]) -> None:
    mark = current_mark(made)
    assert mark is not None
    again = StoreClaim(store_id=mark.store_id, mark=0)
    assert current_mark([*made, again]) == mark


@given(st.lists(claims, max_size=6), st.integers(0, 10**17), st.booleans())
def test_what_was_accepted_is_not_refused_again(
    made: list[StoreClaim],
    mark: int,
    published: bool,  # noqa: FBT001 - drawn
) -> None:
    found = current_mark(made)
    ours = found is not None and found.store_id == OURS
    replaced = {found.store_id: found.mark} if found and not ours else {}
    accepted = a_store(mark=max(mark, found.mark) if found and ours else mark, accepted=replaced)
    assert find_discontinuity(accepted, a_history(found, published=published)) is None
    claim = StoreClaim(store_id=OURS, mark=accepted.mark + 1, accepted=tuple(replaced))
    after = current_mark([*made, claim])
    assert after == StoreMark(OURS, accepted.mark + 1)


def ends(topic_id: str, *offsets: int) -> TopicEnds:
    return TopicEnds(topic=TOPIC, topic_id=topic_id, ends=dict(enumerate(offsets)))


@pytest.mark.parametrize(
    ("recorded", "later", "same"),
    [
        (ends("one", 5, 0), ends("one", 7, 1), True),
        (ends("one", 5, 0), ends("one", 2, 0), True),  # the log lost records, and kept others that were recorded
        (ends("one", 5, 0), ends("two", 7, 1), False),
        (ends("", 5, 0), ends("two", 5, 1), True),  # recorded by a version that did not store the id
        (ends("", 5, 0), ends("two", 4, 9), False),
        (ends("one", 5, 0), ends("", 4, 9), False),
    ],
)
def test_recorded_offsets_hold_only_for_the_topic_that_they_are_about(
    recorded: TopicEnds,
    later: TopicEnds,
    same: bool,  # noqa: FBT001 - a column
) -> None:
    assert recorded.are_followed_by(later) is same


def test_only_records_that_were_there_are_recorded() -> None:
    recorded = ends("one", 5)
    assert recorded.have_passed(TOPIC, 0, 4)
    assert not recorded.have_passed(TOPIC, 0, 5)
    assert not recorded.have_passed(TOPIC, 1, 0)  # a partition that was added
    assert not recorded.have_passed("another", 0, 4)
