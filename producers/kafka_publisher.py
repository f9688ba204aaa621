"""Publish on Kafka, and report when the broker has acknowledged everything."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer

from producers.kafka_errors import code_of, sentence_for
from producers.publisher import PublishError, RecordTooLargeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence

    from confluent_kafka import KafkaError
    from confluent_kafka import Message as Report

    from producers.publisher import Message

    RefusedMessage = tuple[Message, KafkaError]

_REPORT_INTERVAL = 0.002  # seconds between two polls for delivery reports
TOO_LARGE = "MESSAGE_TOO_LARGE"
_PURGE_TIMEOUT = 1.0  # seconds until purged messages are reported
_QUEUE_FULL_DELAY = 0.02  # seconds until a full local queue is tried again


def producer_settings(bootstrap: str, overrides: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the settings for librdkafka; `overrides` win (security, `compression.type`, `linger.ms` …)."""
    settings: dict[str, object] = {
        "bootstrap.servers": bootstrap,
        "client.id": "southbound",
        "linger.ms": 2,
        "socket.nagle.disable": True,  # small requests would wait 40 ms for a delayed acknowledgement
        "compression.type": "lz4",
        "message.timeout.ms": 20_000,
        "topic.metadata.propagation.max.ms": 5_000,  # an unknown topic fails after this, not after 30 s
        # The topic limits the size: a dead letter must carry whatever could be consumed.
        "message.max.bytes": 32 * 2**20,
        "reconnect.backoff.max.ms": 5_000,
        "log_level": 2,  # errors fail a publish; librdkafka would repeat them on stderr
        **(overrides or {}),
    }
    return settings | {"enable.idempotence": True, "acks": "all"}


class _Publication:
    """The messages of one `publish` call; awaiting it waits for the broker's acknowledgement of every one."""

    __slots__ = ("_wait_for_acknowledgement", "failure", "future", "rejected", "unacknowledged", "unsent")

    def __init__(
        self, messages: Sequence[Message], acknowledged: Callable[[_Publication], Coroutine[None, None, None]]
    ) -> None:
        self.unsent = deque(messages)  # not handed to librdkafka yet
        self.unacknowledged = len(messages)
        self.failure: PublishError | None = None
        self.rejected: list[RefusedMessage] = []
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wait_for_acknowledgement = acknowledged

    def __await__(self) -> Generator[None, None, None]:
        return self._wait_for_acknowledgement(self).__await__()

    def on_delivery(self, message: Message, error: KafkaError | None) -> None:
        """Record the delivery report of one message; the last one wakes the caller."""
        if error is not None and code_of(error) == TOO_LARGE:
            self.rejected.append((message, error))
        elif error is not None:
            self.failure = self.failure or _publish_error(message, error)
        self._subtract(1)

    def abort(self, failure: PublishError) -> None:
        """Send nothing more of it."""
        self.failure = self.failure or failure
        given_up = len(self.unsent)
        self.unsent.clear()
        self._subtract(given_up)

    def _subtract(self, messages: int) -> None:
        self.unacknowledged -= messages
        if not self.unacknowledged and not self.future.done():  # the caller may have been cancelled
            self.future.set_result(None)


class KafkaPublisher:
    """A `Publisher` over one idempotent producer. Create it inside the event loop that publishes.

    Delivery reports are fetched by the loop itself, every 2 ms while one is missing: a thread of its own would take the
    interpreter lock from the loop for every report.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = dict(settings)
        self._producer = Producer(self._settings)
        self._unbatched_producer: Producer | None = None
        self._loop = asyncio.get_running_loop()
        self._unreported = 0  # delivery reports, of all publications
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    def publish(self, messages: Sequence[Message]) -> Awaitable[None]:
        """Hand messages to librdkafka; awaiting the result returns when the broker has acknowledged every one.

        Raises:
            PublishError: (when awaited) at least one was not.
        """
        publication = self._start(self._producer, messages)
        if not messages:
            publication.future.set_result(None)
        return publication

    async def is_answered(self, topic: str, max_wait: float) -> bool:
        """Return whether a broker describes this topic within `max_wait` seconds."""
        try:
            await asyncio.to_thread(self._producer.list_topics, topic, max_wait)
        except KafkaException:
            return False
        return True

    async def close(self, max_wait: float = 10.0) -> None:
        """Send what is queued; fail what is left after `max_wait` seconds."""
        self._closing = True
        await self._wait_for_reports(max_wait)
        if self._unreported:
            for producer in self._producers:
                producer.purge()
            await self._wait_for_reports(_PURGE_TIMEOUT)
        if self._timer is not None:
            self._timer.cancel()

    async def _wait_for_reports(self, max_wait: float) -> None:
        deadline = self._loop.time() + max_wait
        while self._unreported and self._loop.time() < deadline:  # noqa: ASYNC110 - reports come by timer
            await asyncio.sleep(_REPORT_INTERVAL)

    @property
    def _producers(self) -> list[Producer]:
        return [self._producer] if self._unbatched_producer is None else [self._producer, self._unbatched_producer]

    def _single_message_producer(self) -> Producer:
        if self._unbatched_producer is None:
            self._unbatched_producer = Producer(self._settings | {"batch.num.messages": 1})
        return self._unbatched_producer

    def _start(self, producer: Producer, messages: Sequence[Message]) -> _Publication:
        publication = _Publication(messages, self._wait_for_acknowledgement)
        self._enqueue(producer, publication)
        return publication

    async def _wait_for_acknowledgement(self, publication: _Publication) -> None:
        refused = await self._rejections_of(self._producer, publication)
        if refused:
            # Kafka refuses a whole batch: which of its messages is too large shows only when each is sent alone.
            alone = self._single_message_producer()
            refused = await self._rejections_of(alone, self._start(alone, [message for message, _ in refused]))
        if refused:
            raise _publish_error(*refused[0])

    async def _rejections_of(self, producer: Producer, publication: _Publication) -> Sequence[RefusedMessage]:
        while publication.unsent:
            await asyncio.sleep(_QUEUE_FULL_DELAY)  # librdkafka does not report free space
            self._enqueue(producer, publication)
        await publication.future
        if publication.failure:
            raise publication.failure
        return publication.rejected

    def _enqueue(self, producer: Producer, publication: _Publication) -> None:
        """Hand librdkafka as many of the messages as its queue can hold."""
        try:
            while publication.unsent:
                self._produce(producer, publication.unsent[0], publication)
                publication.unsent.popleft()
                self._unreported += 1
        except BufferError:
            pass
        except PublishError as failure:
            publication.abort(failure)
        finally:
            if self._unreported and self._timer is None:
                self._timer = self._loop.call_later(_REPORT_INTERVAL, self._fetch_reports)

    def _produce(self, producer: Producer, message: Message, publication: _Publication) -> None:
        if self._closing:
            raise PublishError(f"Nothing was sent to topic {message.topic}: the publisher is closed")

        def reported(error: KafkaError | None, _report: Report) -> None:
            self._unreported -= 1
            publication.on_delivery(message, error)

        try:
            producer.produce(
                message.topic, message.value, message.key, headers=list(message.headers), on_delivery=reported
            )
        except KafkaException as exception:
            raise _publish_error(message, exception.args[0]) from exception

    def _fetch_reports(self) -> None:
        try:
            for producer in self._producers:
                producer.poll(0)
        finally:
            self._timer = self._loop.call_later(_REPORT_INTERVAL, self._fetch_reports) if self._unreported else None


def _publish_error(message: Message, error: KafkaError) -> PublishError:
    kind = RecordTooLargeError if code_of(error) == TOO_LARGE else PublishError
    return kind(sentence_for(error, f"topic {message.topic}"))
