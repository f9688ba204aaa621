"""Committed offsets are safe, in whatever order records finish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.commits.finished_offsets import MAX_METADATA, FinishedOffsets, write_metadata
from consumers.runtime.commits.offsets import Commit, OffsetTracker, PartitionOffsets
from consumers.runtime.handler import Partition, Record

OFFSETS = st.lists(st.integers(0, 2**40), min_size=1, max_size=40, unique=True).map(sorted)


def received_progress(*offsets: int) -> PartitionOffsets:
    progress = PartitionOffsets()
    for offset in offsets:
        progress.receive(offset)
    return progress


def a_record(partition: Partition, offset: int) -> Record:
    return Record(partition, offset, b"k", b"v", (), 0)


def test_nothing_is_committable_before_the_first_record() -> None:
    assert PartitionOffsets().committable is None
    assert PartitionOffsets().uncommitted is None


def test_the_frontier_waits_for_the_lowest_unfinished_record() -> None:
    progress = received_progress(10, 11, 12)
    progress.finish(11)
    progress.finish(12)
    assert progress.committable == 10
    progress.finish(10)
    assert progress.committable == 13


def test_gaps_between_offsets_are_never_waited_for() -> None:
    progress = received_progress(3, 7, 2**33)
    progress.finish(3)
    assert progress.committable == 7
    progress.finish(7)
    progress.finish(2**33)
    assert progress.committable == 2**33 + 1


def test_the_start_is_committed_too_so_that_a_reset_to_latest_cannot_skip_it() -> None:
    assert received_progress(100).uncommitted == Commit(100)


def test_an_answer_to_an_older_commit_leaves_the_newer_offset_unsaved() -> None:
    progress = received_progress(0, 1)
    progress.finish(0)
    uncommitted = progress.uncommitted
    progress.finish(1)
    assert uncommitted is not None
    progress.mark_committed(uncommitted)
    assert progress.uncommitted == Commit(2)
    progress.mark_committed(Commit(2))
    assert progress.uncommitted is None


def test_what_is_never_delivered_is_committed_once_all_records_before_it_are_finished() -> None:
    progress = received_progress(0, 1)
    progress.skip_to(5)  # markers of transactions at the end of the partition
    progress.finish(1)
    assert progress.committable == 0
    progress.finish(0)
    assert progress.committable == 5
    progress.skip_to(3)
    assert progress.committable == 5
    progress.receive(5)
    assert progress.committable == 5


def test_a_partition_without_any_record_is_committed_at_its_end() -> None:
    ledger = OffsetTracker()
    owned, other = (Partition(topic="t", number=number, epoch=1) for number in (0, 1))
    ledger.assign(owned)
    ledger.skip_to({owned: 7, other: 9})
    assert ledger.uncommitted() == {owned: Commit(7)}


def test_an_offset_that_goes_back_is_refused() -> None:
    with pytest.raises(ValueError, match="offset 4 came after offset 4"):
        received_progress(4, 4)


@given(OFFSETS, st.data())
def test_nothing_unfinished_is_ever_below_the_committable_offset(offsets: list[int], data: st.DataObject) -> None:
    progress, open_ones = received_progress(*offsets), set(offsets)
    for offset in data.draw(st.permutations(offsets)):
        progress.finish(offset)
        open_ones.discard(offset)
        assert progress.committable == min(open_ones, default=offsets[-1] + 1)


def test_completions_after_the_partition_was_revoked_change_nothing() -> None:
    old, new = (Partition(topic="t", number=0, epoch=epoch) for epoch in (1, 2))
    ledger = OffsetTracker()
    ledger.assign(old)
    late = a_record(old, 5)
    assert ledger.receive(late)
    ledger.revoke(old)
    ledger.assign(new)
    assert ledger.receive(a_record(new, 5))
    assert not ledger.finish(late)
    assert ledger.uncommitted() == {new: Commit(5)}
    assert ledger.finish(a_record(new, 5))
    assert ledger.uncommitted() == {new: Commit(6)}


def test_a_commit_answer_for_a_revoked_partition_is_ignored() -> None:
    old, new = (Partition(topic="t", number=0, epoch=epoch) for epoch in (1, 2))
    ledger = OffsetTracker()
    ledger.assign(new)
    ledger.receive(a_record(new, 9))
    ledger.mark_committed({old: Commit(9)})
    assert ledger.uncommitted() == {new: Commit(9)}


def test_finished_offsets_above_the_frontier_are_committed_too() -> None:
    progress = received_progress(10, 11, 12, 13, 14)
    for offset in (11, 12, 14):
        progress.finish(offset)
    assert progress.commit == Commit(10, FinishedOffsets(((11, 13), (14, 15))))


def test_a_gap_between_two_finished_records_does_not_divide_their_range() -> None:
    progress = received_progress(10, 11, 13, 17)  # 12, and 14 to 16, are markers of transactions
    for offset in (11, 13, 17):
        progress.finish(offset)
    assert progress.commit == Commit(10, FinishedOffsets(((11, 18),)))


def test_a_record_that_the_owner_before_has_finished_is_not_processed_again() -> None:
    progress = PartitionOffsets(FinishedOffsets(((11, 13), (14, 15))))
    assert [offset for offset in range(10, 17) if progress.receive(offset)] == [10, 13, 15, 16]
    assert progress.commit == Commit(10, FinishedOffsets(((11, 13), (14, 15))))
    progress.finish(10)
    assert progress.committable == 13


@given(st.permutations(range(12)), st.integers(0, 12), st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_every_owner_processes_exactly_what_none_before_it_has_finished(
    order: list[int], finished: int, gaps: list[int]
) -> None:
    offsets = [sum(gaps[:number]) + number for number in range(12)]
    first = received_progress(*offsets)
    for number in order[:finished]:
        first.finish(offsets[number])
    commit = first.commit
    assert commit is not None
    second = PartitionOffsets(commit.finished)
    again = [offset for offset in offsets if offset >= commit.offset and second.receive(offset)]
    assert again == sorted(offsets[number] for number in order[finished:])
    for offset in reversed(again):
        second.finish(offset)
    assert second.committable in {offsets[-1] + 1, None}


@given(st.permutations(range(40)), st.integers(0, 40))
def test_the_count_of_ranges_is_the_number_of_ranges(order: list[int], finished: int) -> None:
    progress = received_progress(*range(40))
    for offset in order[:finished]:
        progress.finish(offset)
    commit = progress.commit
    assert commit is not None
    assert progress._ranges == len(commit.finished.ranges)


def test_a_partition_receives_nothing_while_three_quarters_of_the_metadata_are_used() -> None:
    """A map at 74, 76 and 49 % of the limit."""
    progress = received_progress(*range(10_000))

    def used() -> float:
        commit = progress.commit
        assert commit is not None
        return len(write_metadata(commit.offset, commit.finished.ranges)) / MAX_METADATA

    offset = 1
    while used() < 0.74:
        progress.finish(offset)
        offset += 2
    assert not progress.is_crowded()
    while used() < 0.76:
        progress.finish(offset)
        offset += 2
    assert progress.is_crowded()
    while used() > 0.49:
        assert progress.is_crowded() is (used() >= 0.5)
        progress.finish(offset := offset - 1)
        offset -= 1
    assert not progress.is_crowded()
