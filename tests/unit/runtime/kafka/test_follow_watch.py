"""A partition that is followed and not read, although it has records, is noticed; nothing else is."""

from __future__ import annotations

import pytest

from consumers.runtime.kafka.fetch_watch import STUCK_AFTER
from consumers.runtime.kafka.follow_watch import CHECK_EVERY, RESTART_EVERY, FollowWatch
from consumers.runtime.kafka.offset_range import OffsetRange

FIRST, SECOND = ("t", 0), ("t", 1)
MarksOfTopic = dict[tuple[str, int], tuple[int, int] | None]


class TopicWithoutReader:
    """A topic with two partitions that a watch follows from the beginning."""

    def __init__(self) -> None:
        self.marks: MarksOfTopic = {FIRST: (0, 0), SECOND: (0, 0)}
        self.now = 100.0
        self.asked = 0
        self.watch = FollowWatch([OffsetRange("t", 0, 0), OffsetRange("t", 1, 0)], self.now)

    def watermarks(self, place: tuple[str, int]) -> tuple[int, int] | None:
        """Return what the broker says."""
        self.asked += 1
        return self.marks[place]

    def look_for(self, seconds: float) -> list[tuple[str, int]]:
        """Look again and again for so long; return what was found."""
        found = []
        for _ in range(int(seconds * 10)):
            self.now += 0.1
            if (unread := self.watch.find_unread(self.watermarks, self.now)) is not None:
                found.append(unread)
        return found


@pytest.fixture
def topic() -> TopicWithoutReader:
    return TopicWithoutReader()


def test_a_partition_with_records_that_is_not_read_is_found_once_a_minute(topic: TopicWithoutReader) -> None:
    topic.marks[SECOND] = (0, 3)
    assert topic.look_for(CHECK_EVERY) == []
    assert topic.look_for(STUCK_AFTER + CHECK_EVERY) == [SECOND]
    assert topic.look_for(RESTART_EVERY - STUCK_AFTER) == []
    assert topic.look_for(STUCK_AFTER + 2 * CHECK_EVERY) == [SECOND]


def test_a_partition_that_ends_before_what_was_read_was_made_anew(topic: TopicWithoutReader) -> None:
    topic.watch.read(FIRST, 7)
    topic.marks[FIRST] = (0, 3)
    assert topic.look_for(STUCK_AFTER + 2 * CHECK_EVERY) == [FIRST]


def test_partitions_that_were_read_to_their_end_are_not_found(topic: TopicWithoutReader) -> None:
    topic.watch.read(FIRST, 7)
    topic.marks = {FIRST: (2, 7), SECOND: (0, 0)}
    assert topic.look_for(3600) == []


def test_a_partition_that_is_being_read_is_not_found(topic: TopicWithoutReader) -> None:
    topic.marks[FIRST] = (0, 1_000_000)
    found = []
    for offset in range(100):
        topic.watch.read(FIRST, offset)
        found += topic.look_for(STUCK_AFTER / 2)
    assert found == []


def test_a_broker_that_says_nothing_proves_nothing(topic: TopicWithoutReader) -> None:
    topic.marks = {FIRST: None, SECOND: None}
    assert topic.look_for(3600) == []


def test_fault_a_broker_that_is_down_was_asked_about_every_partition_at_each_check(topic: TopicWithoutReader) -> None:
    topic.marks = {FIRST: None, SECOND: None}
    topic.look_for(10 * CHECK_EVERY)
    assert topic.asked <= 10


@pytest.mark.parametrize(("silent", "unread"), [(FIRST, SECOND), (SECOND, FIRST)])
def test_a_partition_without_a_leader_hides_no_other(
    topic: TopicWithoutReader, silent: tuple[str, int], unread: tuple[str, int]
) -> None:
    topic.marks = {silent: None, unread: (0, 3)}
    assert topic.look_for(STUCK_AFTER + 3 * CHECK_EVERY) == [unread]


def test_the_broker_is_asked_seldom(topic: TopicWithoutReader) -> None:
    topic.look_for(60)
    assert topic.asked <= 2 * 60 / CHECK_EVERY


def test_another_partition_is_not_followed(topic: TopicWithoutReader) -> None:
    topic.watch.read(("t", 2), 5)
    assert topic.watch.positions == {FIRST: 0, SECOND: 0}
