"""What a commit says about finished offsets is read back exactly, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.commits.finished_offsets import (
    MAX_METADATA,
    NOTHING_FINISHED,
    FinishedOffsets,
    UnreadableMetadataError,
    read_metadata,
    write_metadata,
)

OFFSETS = st.integers(0, 2**62)
PAIRS = st.lists(st.tuples(st.integers(1, 2**20), st.integers(1, 2**20)), max_size=600)


def ranges_above(committed: int, pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    ranges, at = [], committed
    for distance, length in pairs:
        ranges.append((at + distance, at + distance + length))
        at += distance + length
    return tuple(ranges)


@given(OFFSETS, PAIRS)
def test_what_is_written_is_read_back_from_its_beginning(committed: int, pairs: list[tuple[int, int]]) -> None:
    ranges = ranges_above(committed, pairs)
    metadata = write_metadata(committed, ranges)
    assert len(metadata.encode("utf-16-le")) // 2 <= MAX_METADATA
    read = read_metadata(metadata, committed).ranges
    assert read == ranges[: len(read)]
    assert len(read) == len(ranges) or len(metadata) > MAX_METADATA * 0.98


@given(OFFSETS, PAIRS, st.integers(0, MAX_METADATA))
def test_no_limit_is_exceeded_by_ranges(committed: int, pairs: list[tuple[int, int]], limit: int) -> None:
    metadata = write_metadata(committed, ranges_above(committed, pairs), limit)
    assert len(metadata) <= limit
    read_metadata(metadata, committed)


def test_the_text_of_a_commit_stays_readable_for_later_versions() -> None:
    metadata = "southbound finished=1.AQICAcgqL6w"
    finished = FinishedOffsets(((101, 103), (105, 106)))
    assert write_metadata(100, finished.ranges) == metadata
    assert read_metadata(metadata + "\0", 100) == finished


def test_offsets_above_two_to_the_31_are_kept() -> None:
    ranges = ((2**40, 2**41),)
    assert read_metadata(write_metadata(2**31, ranges), 2**31).ranges == ranges


@pytest.mark.parametrize("metadata", [None, "", "southbound", "southbound store=ab mark=1"])
def test_metadata_without_ranges_says_that_nothing_is_finished(metadata: str | None) -> None:
    assert read_metadata(metadata, 5) == NOTHING_FINISHED


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("aa8b5c1e-consumer", "not written by this gateway"),
        ("southbound finished=2.AQID", "of version '2', which this version cannot read"),
        ("southbound finished=", "of version '', which"),
        ("southbound finished=1.", "damaged"),
        ("southbound finished=1.BQICAcgqL6w", "damaged"),
        ("southbound finished=1.€€€€", "damaged"),
    ],
)
def test_foreign_newer_and_damaged_metadata_is_refused_with_its_reason(metadata: str, reason: str) -> None:
    with pytest.raises(UnreadableMetadataError, match=reason):
        read_metadata(metadata, 100)


def test_ranges_are_refused_with_another_offset() -> None:
    """An operator who moves the offset keeps the metadata, or a tool copies it."""
    metadata = write_metadata(100, ((101, 103),))
    with pytest.raises(UnreadableMetadataError, match="not of this offset"):
        read_metadata(metadata, 90)


@given(st.text(max_size=200), OFFSETS)
def test_no_text_raises_anything_else(text: str, committed: int) -> None:
    for metadata in (text, f"southbound finished={text}", f"southbound finished=1.{text}"):
        try:
            read_metadata(metadata, committed)
        except UnreadableMetadataError:
            continue


@given(st.sets(st.integers(0, 60)), st.integers(-5, 70))
def test_an_offset_is_finished_if_a_range_has_it(offsets: set[int], offset: int) -> None:
    finished = FinishedOffsets(tuple((each, each + 1) for each in sorted(offsets)))
    assert (offset in finished) is (offset in offsets)
