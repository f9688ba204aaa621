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

_WAIT = 0.1  # seconds that the reporting thread waits for delivery reports
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

    __slots__ = ("failure", "future", "missing")

    def __init__(self, future: asyncio.Future[None], missing: int) -> None:
        self.future = future
        self.missing = missing
        self.failure: PublishError | None = None

    def settle(self) -> None:
        """Tell the waiting coroutine, unless it has gone."""
        if self.future.done():
            return
        if self.failure:
            self.future.set_exception(self.failure)
        else:
            self.future.set_result(None)


class KafkaPublisher:
    """A `Publisher` over one idempotent producer. Create it inside the event loop that publishes."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._producer = Producer(dict(settings))
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
        publication = _Publication(self._loop.create_future(), len(messages))
        for message in messages:
            while not self._accepts(message, publication):  # noqa: ASYNC110 - librdkafka cannot tell of room
                await asyncio.sleep(_ROOM)
        await publication.future

    async def close(self, budget: float = 10.0) -> None:
        """Send what is on its way; after `budget` seconds tell the rest that it failed."""
        self._flush_budget = budget
        self._closing.set()
        await asyncio.to_thread(self._thread.join)

    def _accepts(self, message: Message, publication: _Publication) -> bool:
        """Hand one message to librdkafka; False while its queue is full."""
        if self._closing.is_set():
            raise PublishError(f"Nothing was sent to topic {message.topic}: the publisher is closed")

        def reported(error: KafkaError | None, _report: Report) -> None:
            if error is not None and publication.failure is None:
                publication.failure = _failure(error, message)
            publication.missing -= 1
            if not publication.missing:
                self._settled.append(publication)

        try:
            self._producer.produce(
                message.topic, message.value, message.key, headers=list(message.headers), on_delivery=reported
            )
        except BufferError:
            return False
        except KafkaException as exception:
            raise _failure(exception.args[0], message) from exception
        return True

    def _report(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_WAIT)
            self._tell()
        if self._producer.flush(self._flush_budget):
            self._producer.purge()
            self._producer.flush(1.0)
        self._tell()

    def _tell(self) -> None:
        if self._settled:
            settled, self._settled = self._settled, []
            try:
                self._loop.call_soon_threadsafe(_settle_all, settled)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._closing.set()


def _failure(error: KafkaError, message: Message) -> PublishError:
    kind = TooLargeError if code_of(error) == "MESSAGE_TOO_LARGE" else PublishError
    return kind(sentence_for(error, f"topic {message.topic}"))


def _settle_all(publications: list[_Publication]) -> None:
    for publication in publications:
        publication.settle()
