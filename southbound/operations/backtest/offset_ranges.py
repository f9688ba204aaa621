"""Find the records of a topic since a moment, and share them among readers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from producers.kafka_errors import sentence_for
from southbound.cli.exit_codes import unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

RANGE_QUERY_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Records of one partition: from the offset `start` up to, without, `end`."""

    partition: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """How many records it has at most; compaction and transactions leave gaps."""
        return self.end - self.start


def ranges_since(consumer: Consumer, topic: str, moment: datetime) -> list[OffsetRange]:
    """Find what was written since the moment, up to the end as it is now.

    Raises:
        Failure: Kafka does not answer, or has no such topic.
    """
    try:
        known = consumer.list_topics(topic, timeout=RANGE_QUERY_TIMEOUT).topics[topic]
        since = [TopicPartition(topic, number, int(moment.timestamp() * 1000)) for number in known.partitions]
        found = consumer.offsets_for_times(since, timeout=RANGE_QUERY_TIMEOUT)
        stretches = [_range_from(consumer, place) for place in found]
    except KafkaException as error:
        raise unreachable(sentence_for(error.args[0], f"topic {topic}")) from None
    return [stretch for stretch in stretches if stretch.length > 0]


def _range_from(consumer: Consumer, place: TopicPartition) -> OffsetRange:
    low, high = consumer.get_watermark_offsets(place, timeout=RANGE_QUERY_TIMEOUT)
    start = high if place.offset == OFFSET_END else max(low, place.offset)
    return OffsetRange(place.partition, start, high)


def split_ranges(ranges: Sequence[OffsetRange], readers: int) -> list[list[OffsetRange]]:
    """Cut stretches into as many shares of the same length, a partition in pieces where it must be."""
    whole = sum(stretch.length for stretch in ranges)
    marks = [whole * number // readers for number in range(readers + 1)]
    shares = [_slice_ranges(ranges, low, high) for low, high in pairwise(marks)]
    return [share for share in shares if share]


def _slice_ranges(ranges: Sequence[OffsetRange], low: int, high: int) -> list[OffsetRange]:
    """Return what lies between two places of all stretches laid end to end."""
    share: list[OffsetRange] = []
    passed = 0
    for stretch in ranges:
        start = stretch.start + max(0, low - passed)
        end = min(stretch.end, stretch.start + high - passed)
        if start < end:
            share.append(OffsetRange(stretch.partition, start, end))
        passed += stretch.length
    return share
