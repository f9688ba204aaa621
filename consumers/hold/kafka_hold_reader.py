"""Read from Kafka which records wait with their dead letter, and what was decided about them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumers.hold.held_letters import held_letter, read_release
from consumers.hold.holding_handler import HoldUnreadableError
from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

    from consumers.hold.held_letters import HeldLetter, HeldRelease, RecordPlace

    News = tuple[RecordPlace, HeldLetter] | HeldRelease

# For readers of dead letters.
STALL_TIMEOUT = 10.0  # seconds without a record before reading is given up
BATCH_SIZE = 100  # records that are read at once; a dead letter may have megabytes


class KafkaHoldReader:
    """A `HoldReader` of one topic's records. It connects for each reading: they are rare, and need no state."""

    def __init__(self, settings: Mapping[str, object], *, topic: str, dlq: str, status: str) -> None:
        self._settings = settings
        self._topic = topic
        self._dlq = dlq
        self._status = status
        self._next: dict[tuple[str, int], int] = {}  # offsets, by topic and partition

    async def read_new(self) -> list[News]:
        """Return dead letters and decisions since the last call, up to the present end of their topics.

        Raises:
            HoldUnreadableError: Kafka does not answer, or does not have a topic.
        """
        try:
            return await asyncio.to_thread(self._read)
        except PartitionReadError as error:
            raise HoldUnreadableError(str(error)) from None

    def _read(self) -> list[News]:
        news: list[News] = []
        with PartitionReader(self._settings) as reader:
            found = [one for topic in (self._dlq, self._status) for one in reader.present_ranges(topic)]
            ranges = [self._new_part(one) for one in found]
            for message in reader.records(ranges, limit=BATCH_SIZE, stall_timeout=STALL_TIMEOUT):
                read = self._news_of(message)
                if read is not None:
                    news.append(read)
        for one in ranges:
            self._next[one.topic_partition] = one.end
        return news

    def _new_part(self, one: OffsetRange) -> OffsetRange:
        after = self._next.get(one.topic_partition, one.start)
        # A topic that was made anew is read from its beginning.
        start = max(one.start, after) if after <= one.end else one.start
        return OffsetRange(one.topic, one.partition, start, one.end)

    def _news_of(self, message: Message) -> News | None:
        if message.topic() == self._status:
            release = read_release(message.value())
            return release if release and release.place.topic == self._topic else None
        headers: list[tuple[str, bytes | None]] = message.headers() or []  # type: ignore[assignment] # consumed: a list of bytes
        letter = held_letter(tuple(headers))
        return letter if letter and letter[0].topic == self._topic else None
