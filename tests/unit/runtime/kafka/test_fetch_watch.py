"""A partition that has records and is not read is noticed, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.fetch_watch import STUCK_AFTER, FetchState, FetchWatch
from consumers.runtime.kafka.membership import read_fetch_positions, read_last_answer


@pytest.mark.parametrize(
    ("position", "low", "high", "stuck"),
    [
        (5, 0, 9, True),  # records there, nothing fetched
        (9, 0, 9, False),  # read to the end, perhaps past control records
        (9, 0, 4, True),  # made anew with fewer records
        (-1001, 0, 4, True),  # never fetched
        (-1001, 4, 4, False),  # nothing to fetch
    ],
)
def test_what_counts_as_not_read(position: int, low: int, high: int, stuck: bool) -> None:  # noqa: FBT001 - a parameter
    watch: FetchWatch[str] = FetchWatch()
    state = FetchState(position=position, low=low, high=high)
    assert not watch.observe("p", state, 0.0)
    assert not watch.observe("p", state, STUCK_AFTER - 0.1)
    assert watch.observe("p", state, STUCK_AFTER) is stuck


def test_a_position_that_went_back_to_the_end_of_another_log_counts_as_not_read() -> None:
    state = FetchState(position=4, low=0, high=4, received=6)  # librdkafka found a truncation, and skips four records
    assert state.is_another_log
    assert state.has_unread
    assert not FetchState(position=6, low=0, high=6, received=6).has_unread


def test_records_that_arrive_before_the_next_statistics_are_progress() -> None:
    watch: FetchWatch[str] = FetchWatch()
    assert not watch.observe("p", FetchState(position=100, low=0, high=150, received=100), 0.0)
    assert not watch.observe("p", FetchState(position=100, low=0, high=150, received=150), STUCK_AFTER + 2)


def test_a_log_that_ends_before_what_was_received_is_another_one_whatever_the_position() -> None:
    assert FetchState(position=-1001, low=0, high=3, received=5).is_another_log


def test_a_paused_partition_begins_again() -> None:
    watch: FetchWatch[str] = FetchWatch()
    watch.observe("p", FetchState(position=5, low=0, high=9), 0.0)
    watch.forget("p")
    assert not watch.observe("p", FetchState(position=5, low=0, high=9), STUCK_AFTER)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=20))
def test_a_partition_that_is_read_is_never_reported(steps: list[int]) -> None:
    watch: FetchWatch[str] = FetchWatch()
    positions = [sum(steps[:n]) for n in range(len(steps) + 1)]
    assert all(b > a for a, b in pairwise(positions))
    for number, position in enumerate(positions):
        assert not watch.observe("p", FetchState(position=position, low=0, high=1_000), number * 2 * STUCK_AFTER)


def test_statistics_tell_positions_and_the_last_answer() -> None:
    queued = {"next_offset": 9, "fetchq_cnt": 3}
    assert read_fetch_positions({"topics": {"t": {"partitions": {"0": queued}}}}) == {}
    statistics = {
        "brokers": {"a": {"rxidle": 4_000_000}, "b": {"rxidle": 1_500_000}, "c": {"rxidle": -1}},
        "topics": {"t": {"partitions": {"0": {"next_offset": 7}, "1": {"next_offset": -1001}}}},
    }
    assert read_last_answer(statistics, 10.0) == 8.5
    assert read_last_answer({"brokers": {"c": {"rxidle": -1}}}, 10.0) is None
    assert read_fetch_positions(statistics) == {("t", 0): 7, ("t", 1): -1001}
