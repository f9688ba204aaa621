"""Read topics from their beginning, and pass every record to the event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import FIRST_RECORD, PartitionReader
from consumers.runtime.kafka.reader_thread import ReaderThread
from router.runs.ids import event_id_at

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from confluent_kafka import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedRecord:
    """One record of a topic that is read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def record_id(self) -> str:
        """An id made from topic, partition and offset, for a record without an id."""
        return event_id_at(self.topic, self.partition, self.offset)


@asynccontextmanager
async def follow_topics(
    settings: Mapping[str, object], topics: Sequence[str], on_record: Callable[[FollowedRecord], None]
) -> AsyncIterator[None]:
    """Call `on_record` in the event loop with every record of these topics while the block runs.

    Raises:
        PartitionReadError: Kafka does not answer, or does not have one of the topics.
    """
    with PartitionReader(settings) as reader:
        ranges = await asyncio.to_thread(_whole_topics, reader, topics)

        def read(stopped: threading.Event) -> Iterator[FollowedRecord]:
            for batch in reader.batches(ranges, follow=True):
                yield from map(_to_record, batch.records)
                if stopped.is_set():
                    return

        thread = ReaderThread("follower", read, on_record)
        thread.start()
        try:
            yield
        finally:
            await thread.stop()


def _whole_topics(reader: PartitionReader, topics: Sequence[str]) -> list[OffsetRange]:
    return [OffsetRange(topic, number, FIRST_RECORD) for topic in topics for number in reader.partitions(topic)]


def _to_record(message: Message) -> FollowedRecord:
    return FollowedRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),  # type: ignore[arg-type] # a consumed record has a list of pairs
    )
