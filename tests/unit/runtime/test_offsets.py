"""Committed offsets are safe, in whatever order records finish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.handler import Partition, Record
from consumers.runtime.offsets import OffsetTracker, PartitionOffsets

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
    assert received_progress(100).uncommitted == 100


def test_an_answer_to_an_older_commit_leaves_the_newer_offset_unsaved() -> None:
    progress = received_progress(0, 1)
    progress.finish(0)
    uncommitted = progress.uncommitted
    progress.finish(1)
    assert uncommitted is not None
    progress.mark_committed(uncommitted)
    assert progress.uncommitted == 2
    progress.mark_committed(2)
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
    assert ledger.uncommitted() == {owned: 7}


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
    assert ledger.uncommitted() == {new: 5}
    assert ledger.finish(a_record(new, 5))
    assert ledger.uncommitted() == {new: 6}


def test_a_commit_answer_for_a_revoked_partition_is_ignored() -> None:
    old, new = (Partition(topic="t", number=0, epoch=epoch) for epoch in (1, 2))
    ledger = OffsetTracker()
    ledger.assign(new)
    ledger.receive(a_record(new, 9))
    ledger.mark_committed({old: 9})
    assert ledger.uncommitted() == {new: 9}
