"""Publish on Kafka so that whoever waits knows when the broker has everything."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer

from producers.kafka_errors import code_of, sentence_for
from producers.publisher import PublishError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import KafkaError
    from confluent_kafka import Message as Report

    from producers.publisher import Message

    Refusal = tuple[Message, KafkaError]

_WAIT = 0.1  # seconds that the reporting thread waits for delivery reports
TOO_LARGE = "MESSAGE_TOO_LARGE"
_ROOM = 0.02  # seconds until a full local queue is tried again


def producer_settings(bootstrap: str, overrides: Mapping[str, object] | None = None) -> dict[str, object]:
    """Settings for librdkafka; `overrides` win (security, `compression.type`, `linger.ms` …)."""
    settings: dict[str, object] = {
        "bootstrap.servers": bootstrap,
        "client.id": "southbound",
        "linger.ms": 2,
        "socket.nagle.disable": True,  # small requests would wait 40 ms for a delayed acknowledgement
        "compression.type": "lz4",
        "message.timeout.ms": 20_000,
        "topic.metadata.propagation.max.ms": 5_000,  # an unknown topic fails after this, not after 30 s
        # The topic decides what is too large: a dead letter must carry whatever could be consumed.
        "message.max.bytes": 32 * 2**20,
        "reconnect.backoff.max.ms": 5_000,
        "log_level": 2,  # what matters fails a publish; librdkafka would repeat it on stderr
        **(overrides or {}),
    }
    return settings | {"enable.idempotence": True, "acks": "all"}


class _Publication:
    """The messages of one `publish` call that are still on their way."""

    __slots__ = ("failure", "future", "missing", "refused")

    def __init__(self, future: asyncio.Future[Sequence[Refusal]], missing: int) -> None:
        self.future = future
        self.missing = missing
        self.failure: PublishError | None = None
        self.refused: list[Refusal] = []

    def report(self, message: Message, error: KafkaError | None) -> None:
        """Take note of what became of one message."""
        self.missing -= 1
        if error is not None and code_of(error) == TOO_LARGE:
            self.refused.append((message, error))
        elif error is not None and self.failure is None:
            self.failure = _failure(message, error)

    def settle(self) -> None:
        """Tell the waiting coroutine, unless it has gone."""
        if self.future.done():
            return
        if self.failure:
            self.future.set_exception(self.failure)
        else:
            self.future.set_result(self.refused)


class KafkaPublisher:
    """A `Publisher` over one idempotent producer. Create it inside the event loop that publishes."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = dict(settings)
        self._producer = Producer(self._settings)
        self._one_by_one: Producer | None = None
        self._loop = asyncio.get_running_loop()
        self._settled: list[_Publication] = []  # touched by the reporting thread only
        self._closing = threading.Event()
        self._flush_budget = 0.0
        self._thread = threading.Thread(target=self._report, name="kafka-publisher", daemon=True)
        self._thread.start()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is acknowledged by the broker.

        Raises:
            PublishError: at least one was not.
        """
        if not messages:
            return
        refused = await self._sent(self._producer, messages)
        if refused:
            # Kafka refuses a whole batch: which of its messages is too large shows only when each travels alone.
            refused = await self._sent(self._alone(), [message for message, _ in refused])
        if refused:
            raise _failure(*refused[0])

    async def _sent(self, producer: Producer, messages: Sequence[Message]) -> Sequence[Refusal]:
        publication = _Publication(self._loop.create_future(), len(messages))
        for message in messages:
            while not self._accepts(producer, message, publication):  # noqa: ASYNC110 - librdkafka cannot tell of room
                await asyncio.sleep(_ROOM)
        return await publication.future

    def _alone(self) -> Producer:
        if self._one_by_one is None:
            self._one_by_one = Producer(self._settings | {"batch.num.messages": 1})
        return self._one_by_one

    async def close(self, budget: float = 10.0) -> None:
        """Send what is on its way; after `budget` seconds tell the rest that it failed."""
        self._flush_budget = budget
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    def _accepts(self, producer: Producer, message: Message, publication: _Publication) -> bool:
        """Hand one message to librdkafka; False while its queue is full."""
        if self._closing.is_set():
            raise PublishError(f"Nothing was sent to topic {message.topic}: the publisher is closed")

        def reported(error: KafkaError | None, _report: Report) -> None:
            publication.report(message, error)
            if not publication.missing:
                self._settled.append(publication)

        try:
            producer.produce(
                message.topic, message.value, message.key, headers=list(message.headers), on_delivery=reported
            )
        except BufferError:
            return False
        except KafkaException as exception:
            raise _failure(message, exception.args[0]) from exception
        return True

    def _report(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_WAIT)
            if self._one_by_one is not None:
                self._one_by_one.poll(0)
            self._tell()
        for producer in filter(None, (self._producer, self._one_by_one)):
            _flush(producer, self._flush_budget)
        self._tell()

    def _tell(self) -> None:
        if self._settled:
            settled, self._settled = self._settled, []
            try:
                self._loop.call_soon_threadsafe(_settle_all, settled)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._closing.set()


def _flush(producer: Producer, budget: float) -> None:
    if producer.flush(budget):
        producer.purge()
        producer.flush(1.0)


def _failure(message: Message, error: KafkaError) -> PublishError:
    kind = TooLargeError if code_of(error) == TOO_LARGE else PublishError
    return kind(sentence_for(error, f"topic {message.topic}"))


def _settle_all(publications: list[_Publication]) -> None:
    for publication in publications:
        publication.settle()
