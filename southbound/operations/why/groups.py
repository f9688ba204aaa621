"""Read from Kafka how far the consumer groups are, who holds their partitions, and the records that wait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumers.runtime.commits.finished_offsets import (
    NOTHING_FINISHED,
    UnreadableMetadataError,
    is_unsigned,
    read_metadata,
)
from consumers.runtime.kafka.committed_offsets import read_committed, read_log_bounds
from consumers.runtime.kafka.group_members import GroupMembers, read_members
from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import PartitionReader
from southbound.operations.events.record_view import read_record
from southbound.service.kafka_settings import client_settings, standalone_consumer_settings
from southbound.service.roles import consumers_of_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from consumers.runtime.commits.finished_offsets import FinishedOffsets
    from consumers.runtime.kafka.committed_offsets import CommittedOffset
    from consumers.runtime.kafka.group_members import GroupMember
    from schemas.codec.envelope import Envelope
    from schemas.topics import TopicNames
    from southbound.operations.events.record_view import RecordView
    from southbound.settings.settings import Settings

MAX_SEARCHED = 20_000  # records in which the records of a run are searched
_STALL_TIMEOUT = 5.0  # seconds without a record


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """How far a group is in one partition."""

    topic: str
    number: int
    frontier: int  # every record below it is finished
    end: int  # the offset of the next record
    finished: FinishedOffsets  # above the frontier
    holder: GroupMember | None
    problem: str = ""  # why `finished` is not known

    @property
    def name(self) -> str:
        """The topic with the number."""
        return f"{self.topic}[{self.number}]"

    @property
    def waiting(self) -> int:
        """The largest number of records that are not finished: offsets may have gaps."""
        return max(0, self.end - self.frontier - self.finished_count)

    @property
    def finished_count(self) -> int:
        """The number of finished offsets above the frontier."""
        return sum(end - first for first, end in self.finished.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicView:
    """How far the consumer group of a role is in its topic."""

    topic: str
    role: str
    members: GroupMembers
    partitions: tuple[PartitionView, ...]

    def only(self, number: int) -> TopicView:
        """Return the same with one partition."""
        return replace(self, partitions=tuple([p for p in self.partitions if p.number == number]))

    @property
    def waiting(self) -> int:
        """The largest number of records that are not finished."""
        return sum(partition.waiting for partition in self.partitions)


def consumed_topics(settings: Settings, names: TopicNames) -> dict[str, str]:
    """Return the topics that roles consume, each with its role: the dispatch topics are those that Kafka has.

    Raises:
        PartitionReadError: Kafka does not answer.
    """
    with PartitionReader(standalone_consumer_settings(settings.kafka)) as reader:
        known = reader.topics()
    return consumers_of_topics(known, names)


def read_topics(settings: Settings, roles: Mapping[str, str]) -> list[TopicView]:
    """Read how far the groups of these topics are; `roles` has the role of each topic.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    groups = {topic: settings.kafka.group_of(role) for topic, role in roles.items()}
    consumer = standalone_consumer_settings(settings.kafka)
    members = read_members(client_settings(settings.kafka), [*groups.values()])
    return [
        TopicView(
            topic=topic,
            role=role,
            members=members[groups[topic]],
            partitions=tuple(_partition_views(consumer, topic, members[groups[topic]])),
        )
        for topic, role in roles.items()
    ]


def _partition_views(consumer: Mapping[str, object], topic: str, members: GroupMembers) -> Iterable[PartitionView]:
    committed = {found.partition: found for found in read_committed(consumer, members.group, topic)}
    for number, (low, end) in sorted(read_log_bounds(consumer, topic).items()):
        found = committed.get(number)
        finished, problem = _finished(found)
        frontier = max(low, found.offset if found else low)
        holder = members.holder(topic, number)
        yield PartitionView(
            topic=topic, number=number, frontier=frontier, end=end, finished=finished, holder=holder, problem=problem
        )


def _finished(found: CommittedOffset | None) -> tuple[FinishedOffsets, str]:
    if found is None:
        return NOTHING_FINISHED, "nothing was committed yet"
    if found.offset > 0 and is_unsigned(found.metadata):
        return NOTHING_FINISHED, "another program committed this offset"
    try:
        return read_metadata(found.metadata, found.offset), ""
    except UnreadableMetadataError as error:
        return NOTHING_FINISHED, f"the metadata of the commit is {error}"


class WaitingRecords:
    """Reads records that are not finished."""

    def __init__(self, settings: Settings, envelope: Envelope, names: TopicNames) -> None:
        self._settings = {**standalone_consumer_settings(settings.kafka), "queued.max.messages.kbytes": 4096}
        self._envelope = envelope
        self._names = names

    def first_of_each(self, partitions: Iterable[PartitionView]) -> list[RecordView]:
        """Return the first unfinished record of each partition that has one.

        Raises:
            PartitionReadError: Kafka cannot be read.
        """
        found: dict[tuple[str | None, int | None], Message] = {}
        waiting = [partition for partition in partitions if partition.waiting]
        for message in self._messages(waiting):
            found.setdefault((message.topic(), message.partition()), message)
            if len(found) == len(waiting):
                break
        return [read_record(message, self._envelope, self._names) for message in found.values()]

    def of_keys(self, partitions: Sequence[PartitionView], keys: Mapping[str, str]) -> tuple[list[RecordView], bool]:
        """Return the unfinished records with the key that belongs to their topic, and whether all were searched.

        Raises:
            PartitionReadError: Kafka cannot be read.
        """
        found: list[RecordView] = []
        for number, message in enumerate(self._messages([p for p in partitions if p.waiting])):
            if number >= MAX_SEARCHED:
                return found, False
            if message.key() == keys[message.topic() or ""].encode():
                found.append(read_record(message, self._envelope, self._names))
        return found, True

    def _messages(self, partitions: Sequence[PartitionView]) -> Iterable[Message]:
        finished = {(p.topic, p.number): p.finished for p in partitions}
        ranges = [OffsetRange(p.topic, p.number, p.frontier, p.end) for p in partitions]
        with PartitionReader(self._settings) as reader:
            for message in reader.records(ranges, stall_timeout=_STALL_TIMEOUT):
                # The type stubs allow None because of errors, which are no records.
                if message.offset() not in finished[message.topic(), message.partition()]:  # type: ignore[index,operator]
                    yield message
