"""A replay that is interrupted anywhere and resumed publishes every chosen record once, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.offset_range import OffsetRange
from producers.kafka_transaction import ProducerFencedError
from producers.publisher import Message, PublishError, RecordTooLargeError
from southbound.exit_codes import CommandFailedError
from southbound.operations.replay.replay_note import ReplayKind, ReplayNote, read_note
from southbound.operations.replay.replay_writer import ReplayItem, ReplayWriter
from southbound.operations.replay.selection import Selection
from tests.builders.runs import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGE = b"large"


@dataclass
class Log:
    """Kafka as a transactional writer sees it: all messages of a transaction, or none."""

    failures: list[Exception | None] = field(default_factory=list)  # of the next transactions
    messages: list[Message] = field(default_factory=list)
    notes: list[ReplayNote] = field(default_factory=list)

    def write(self, messages: Sequence[Message], partitions: Mapping[int, int] | None = None) -> None:
        """Write all messages or none."""
        assert partitions is not None
        if any(each.value == LARGE for each in messages):
            raise RecordTooLargeError("too large")
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        *records, last = messages
        note = read_note(last.key, last.value)
        assert note is not None
        self.messages += records
        self.notes.append(note)


@dataclass(frozen=True)
class ReplayedTopic:
    """Records by partition: chosen, or passed over (None)."""

    partitions: tuple[tuple[bytes | None, ...], ...]

    def note(self) -> ReplayNote:
        """Return the note of a new replay."""
        ranges = tuple(OffsetRange("t", n, 0, len(records)) for n, records in enumerate(self.partitions))
        selection = Selection(topics=("t",))
        return ReplayNote(
            id="replay-1", kind=ReplayKind.RECORDS, by="a", at=NOON, comment="", selection=selection, ranges=ranges
        )

    def items(self, note: ReplayNote) -> Iterator[ReplayItem]:
        """Yield what is left, the partitions by turns."""
        left = [(one.partition, offset) for one in note.ranges for offset in range(one.start, one.end)]
        for partition, offset in sorted(left, key=lambda spot: (spot[1], spot[0])):
            value = self.partitions[partition][offset]
            messages = () if value is None else (Message("t", b"%d" % partition, value),)
            yield ReplayItem(
                origin=f"t-{partition}-{offset}",
                place=("t", partition),
                offset=offset,
                messages=messages,
                partition=partition,
            )

    def chosen(self) -> dict[bytes, list[bytes]]:
        """Return what is to be published, by partition."""
        return {
            b"%d" % n: [one for one in records if one not in (None, LARGE)] for n, records in enumerate(self.partitions)
        }


def published(log: Log, topic: ReplayedTopic) -> dict[bytes, list[bytes | None]]:
    return {key: [each.value for each in log.messages if each.key == key] for key in topic.chosen()}


VALUES = st.none() | st.binary(min_size=1, max_size=3) | st.just(LARGE)
TOPICS = st.lists(st.lists(VALUES, max_size=300).map(tuple), min_size=1, max_size=3).map(tuple).map(ReplayedTopic)
FAILURES = st.lists(st.none() | st.sampled_from([PublishError("gone"), ProducerFencedError("x")]), max_size=12)


@given(TOPICS, FAILURES, st.none() | st.floats(1e6, 1e9))
def test_every_chosen_record_is_published_once_whatever_fails(
    topic: ReplayedTopic, failures: list[Exception | None], rate: float | None
) -> None:
    log, note = Log(failures=list(failures)), topic.note()
    for _ in range(len(failures) + 1):
        writer = ReplayWriter(writer=log, topic="notes", note=note, rate=rate)  # type: ignore[arg-type] # it writes
        try:
            writer.publish_all(topic.items(note), note.left)
            break
        except CommandFailedError as error:
            assert "--resume replay-1" in str(error)  # noqa: PT017 - one of several attempts
        note = log.notes[-1] if log.notes else note
    assert log.notes[-1].is_complete
    assert published(log, topic) == topic.chosen()
    assert log.notes[-1].published_count == len(log.messages)


def test_a_record_that_is_too_large_is_named_and_the_others_are_published() -> None:
    topic, log = ReplayedTopic(((b"1", LARGE, b"2"),)), Log()
    writer = ReplayWriter(writer=log, topic="notes", note=topic.note())  # type: ignore[arg-type] # it writes
    writer.publish_all(topic.items(topic.note()), 3)
    assert (published(log, topic), writer.too_large) == ({b"0": [b"1", b"2"]}, ["t-0-1"])


def test_a_second_replay_takes_over() -> None:
    topic, log = ReplayedTopic(((b"1",),)), Log(failures=[ProducerFencedError("x")])
    writer = ReplayWriter(writer=log, topic="notes", note=topic.note())  # type: ignore[arg-type] # it writes
    with pytest.raises(CommandFailedError, match="Another replay was started and took over"):
        writer.publish_all(topic.items(topic.note()), 1)
