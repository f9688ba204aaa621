"""Read the tables topic from the beginning on its own thread: no group, no commits."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.runtime.faults import fault
from consumers.table_topic.port import TableTopicError, TableTopicRead
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

POLL = 0.2  # seconds; also how long an end may wait
AT_ONCE = 500  # records
ANSWER_WITHIN = 5.0  # seconds
FIRST = 0  # the offset; asking Kafka for its earliest one would take half a second more
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}  # noqa: SLF001 - librdkafka's


def reader_settings(bootstrap: str, overrides: Mapping[str, object] | None = None) -> dict[str, object]:
    """Settings for librdkafka; `overrides` win (security …)."""
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "southbound-tables",
        "reconnect.backoff.max.ms": 5_000,
        "fetch.wait.max.ms": 100,  # so long the present end may go unnoticed
        "log_level": 2,
        **(overrides or {}),
        "group.id": f"southbound-tables-{uuid4()}",  # librdkafka wants one; nothing is committed to it
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",  # where the first offset is gone, or the topic was made anew
        "isolation.level": "read_committed",  # half a plan is no plan
    }


class KafkaTableReader:
    """An iterator of `TableTopicRead`, while its `async with` block runs."""

    def __init__(self, settings: Mapping[str, object], topic: str) -> None:
        self._settings = dict(settings)
        self._topic = topic
        self._news: asyncio.Queue[TableTopicRead | TableTopicError] = asyncio.Queue()
        self._ended = threading.Event()

    async def __aenter__(self) -> Self:
        """Begin to read."""
        self._loop = asyncio.get_running_loop()
        reading = (Consumer(self._settings),)
        self._thread = threading.Thread(target=self._read, args=reading, name="tables-reader", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and wait until the thread is gone."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def __aiter__(self) -> Self:
        """Iterate over this."""
        return self

    async def __anext__(self) -> TableTopicRead:
        """Wait for news.

        Raises:
            TableTopicError: nothing is read any more.
        """
        news = await self._news.get()
        if isinstance(news, TableTopicError):
            raise news
        return news

    def _read(self, consumer: Consumer) -> None:
        try:
            self._wait_for_topic(consumer)
            consumer.assign([TopicPartition(self._topic, 0, FIRST)])
            while not self._ended.is_set():
                self._tell(self._next(consumer))
        except Exception as error:  # noqa: BLE001 - a thread that ends without a word leaves old tables in force
            problem = fault("UNEXPECTED", f"The reader of topic {self._topic} broke", error)
            self._tell(TableTopicError(f"{problem.sentence}\n{problem.detail}"))
        finally:
            consumer.close()

    def _wait_for_topic(self, consumer: Consumer) -> None:
        """Report that the topic does not exist, because a consumer waits for it silently."""
        while not self._ended.is_set() and (problem := self._missing(consumer)):
            self._tell(problem)
            self._ended.wait(POLL)

    def _missing(self, consumer: Consumer) -> TableTopicRead | None:
        try:
            error = consumer.list_topics(self._topic, timeout=ANSWER_WITHIN).topics[self._topic].error
        except KafkaException as exception:
            error = exception.args[0]
        return self._trouble(error) if error else None

    def _next(self, consumer: Consumer) -> TableTopicRead | None:
        try:
            return _news_of(consumer.consume(AT_ONCE, POLL), self._topic)
        except KafkaException as exception:
            self._ended.wait(POLL)
            return self._trouble(exception.args[0])

    def _trouble(self, error: KafkaError) -> TableTopicRead:
        return TableTopicRead(problem=sentence_for(error, f"topic {self._topic}"))

    def _tell(self, news: TableTopicRead | TableTopicError | None) -> None:
        if news is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.put_nowait, news)


def _news_of(messages: Sequence[Message], topic: str) -> TableTopicRead | None:
    # A broker that is away comes back; the consumers of its records report it.
    errors = [error for one in messages if (error := one.error()) and error.code() not in _PASSING]
    ends = [error for error in errors if error.code() == KafkaError._PARTITION_EOF]  # noqa: SLF001 - librdkafka's
    entries = tuple((one.key(), one.value()) for one in messages if one.error() is None)
    problems = [sentence_for(error, f"topic {topic}") for error in errors if error not in ends]
    if not (entries or errors):
        return None
    at_end = bool(ends) and messages[-1].error() is not None
    return TableTopicRead(entries=entries, at_end=at_end, problem=problems[-1] if problems else "")
