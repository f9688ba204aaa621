"""Decide the events of the lifecycle topic again, with a draft and with what decides now, on all cores."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import Consumer

from router.selection.backtest import BacktestTally
from router.selection.load import document_of, table_of
from router.tables.formats.yaml_writer import write_table
from schemas.codec.schema_registry import RegistryError, resolve_ids
from schemas.topics import TopicNames
from southbound.cli.exit_codes import CommandFailedError, ExitCode, not_reachable, wrong
from southbound.operations.backtest.offset_ranges import shared, stretches_since
from southbound.operations.backtest.reader import (
    ReaderTask,
    StoppedReadingError,
    decide_again,
    decide_elsewhere,
    prepare_process,
)
from southbound.operations.kafka import reach
from southbound.service.gc_tuning import rarely_collected
from southbound.service.kafka_settings import bystander_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from router.selection.load import Loaded
    from schemas.codec.schema_registry import RegistryIds
    from southbound.settings.settings import Settings

# Records; with fewer, starting a process takes longer than it saves. It reads both tables anew, and in the time of
# one row it could decide so many events (make bench-backtest).
WORTH_A_PROCESS, WORTH_A_ROW = 20_000, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What came out: the counts, since when, and how long it took."""

    topic: str
    since: datetime
    tally: BacktestTally
    seconds: float

    @property
    def pace(self) -> float:
        """Events per second, from the first question to Kafka to the last count."""
        return self.tally.events / self.seconds


def backtest(
    settings: Settings, *, now: Loaded, draft: Loaded, back: timedelta, most: int, readers: int | None = None
) -> Backtest:
    """Decide everything again that lies at most so far back. `most`: so many runs are named for each change.

    Raises:
        Failure: Kafka or the schema registry cannot be asked.
    """
    topic = TopicNames(settings.kafka.prefix).lifecycle
    asyncio.run(reach(settings, [topic]))
    began, since = time.monotonic(), datetime.now(UTC) - back
    rows = sum(len(table_of(table).rows) for table in (now, draft))
    shares = _shares(settings, topic, since, most, lambda records: readers or readers_for(records, rows))
    tally = BacktestTally(most=most)
    for counted in _counted(shares, now, draft):
        tally.add(counted)
    return Backtest(topic=topic, since=since, tally=tally, seconds=time.monotonic() - began)


def _shares(
    settings: Settings, topic: str, since: datetime, most: int, readers: Callable[[int], int]
) -> list[ReaderTask]:
    client = bystander_settings(settings.kafka, "backtest")
    consumer = Consumer(client)
    try:
        stretches = stretches_since(consumer, topic, since)
    finally:
        consumer.close()
    registry = _registry(settings)
    wanted = readers(sum(stretch.length for stretch in stretches))
    return [
        ReaderTask(client=client, topic=topic, stretches=tuple(part), most=most, registry=registry)
        for part in shared(stretches, wanted)
    ]


def readers_for(records: int, rows: int) -> int:
    """Return how many processes are worth their start, for so many records and rows of both tables."""
    return max(1, min(os.cpu_count() or 1, records // (WORTH_A_PROCESS + rows * WORTH_A_ROW)))


def _registry(settings: Settings) -> RegistryIds | None:
    url = settings.kafka.registry
    try:
        return resolve_ids(url.get_secret_value()) if url else None
    except RegistryError as error:
        raise wrong([str(error)]) from None


def _counted(shares: list[ReaderTask], now: Loaded, draft: Loaded) -> Iterable[BacktestTally]:
    try:
        if shares:
            yield from _side_by_side(shares, now, draft)
    except StoppedReadingError as error:
        raise not_reachable(str(error)) from None
    except BrokenProcessPool:
        ended = "A reader process was ended from outside, perhaps for want of memory: try a shorter --since"
        raise CommandFailedError(ExitCode.UNEXPECTED, ended) from None


def _side_by_side(shares: list[ReaderTask], now: Loaded, draft: Loaded) -> Iterable[BacktestTally]:
    """Read the first share here, where both tables are loaded already, and the others in a process each."""
    first, *others = shares
    with reading_processes(len(others)) as readers:
        # What a loaded table is full of, functions, cannot travel, but its text can.
        texts = (write_table(document_of(now)), write_table(document_of(draft))) if others else ("", "")
        elsewhere = readers.map(partial(decide_elsewhere, texts=texts), others)
        with rarely_collected():
            counted = decide_again(first, now, draft)
        yield counted
        yield from elsewhere


def reading_processes(count: int) -> ProcessPoolExecutor:
    """Make processes that only read, and that end when this one does."""
    # Not forked: this process has threads of librdkafka, which a fork would not take along.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max(1, count), mp_context=context, initializer=prepare_process)
