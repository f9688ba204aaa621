"""Publish on Kafka, and report when the broker has acknowledged everything."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer

from producers.kafka_errors import code_of, sentence_for
from producers.publisher import PublishError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence

    from confluent_kafka import KafkaError
    from confluent_kafka import Message as Report

    from producers.publisher import Message

    Refusal = tuple[Message, KafkaError]

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

    __slots__ = ("_acknowledged", "failure", "future", "left", "missing", "refused")

    def __init__(
        self, messages: Sequence[Message], acknowledged: Callable[[_Publication], Coroutine[None, None, None]]
    ) -> None:
        self.left = deque(messages)  # not handed to librdkafka yet
        self.missing = len(messages)
        self.failure: PublishError | None = None
        self.refused: list[Refusal] = []
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acknowledged = acknowledged

    def __await__(self) -> Generator[None, None, None]:
        return self._acknowledged(self).__await__()

    def report(self, message: Message, error: KafkaError | None) -> None:
        """Note the delivery report of one message; the last one wakes the caller."""
        if error is not None and code_of(error) == TOO_LARGE:
            self.refused.append((message, error))
        elif error is not None:
            self.failure = self.failure or _failure(message, error)
        self._subtract(1)

    def give_up(self, failure: PublishError) -> None:
        """Send nothing more of it."""
        self.failure = self.failure or failure
        given_up = len(self.left)
        self.left.clear()
        self._subtract(given_up)

    def _subtract(self, messages: int) -> None:
        self.missing -= messages
        if not self.missing and not self.future.done():  # the caller may have been cancelled
            self.future.set_result(None)


class KafkaPublisher:
    """A `Publisher` over one idempotent producer. Create it inside the event loop that publishes.

    Delivery reports are fetched by the loop itself, every 2 ms while one is missing: a thread of its own would take the
    interpreter lock from the loop for every report.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = dict(settings)
        self._producer = Producer(self._settings)
        self._one_by_one: Producer | None = None
        self._loop = asyncio.get_running_loop()
        self._missing = 0  # delivery reports, of all publications
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

    async def close(self, budget: float = 10.0) -> None:
        """Send what is queued; after `budget` seconds fail the rest."""
        self._closing = True
        await self._until_reported(budget)
        if self._missing:
            for producer in self._producers:
                producer.purge()
            await self._until_reported(_PURGE_TIMEOUT)
        if self._timer is not None:
            self._timer.cancel()

    async def _until_reported(self, budget: float) -> None:
        deadline = self._loop.time() + budget
        while self._missing and self._loop.time() < deadline:  # noqa: ASYNC110 - reports come by timer
            await asyncio.sleep(_REPORT_INTERVAL)

    @property
    def _producers(self) -> list[Producer]:
        return [self._producer] if self._one_by_one is None else [self._producer, self._one_by_one]

    def _single_message_producer(self) -> Producer:
        if self._one_by_one is None:
            self._one_by_one = Producer(self._settings | {"batch.num.messages": 1})
        return self._one_by_one

    def _start(self, producer: Producer, messages: Sequence[Message]) -> _Publication:
        publication = _Publication(messages, self._acknowledged)
        self._hand_over(producer, publication)
        return publication

    async def _acknowledged(self, publication: _Publication) -> None:
        refused = await self._reported(self._producer, publication)
        if refused:
            # Kafka refuses a whole batch: which of its messages is too large shows only when each is sent alone.
            alone = self._single_message_producer()
            refused = await self._reported(alone, self._start(alone, [message for message, _ in refused]))
        if refused:
            raise _failure(*refused[0])

    async def _reported(self, producer: Producer, publication: _Publication) -> Sequence[Refusal]:
        while publication.left:
            await asyncio.sleep(_QUEUE_FULL_DELAY)  # librdkafka does not report free space
            self._hand_over(producer, publication)
        await publication.future
        if publication.failure:
            raise publication.failure
        return publication.refused

    def _hand_over(self, producer: Producer, publication: _Publication) -> None:
        """Hand librdkafka as many of the messages as its queue can hold."""
        try:
            while publication.left:
                self._produce(producer, publication.left[0], publication)
                publication.left.popleft()
                self._missing += 1
        except BufferError:
            pass
        except PublishError as failure:
            publication.give_up(failure)
        finally:
            if self._missing and self._timer is None:
                self._timer = self._loop.call_later(_REPORT_INTERVAL, self._fetch_reports)

    def _produce(self, producer: Producer, message: Message, publication: _Publication) -> None:
        if self._closing:
            raise PublishError(f"Nothing was sent to topic {message.topic}: the publisher is closed")

        def reported(error: KafkaError | None, _report: Report) -> None:
            self._missing -= 1
            publication.report(message, error)

        try:
            producer.produce(
                message.topic, message.value, message.key, headers=list(message.headers), on_delivery=reported
            )
        except KafkaException as exception:
            raise _failure(message, exception.args[0]) from exception

    def _fetch_reports(self) -> None:
        try:
            for producer in self._producers:
                producer.poll(0)
        finally:
            self._timer = self._loop.call_later(_REPORT_INTERVAL, self._fetch_reports) if self._missing else None


def _failure(message: Message, error: KafkaError) -> PublishError:
    kind = TooLargeError if code_of(error) == TOO_LARGE else PublishError
    return kind(sentence_for(error, f"topic {message.topic}"))
