"""Follow topics without a consumer group or commits, from a start until stopped."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition

from router.runs.ids import event_id_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from confluent_kafka import Message

POLL_TIMEOUT = 0.1  # seconds
METADATA_TIMEOUT = 10.0  # seconds the cluster has to name its partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedRecord:
    """One record of a followed topic. `place` is an id made from where it lies."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def record_id(self) -> str:
        """An id for a record that has none of its own."""
        return event_id_at(self.topic, self.partition, self.offset)


class TopicFollower:
    """Read topics on a thread of its own and hand every record to the event loop."""

    def __init__(
        self,
        settings: Mapping[str, object],
        topics: Iterable[str],
        on_record: Callable[[FollowedRecord], None],
        *,
        from_start: bool = True,
    ) -> None:
        group = f"southbound-follower-{uuid4()}"  # librdkafka wants one; nothing is committed to it
        self._consumer = Consumer({**settings, "group.id": group, "enable.auto.commit": False})
        self._topics = tuple(topics)
        self._on_record = on_record
        self._offset = OFFSET_BEGINNING if from_start else OFFSET_END
        self._stopped = threading.Event()

    async def __aenter__(self) -> Self:
        """Begin to follow."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._assign)
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and wait until the thread is gone."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)

    def _assign(self) -> None:
        known = self._consumer.list_topics(timeout=METADATA_TIMEOUT).topics
        self._consumer.assign(
            [
                TopicPartition(topic, partition, self._offset)
                for topic in self._topics
                for partition in known[topic].partitions
            ]
        )

    def _follow(self) -> None:
        while not self._stopped.is_set():
            first = self._consumer.poll(POLL_TIMEOUT)
            if first is not None:
                for message in (first, *self._consumer.consume(500, 0)):
                    self._deliver(message)
        self._consumer.close()

    def _deliver(self, message: Message) -> None:
        if message.error() is None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_record, _to_record(message))


def _to_record(message: Message) -> FollowedRecord:
    return FollowedRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),  # type: ignore[arg-type] # a list of pairs, when it was consumed
    )
