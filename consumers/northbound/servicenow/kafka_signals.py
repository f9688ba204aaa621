"""Read what is published about runs, and wake the requests of this process that wait for them.

Every process reads all partitions, from their ends and without a group. Only records of runs that are waited for are
decoded: the key of a record is the id of its root run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from consumers.runtime.kafka.reader_thread import ReaderThread
from schemas.codec.errors import UndecodableError
from schemas.results import RunUpdate

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from consumers.northbound.servicenow.run_signals import RunSignals
    from schemas.codec.cloudevents import KafkaHeaders
    from schemas.codec.envelope import Envelope
    from schemas.results import Reason


REQUEST_TIMEOUT = 5.0  # seconds
RETRY_AFTER = 1.0  # seconds
_BATCH_SIZE = 500  # records


@dataclass(frozen=True, slots=True)
class _WatchedRecord:
    """A record about a run that is waited for."""

    root_run_id: str
    value: bytes | None
    headers: KafkaHeaders


class KafkaSignals:
    """Follows topics while its `async with` block runs; `warn` is called with why they cannot be read."""

    def __init__(
        self,
        settings: Mapping[str, object],
        topics: Sequence[str],
        *,
        envelope: Envelope,
        signals: RunSignals,
        warn: Callable[[str], object],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._envelope = envelope
        self._signals = signals
        self._warn = warn
        self._last_problem = ""
        self.is_following = asyncio.Event()
        self._thread = ReaderThread("run-signals", self._read, self._take)

    async def __aenter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and wait until the thread is gone."""
        await self._thread.stop()

    def _take(self, news: _WatchedRecord | str | None) -> None:
        if news is None:
            self._last_problem = ""
            self.is_following.set()
        elif isinstance(news, str):
            if news != self._last_problem:
                self._warn(news)
            self._last_problem = news
        else:
            self._signals.notify(news.root_run_id, self._refusals(news))

    def _refusals(self, published: _WatchedRecord) -> Mapping[str, Sequence[Reason]]:
        """Return the reasons of a run that was refused before the run store had it: its revision is 0."""
        try:
            event = self._envelope.decode(published.value, published.headers, fallback_id="")
        except UndecodableError:
            return {}
        data = event.data
        is_refusal = isinstance(data, RunUpdate) and data.revision == 0 and bool(data.reasons)
        return {data.run_id: data.reasons} if is_refusal and isinstance(data, RunUpdate) else {}

    def _read(self, stopped: threading.Event) -> Iterator[_WatchedRecord | str | None]:
        while not stopped.is_set():
            try:
                with PartitionReader(self._settings, request_timeout=REQUEST_TIMEOUT) as reader:
                    yield from self._follow(reader, stopped)
            except PartitionReadError as error:
                yield str(error)
            stopped.wait(RETRY_AFTER)

    def _follow(self, reader: PartitionReader, stopped: threading.Event) -> Iterator[_WatchedRecord | str | None]:
        ends = [
            OffsetRange(each.topic, each.partition, each.end)
            for topic in self._topics
            for each in reader.present_ranges(topic)
        ]
        yield None
        for batch in reader.batches(ends, follow=True, limit=_BATCH_SIZE):
            if stopped.is_set():
                return
            for record in batch.records:
                key = (record.key() or b"").decode(errors="replace")
                if key in self._signals.watched:
                    headers: KafkaHeaders = tuple(record.headers() or ())  # type: ignore[arg-type] # consumed: bytes
                    yield _WatchedRecord(key, record.value(), headers)
            if batch.problem:
                yield batch.problem
