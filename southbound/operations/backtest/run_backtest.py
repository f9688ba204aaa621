"""Decide the events of the lifecycle topic again with two tables, on all cores."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from router.selection.backtest import BacktestTally
from router.selection.load import document_of, table_of
from router.selection.redecide import reads_specification
from router.tables.formats.yaml_writer import write_yaml
from schemas.codec.schema_registry import RegistryError, resolve_ids
from schemas.topics import TopicNames
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.backtest.reader import (
    ReaderTask,
    prepare_reader_process,
    redecide_in_process,
    redecide_ranges,
)
from southbound.operations.backtest.split_ranges import split_ranges
from southbound.operations.kafka import wait_until_reachable
from southbound.operations.specifications.topic import read_specifications
from southbound.service.garbage_collector import reduced_gc
from southbound.service.kafka_settings import standalone_consumer_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from router.selection.load import LoadedTable
    from schemas.codec.schema_registry import RegistryIds
    from southbound.settings.settings import Settings

# Records. With fewer of them, starting a process takes longer than it saves. It loads both tables again, and loading
# one row takes as long as deciding this many events (make bench-backtest).
MIN_RECORDS_PER_PROCESS, RECORDS_PER_TABLE_ROW = 20_000, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """The result of a backtest: the counts, the start of the period, and the duration."""

    topic: str
    since: datetime
    tally: BacktestTally
    seconds: float

    @property
    def events_per_second(self) -> float:
        """Events per second, from the first request to Kafka to the last count."""
        return self.tally.events / self.seconds


def run_backtest(
    settings: Settings,
    *,
    current: LoadedTable,
    draft: LoadedTable,
    lookback: timedelta,
    max_named_runs: int,
    readers: int | None = None,
) -> BacktestResult:
    """Decide the events of the last `lookback` again. At most `max_named_runs` runs are named for each change.

    Raises:
        CommandFailedError: Kafka or the schema registry cannot be read.
    """
    topic = TopicNames(settings.kafka.prefix).lifecycle
    asyncio.run(wait_until_reachable(settings, [topic]))
    started, since = time.monotonic(), datetime.now(UTC) - lookback
    rows = sum(len(table_of(table).rows) for table in (current, draft))
    tasks = _reader_tasks(
        settings, topic, since, max_named_runs, lambda records: readers or reader_count(records, rows)
    )
    if settings.routing.specifications == "topic" and reads_specification(current, draft):
        known = read_specifications(settings).readable
        specifications = {spec_id: one.applied for spec_id, one in known.items()}
        tasks = [replace(task, specifications=specifications) for task in tasks]
    tally = BacktestTally(max_runs=max_named_runs)
    for part in _tallies(tasks, current, draft):
        tally.add(part)
    return BacktestResult(topic=topic, since=since, tally=tally, seconds=time.monotonic() - started)


def _reader_tasks(
    settings: Settings, topic: str, since: datetime, max_named_runs: int, readers: Callable[[int], int]
) -> list[ReaderTask]:
    client = standalone_consumer_settings(settings.kafka)
    try:
        with PartitionReader(client) as reader:
            ranges = reader.ranges_since(topic, since)
    except PartitionReadError as error:
        raise unreachable(str(error)) from None
    registry = _registry(settings)
    count = readers(sum(offset_range.length for offset_range in ranges))
    return [
        ReaderTask(client=client, ranges=tuple(share), max_named_runs=max_named_runs, registry=registry)
        for share in split_ranges(ranges, count)
    ]


def reader_count(records: int, rows: int) -> int:
    """Return how many reader processes save time, for this number of records and of rows of both tables."""
    return max(1, min(os.cpu_count() or 1, records // (MIN_RECORDS_PER_PROCESS + rows * RECORDS_PER_TABLE_ROW)))


def _registry(settings: Settings) -> RegistryIds | None:
    url = settings.kafka.registry
    try:
        return resolve_ids(url.get_secret_value()) if url else None
    except RegistryError as error:
        raise invalid_input([str(error)]) from None


def _tallies(tasks: list[ReaderTask], current: LoadedTable, draft: LoadedTable) -> Iterable[BacktestTally]:
    try:
        if tasks:
            yield from _run_readers(tasks, current, draft)
    except PartitionReadError as error:
        raise unreachable(str(error)) from None
    except BrokenProcessPool:
        sentence = "A reader process was killed, perhaps because memory ran out: try a shorter --since"
        raise CommandFailedError(ExitCode.UNEXPECTED, sentence) from None


def _run_readers(tasks: list[ReaderTask], current: LoadedTable, draft: LoadedTable) -> Iterable[BacktestTally]:
    """Read the first share in this process, where both tables are loaded, and each other share in its own process."""
    first, *others = tasks
    with reader_pool(len(others)) as readers:
        # A loaded table contains functions, which cannot be pickled, so its text is sent.
        texts = (write_yaml(document_of(current)), write_yaml(document_of(draft))) if others else ("", "")
        other_tallies = readers.map(partial(redecide_in_process, texts=texts), others)
        with reduced_gc():
            first_tally = redecide_ranges(first, current, draft)
        yield first_tally
        yield from other_tallies


def reader_pool(count: int) -> ProcessPoolExecutor:
    """Return a pool of processes that only read, and that end with this process."""
    # Not forked: this process has threads of librdkafka, which a fork would not copy.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max(1, count), mp_context=context, initializer=prepare_reader_process)
