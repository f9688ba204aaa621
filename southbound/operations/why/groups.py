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
from consumers.runtime.kafka.group_members import GroupMembers, list_groups, read_members
from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import PartitionReader
from southbound.operations.events.record_view import read_record
from southbound.service.kafka_settings import client_settings, standalone_consumer_settings
from southbound.service.roles import ConsumedTopic, Role, consumers_of_topics, readers_of_events

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

PartitionPlace = tuple[str, str, int]  # the role of the group, the topic and the partition
MAX_SEARCHED = 20_000  # records in which the records of a run are searched
_STALL_TIMEOUT = 5.0  # seconds without a record


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """How far a group is in one partition."""

    topic: str
    role: str  # of the group
    number: int
    frontier: int  # every record below it is finished
    end: int  # the offset of the next record
    finished: FinishedOffsets  # above the frontier
    holder: GroupMember | None
    problem: str = ""  # why `finished` is not known

    @property
    def place(self) -> PartitionPlace:
        """The group and the partition."""
        return self.role, self.topic, self.number

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


def consumed_topics(settings: Settings, names: TopicNames) -> list[ConsumedTopic]:
    """Return the topics that roles consume: the dispatch topics that Kafka has, and the groups of events that it knows.

    Raises:
        PartitionReadError: Kafka does not answer.
        KafkaNotReadyError: the same.
    """
    with PartitionReader(standalone_consumer_settings(settings.kafka)) as reader:
        known = reader.topics()
    commands = [ConsumedTopic(topic, role) for topic, role in consumers_of_topics(known, names).items()]
    return commands + [each for each in readers_of_events(known_roles(settings), names) if each.topic in known]


def known_roles(settings: Settings) -> list[str]:
    """Return the roles of the groups that Kafka knows of this gateway; a group without commits and members is unknown.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    start = settings.kafka.group_of("")
    groups = list_groups(client_settings(settings.kafka))
    roles = [group.removeprefix(start) for group in groups if group.startswith(start)]
    # Another gateway may have a group that begins with the name of ours.
    return [role for role in roles if role.partition(".")[0] in {*Role}]


def read_topics(settings: Settings, consumed: Sequence[ConsumedTopic]) -> list[TopicView]:
    """Read how far the groups of these topics are.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    groups = {each.role: settings.kafka.group_of(each.role) for each in consumed}
    consumer = standalone_consumer_settings(settings.kafka)
    members = read_members(client_settings(settings.kafka), [*groups.values()])
    return [
        TopicView(
            topic=each.topic,
            role=each.role,
            members=members[groups[each.role]],
            partitions=tuple(partition_views(consumer, each, members[groups[each.role]])),
        )
        for each in consumed
    ]


def partition_views(
    consumer: Mapping[str, object], consumed: ConsumedTopic, members: GroupMembers
) -> Iterable[PartitionView]:
    """Yield how far the group of a role is in each partition of its topic.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    topic, role = consumed.topic, consumed.role
    committed = {found.partition: found for found in read_committed(consumer, members.group, topic)}
    for number, (low, end) in sorted(read_log_bounds(consumer, topic).items()):
        found = committed.get(number)
        finished, problem = _finished(found)
        frontier = max(low, found.offset if found else low)
        holder = members.holder(topic, number)
        yield PartitionView(
            topic=topic,
            role=role,
            number=number,
            frontier=frontier,
            end=end,
            finished=finished,
            holder=holder,
            problem=problem,
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

    def first_of_each(self, topics: Iterable[TopicView]) -> dict[PartitionPlace, RecordView]:
        """Return the first unfinished record of each partition that has one, for each group.

        Raises:
            PartitionReadError: Kafka cannot be read.
        """
        roles: dict[str, list[PartitionView]] = {}
        for topic in topics:
            roles.setdefault(topic.role, []).extend([p for p in topic.partitions if p.waiting])
        return {
            (role, record.topic, record.partition): record
            for role, waiting in roles.items()
            for record in self._first_of_each(waiting)
        }

    def _first_of_each(self, waiting: Sequence[PartitionView]) -> list[RecordView]:
        found: dict[tuple[str | None, int | None], Message] = {}
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
