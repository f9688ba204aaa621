"""Read the tables topic on a thread of its own, from the beginning."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from consumers.runtime.faults import internal_problem
from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from consumers.runtime.kafka.reader_thread import ReaderThread
from consumers.table_topic.port import TableTopicError, TableTopicRead

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from consumers.runtime.kafka.partition_reader import Batch
    from consumers.table_topic.port import Entry

RANGE_QUERY_TIMEOUT = 5.0  # seconds
RETRY_AFTER = 0.2  # seconds
FIRST = 0  # the offset; asking Kafka for its earliest one would take half a second more


def reader_settings(bootstrap: str, overrides: Mapping[str, object] | None = None) -> dict[str, object]:
    """Settings for librdkafka; `overrides` win (security …)."""
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "southbound-tables",
        "reconnect.backoff.max.ms": 5_000,
        "fetch.wait.max.ms": 100,  # so long the present end may go unnoticed
        "log_level": 2,
        **(overrides or {}),
        "auto.offset.reset": "earliest",  # where the first offset is gone, or the topic was made anew
        "isolation.level": "read_committed",  # half a plan is no plan
    }


class KafkaTableReader:
    """An iterator of `TableTopicRead`, while its `async with` block runs."""

    def __init__(self, settings: Mapping[str, object], topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._news: asyncio.Queue[TableTopicRead | TableTopicError] = asyncio.Queue()
        self._thread = ReaderThread("tables-reader", self._read, self._news.put_nowait)

    async def __aenter__(self) -> Self:
        """Begin to read."""
        self._reader = PartitionReader(self._settings, request_timeout=RANGE_QUERY_TIMEOUT)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and wait until the thread is gone."""
        await self._thread.stop()

    def __aiter__(self) -> Self:
        """Iterate over this."""
        return self

    async def __anext__(self) -> TableTopicRead:
        """Return the next records, or the next problem.

        Raises:
            TableTopicError: nothing is read any more.
        """
        news = await self._news.get()
        if isinstance(news, TableTopicError):
            raise news
        return news

    def _read(self, stopped: threading.Event) -> Iterator[TableTopicRead | TableTopicError]:
        try:
            with self._reader as reader:
                yield from self._wait_for_topic(reader, stopped)
                yield from self._follow(reader, stopped)
        except Exception as error:  # noqa: BLE001 - a thread that ends without reporting it leaves old tables in force
            problem = internal_problem("UNEXPECTED", f"The reader of topic {self._topic} broke", error)
            yield TableTopicError(f"{problem.sentence}\n{problem.detail}")

    def _wait_for_topic(self, reader: PartitionReader, stopped: threading.Event) -> Iterator[TableTopicRead]:
        """Report that the topic does not exist, because a consumer waits for it without reporting an error."""
        while not stopped.is_set():
            try:
                reader.partitions(self._topic)
            except PartitionReadError as error:
                yield TableTopicRead(problem=str(error))
                stopped.wait(RETRY_AFTER)
            else:
                return

    def _follow(self, reader: PartitionReader, stopped: threading.Event) -> Iterator[TableTopicRead]:
        news = TopicNews()
        # Of a topic that was made anew all records are needed.
        for batch in reader.batches([OffsetRange(self._topic, 0, FIRST)], follow=True, restart_from=FIRST):
            if stopped.is_set():
                return
            if found := news.found_in(batch):
                yield found
            if batch.problem and not batch.records:
                stopped.wait(RETRY_AFTER)


class TopicNews:
    """Finds what is new in each batch.

    What is read again after a notice is new at the end of the topic only: before, the topic shows an earlier state,
    with tables that were replaced long ago.
    """

    def __init__(self) -> None:
        self._read_again: dict[bytes | None, bytes | None] | None = None

    def found_in(self, batch: Batch) -> TableTopicRead | None:
        """Return what is passed on after this batch; None if it is nothing."""
        if batch.notice:
            self._read_again = {}
        entries: tuple[Entry, ...] = tuple((one.key(), one.value()) for one in batch.records)
        if self._read_again is not None:
            entries = self._held_back(self._read_again, entries, at_end=batch.at_end)
        problem = batch.problem or batch.notice
        found = TableTopicRead(entries=entries, at_end=batch.at_end, problem=problem)
        return found if entries or batch.at_end or problem else None

    def _held_back(
        self, held: dict[bytes | None, bytes | None], entries: tuple[Entry, ...], *, at_end: bool
    ) -> tuple[Entry, ...]:
        """Keep the last record of each key, in the order of the topic; return all at its end."""
        for key, value in entries:
            held.pop(key, None)
            held[key] = value
        if not at_end:
            return ()
        self._read_again = None
        return tuple(held.items())
