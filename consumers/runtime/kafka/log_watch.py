"""Compare what a group's consumer has read of its partitions with what the brokers have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from consumers.runtime.kafka.fetch_watch import FetchState, FetchWatch
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from confluent_kafka import Consumer

INTERVAL = 1.0  # seconds between two questions about watermarks, each about one partition
RESTART_INTERVAL = 60.0  # seconds between two new clients because of partitions that are not read
_WATERMARK_TIMEOUT = 1.0  # seconds; the consumer is not polled meanwhile

TopicAndNumber = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadPartition:
    """A partition that is owned and not read, although the broker has records from `low` to below `high`."""

    topic_partition: TopicAndNumber
    low: int
    high: int
    is_another_log: bool

    def problem(self, group: object) -> Problem:
        """Return what is reported about it."""
        topic, number = self.topic_partition
        sentence = (
            f"Partition {number} of topic {topic} is owned by group {group} and is not read,"
            f" although it has records below offset {self.high}. A new Kafka client is started; if this repeats, look"
            " at the broker's log and the topic's ACLs"
        )
        return Problem(code="PARTITION_NOT_READ", sentence=sentence)


class LogWatch:
    """Asks for the watermarks of one partition at a time, and names one that is not read."""

    def __init__(self) -> None:
        self._fetch_watch: FetchWatch[TopicAndNumber] = FetchWatch()
        self._positions: Mapping[TopicAndNumber, int] = {}  # that librdkafka fetches next
        self._sampled_at = float("-inf")
        self._next: list[TopicAndNumber] = []
        self._due_at = self._restart_allowed_at = 0.0

    def sampled(self, positions: Mapping[TopicAndNumber, int], at: float) -> None:
        """Record the fetch positions of statistics, and when they were made (monotonic clock)."""
        self._positions, self._sampled_at = positions, at

    def forget(self, topic_partition: TopicAndNumber) -> None:
        """Forget a partition that is paused or no longer owned."""
        self._fetch_watch.forget(topic_partition)

    def begin_anew(self) -> None:
        """Forget everything that one client has read, because another one takes its place."""
        self._fetch_watch, self._positions, self._next = FetchWatch(), {}, []

    def is_due(self, now: float, answered_at: float) -> bool:
        """Return whether the next partition is compared now; not without recent statistics and a broker that responds.

        Statistics wait for a poll; old ones say nothing about the present.
        """
        return now >= self._due_at and now - min(answered_at, self._sampled_at) <= 2 * INTERVAL

    def find_unread(
        self, consumer: Consumer, received: Mapping[TopicAndNumber, int], active: Collection[TopicAndNumber], now: float
    ) -> UnreadPartition | None:
        """Compare the next of the `active` partitions, and return it if only a new client can read it.

        `received` is one past the last record that was received, by partition.
        """
        self._due_at = now + INTERVAL
        self._next = self._next or [*active]
        topic_partition = self._next.pop() if self._next else None
        if topic_partition is None:
            return None
        position, marks = self._positions.get(topic_partition), None
        if topic_partition in active and position is not None:
            marks = watermarks(consumer, topic_partition)
        if position is None or marks is None:
            self.forget(topic_partition)
            return None
        low, high = marks
        state = FetchState(position=position, low=low, high=high, received=received.get(topic_partition, -1))
        if not self._fetch_watch.observe(topic_partition, state, now) or now < self._restart_allowed_at:
            return None
        self._restart_allowed_at = now + RESTART_INTERVAL
        return UnreadPartition(topic_partition=topic_partition, low=low, high=high, is_another_log=state.is_another_log)


def watermarks(consumer: Consumer, topic_partition: TopicAndNumber) -> tuple[int, int] | None:
    """Return the first and the next offset of a partition; None if no broker says so in time."""
    try:
        return consumer.get_watermark_offsets(TopicPartition(*topic_partition), _WATERMARK_TIMEOUT)
    except KafkaException:
        return None  # the next round asks again; errors of brokers are reported by themselves


def another_log_problem(topic_partition: TopicAndNumber, low: int) -> Problem:
    """Return what is reported about a partition whose records are not those that were read before."""
    topic, number = topic_partition
    sentence = (
        f"Partition {number} of topic {topic} no longer has all records that were read: the topic was deleted"
        f" and made anew, or lost records. It is read again from offset {low}; what it held before is gone, so ask"
        " the producers to send again what was not processed"
    )
    return Problem(code="TOPIC_MADE_ANEW", sentence=sentence)
