"""Every record of a range is accepted once, and the end is detected however the partition ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.offset_range import LOG_END, OffsetRange, RangeProgress

# Offsets of the records of a partition. Compaction and transactions leave gaps.
logs = st.dictionaries(st.integers(0, 3), st.lists(st.integers(0, 30), unique=True).map(sorted), min_size=1)
bounds = st.tuples(st.integers(0, 30), st.integers(1, 12))


def ranges_over(log: dict[int, list[int]], start: int, length: int) -> list[OffsetRange]:
    return [OffsetRange("t", number, start, start + length) for number in log]


@given(log=logs, bound=bounds)
def test_exactly_the_records_of_the_range_are_accepted_and_then_it_is_at_its_end(
    log: dict[int, list[int]], bound: tuple[int, int]
) -> None:
    ranges = ranges_over(log, *bound)
    progress = RangeProgress(ranges)
    for part in ranges:
        assert part.topic_partition not in progress.ended
        sent = [offset for offset in log[part.partition] if offset >= part.start]
        accepted = [offset for offset in sent if progress.accept(part.topic_partition, offset)]
        assert accepted == [offset for offset in sent if offset < part.end]
        assert (part.topic_partition in progress.ended) == any(offset >= part.end - 1 for offset in sent)
        progress.reach_end(part.topic_partition)
        assert part.topic_partition in progress.ended
    assert progress.at_end


@given(log=logs, bound=bounds, after=st.integers(0, 40))
def test_records_after_the_end_are_refused(log: dict[int, list[int]], bound: tuple[int, int], after: int) -> None:
    ranges = ranges_over(log, *bound)
    progress = RangeProgress(ranges)
    for part in ranges:
        progress.reach_end(part.topic_partition)
    assert not any(progress.accept(part.topic_partition, after) for part in ranges)
    assert progress.at_end


def test_a_range_to_the_end_of_the_log_ends_where_kafka_reports_it() -> None:
    progress = RangeProgress([OffsetRange("t", 0, -2)])
    assert progress.accept(("t", 0), LOG_END // 2)
    assert not progress.at_end
    progress.reach_end(("t", 0))
    assert progress.at_end


def test_ranges_that_are_read_again_are_at_their_end_once_they_get_there_again() -> None:
    progress = RangeProgress([OffsetRange("t", 0, 0)], follow=True)
    progress.reach_end(("t", 0))
    progress.begin_anew()
    assert not progress.at_end
    progress.reach_end(("t", 0))
    assert progress.at_end


def test_a_followed_partition_leaves_its_end_with_the_next_record() -> None:
    partitions = [("t", 0), ("u", 0)]
    progress = RangeProgress([OffsetRange(*partition, 0, 1) for partition in partitions], follow=True)
    for partition in partitions:
        assert not progress.at_end
        progress.reach_end(partition)
    assert progress.at_end
    assert progress.accept(("u", 0), 7)
    assert not progress.at_end
    progress.reach_end(("u", 0))
    assert progress.at_end


def test_a_partition_without_a_range_is_ignored() -> None:
    progress = RangeProgress([OffsetRange("t", 0, 0, 5)])
    progress.reach_end(("t", 1))
    assert not progress.accept(("t", 1), 3)
    assert not progress.at_end


def test_no_range_is_at_its_end_from_the_beginning() -> None:
    assert RangeProgress([]).at_end
