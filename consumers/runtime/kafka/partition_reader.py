"""Read partitions from given offsets without a consumer group, up to their end or for ever."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from consumers.runtime.kafka.follow_watch import FollowWatch
from consumers.runtime.kafka.log_watch import watermarks
from consumers.runtime.kafka.offset_range import OffsetRange, RangeProgress, TopicAndPartition
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from confluent_kafka import Message

# As the start of a range.
FIRST_RECORD = OFFSET_BEGINNING
NEXT_RECORD = OFFSET_END

_REQUEST_TIMEOUT = 10.0  # seconds for one request
_POLL_TIMEOUT = 0.2  # seconds; also how long a caller may wait before it can stop
_BATCH_SIZE = 500  # records of one batch
_STALL_TIMEOUT = 30.0  # seconds without a record before reading to an end is given up
# librdkafka recovers from these by itself. Its local errors begin with an underscore.
_TRANSIENT = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}  # noqa: SLF001 - as above


class PartitionReadError(Exception):
    """Kafka cannot be read; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one poll returned.

    `at_end`: with this batch, every partition has been read to its end. `problem`: the last error that will not pass
    by itself, as a sentence. `notice`: what was mended, as a sentence. All are empty if nothing arrived in time.
    """

    records: Sequence[Message] = ()
    at_end: bool = False
    problem: str = ""
    notice: str = ""


class PartitionReader:
    """A consumer that joins no group and commits nothing. One thread uses it at a time."""

    def __init__(self, settings: Mapping[str, object], *, request_timeout: float = _REQUEST_TIMEOUT) -> None:
        """`settings` are those of librdkafka; `request_timeout` is in seconds and limits each request for metadata."""
        self._request_timeout = request_timeout
        self._settings = {
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",  # where the first offset is gone, or the topic was created again
            **settings,
            "group.id": f"southbound-reader-{uuid4()}",  # librdkafka requires one; nothing is committed to it
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
        self._consumer = Consumer(self._settings)

    def __enter__(self) -> Self:
        """Return this reader; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the consumer."""
        self._consumer.close()

    def topics(self) -> dict[str, tuple[int, ...]]:
        """Return the partitions of every topic in the cluster.

        Raises:
            PartitionReadError: Kafka does not answer.
        """
        try:
            known = self._consumer.list_topics(timeout=self._request_timeout).topics
        except KafkaException as error:
            raise _failure(error, "the cluster") from None
        return {name: tuple(topic.partitions) for name, topic in known.items()}

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the partitions of one topic.

        Raises:
            PartitionReadError: Kafka does not answer, does not have the topic, or does not show it to this user.
        """
        try:
            found = self._consumer.list_topics(topic, timeout=self._request_timeout).topics[topic]
        except KafkaException as error:
            raise _failure(error, f"topic {topic}") from None
        if found.error is not None:
            raise PartitionReadError(sentence_for(found.error, f"topic {topic}"))
        return tuple(found.partitions)

    def present_ranges(self, topic: str) -> list[OffsetRange]:
        """Return the range of each partition from its first record to its present end.

        Raises:
            PartitionReadError: as `partitions`.
        """
        starts = [TopicPartition(topic, number, 0) for number in self.partitions(topic)]
        try:
            return [self._to_present_end(topic_partition) for topic_partition in starts]
        except KafkaException as error:
            raise _failure(error, f"topic {topic}") from None

    def ranges_since(self, topic: str, moment: datetime) -> list[OffsetRange]:
        """Return the ranges from the first record since `moment` to the present end, without empty ones.

        Raises:
            PartitionReadError: as `partitions`.
        """
        since = int(moment.timestamp() * 1000)
        starts = [TopicPartition(topic, number, since) for number in self.partitions(topic)]
        try:
            found = self._consumer.offsets_for_times(starts, timeout=self._request_timeout)
            ranges = [self._to_present_end(topic_partition) for topic_partition in found]
        except KafkaException as error:
            raise _failure(error, f"topic {topic}") from None
        return [offset_range for offset_range in ranges if offset_range.length > 0]

    def _to_present_end(self, topic_partition: TopicPartition) -> OffsetRange:
        low, high = self._consumer.get_watermark_offsets(topic_partition, timeout=self._request_timeout)
        start = high if topic_partition.offset == OFFSET_END else max(low, topic_partition.offset)
        return OffsetRange(topic_partition.topic, topic_partition.partition, start, high)

    def records(
        self,
        ranges: Sequence[OffsetRange],
        *,
        follow: bool = False,
        limit: int = _BATCH_SIZE,
        stall_timeout: float = _STALL_TIMEOUT,
    ) -> Iterator[Message]:
        """Yield the records of ranges, each partition in its order; the other arguments are those of `batches`.

        Raises:
            PartitionReadError: an error will not pass by itself, or (without `follow`) no record came for
                `stall_timeout` seconds before all ranges were at their end.
        """
        deadline = time.monotonic() + stall_timeout
        for batch in self.batches(ranges, follow=follow, limit=limit):
            yield from batch.records
            if batch.problem:
                raise PartitionReadError(batch.problem)
            if batch.records:
                deadline = time.monotonic() + stall_timeout
            elif not (follow or batch.at_end) and time.monotonic() > deadline:
                topics = ", ".join(sorted({offset_range.topic for offset_range in ranges}))
                raise PartitionReadError(
                    f"Kafka sent no record of {topics} for {stall_timeout:g} s, and the end is not reached: try again"
                )

    def batches(
        self,
        ranges: Sequence[OffsetRange],
        *,
        follow: bool = False,
        limit: int = _BATCH_SIZE,
        restart_from: int | None = None,
    ) -> Iterator[Batch]:
        """Yield what every poll returns, also if it is nothing, until all ranges are at their end.

        There is at most one range for each partition. `follow`: ignore the ends and never stop; if a partition with
        records is not read, another client reads from the offset `restart_from`, or else on from where this one is.
        `limit`: so many records at most in one batch.
        """
        non_empty = [offset_range for offset_range in ranges if follow or offset_range.length > 0]
        progress = RangeProgress(non_empty, follow=follow)
        self._consumer.assign(
            [
                TopicPartition(offset_range.topic, offset_range.partition, offset_range.start)
                for offset_range in non_empty
            ]
        )
        watch = FollowWatch(non_empty if follow else (), time.monotonic())
        while follow or not progress.at_end:
            before = progress.ended
            batch = self._next(progress, limit, watch)
            if not follow and (ended := progress.ended - before):
                # Not paused: a pause would outlive the assignment.
                self._consumer.incremental_unassign([TopicPartition(*topic_partition) for topic_partition in ended])
            yield batch
            if follow and (unread := watch.find_unread(self._watermarks, time.monotonic())) is not None:
                self._start_anew(watch, progress, restart_from)
                yield Batch(notice=_not_read(*unread))

    def _watermarks(self, place: TopicAndPartition) -> tuple[int, int] | None:
        return watermarks(self._consumer, place)

    def _start_anew(self, watch: FollowWatch, progress: RangeProgress, restart_from: int | None) -> None:
        """Read with another client: this one ignores a topic that was deleted and made anew (see `LogWatch`)."""
        self._consumer.close()
        self._consumer = Consumer(self._settings)
        if restart_from is not None:
            watch.positions = dict.fromkeys(watch.positions, restart_from)
            progress.begin_anew()
        self._consumer.assign([TopicPartition(*each, offset) for each, offset in watch.positions.items()])

    def _next(self, progress: RangeProgress, limit: int, watch: FollowWatch) -> Batch:
        messages, problem = self._poll(limit)
        records: list[Message] = []
        for message in messages:
            error = message.error()
            if error is not None:
                problem = _note(error, message, progress, watch) or problem
                continue
            # The type stubs allow None for errors that concern no partition.
            place, offset = (message.topic(), message.partition()), message.offset()
            watch.read(place, offset + 1)  # type: ignore[arg-type, operator]
            if progress.accept(place, offset):  # type: ignore[arg-type]
                records.append(message)
        return Batch(records=records, at_end=bool(messages) and progress.at_end, problem=problem)

    def _poll(self, limit: int) -> tuple[list[Message], str]:
        messages: list[Message] = []
        try:
            # consume() with a timeout waits until its batch is full: wait for the first message only.
            first = self._consumer.poll(_POLL_TIMEOUT)
            if first is not None:
                messages.append(first)
                messages += self._consumer.consume(limit - 1, 0)
        except KafkaException as error:
            return messages, str(_failure(error, "the cluster"))
        return messages, ""


def _note(error: KafkaError, message: Message, progress: RangeProgress, watch: FollowWatch) -> str:
    """Record the end of a partition; return the sentence of an error that will not pass by itself."""
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's spelling
        place = (message.topic(), message.partition())
        progress.reach_end(place)  # type: ignore[arg-type] # it names its partition
        watch.read(place, message.offset())  # type: ignore[arg-type]
        return ""
    if error.retriable() or error.code() in _TRANSIENT:
        return ""
    topic = message.topic()
    return sentence_for(error, f"topic {topic}" if topic else "the cluster")


def _not_read(topic: str, partition: int) -> str:
    return (
        f"partition {partition} of topic {topic} was not read although it has records, as after the topic was deleted"
        " and made anew: a new Kafka client reads it"
    )


def _failure(error: KafkaException, what: str) -> PartitionReadError:
    return PartitionReadError(sentence_for(error.args[0], what))
