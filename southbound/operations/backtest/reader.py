"""Read a share of the lifecycle topic and decide on it again, in a process that may be one of several."""

from __future__ import annotations

import multiprocessing
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.kafka.partition_reader import PartitionReader
from router.selection.load import load_any
from router.selection.redecide import BacktestDecider
from southbound.service.gc_tuning import reduce_gc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.kafka.offset_range import OffsetRange
    from router.selection.backtest import BacktestTally
    from router.selection.load import LoadedTable
    from schemas.codec.schema_registry import RegistryIds

CONSUME_BATCH = 2_000  # records taken over from the client together


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderTask:
    """What one reader has to do. `most`: so many runs are named for each change."""

    client: Mapping[str, object]
    ranges: tuple[OffsetRange, ...]
    max_named_runs: int
    registry: RegistryIds | None


def prepare_reader_process() -> None:
    """Make a process one that only reads: it looks for garbage rarely, and ends when the one that started it does."""
    reduce_gc()
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # its counts would reach no process


def redecide_in_process(task: ReaderTask, texts: tuple[str, str]) -> BacktestTally:
    """Do what `decide_again` does in another process, with the same two tables as they are written."""
    now, draft = (load_any(text, "table.yaml", run_tests=False) for text in texts)
    return redecide_ranges(task, now, draft)


def redecide_ranges(task: ReaderTask, current: LoadedTable, draft: LoadedTable) -> BacktestTally:
    """Read the offset ranges of a share and decide on every event in them.

    Raises:
        PartitionReadError: Kafka cannot be read to their ends.
    """
    redecider = BacktestDecider(baseline=current, draft=draft, max_runs=task.max_named_runs, registry=task.registry)
    with PartitionReader(task.client) as reader:
        records = reader.records(task.ranges, limit=CONSUME_BATCH)
        # A consumed record has its headers as a list of pairs.
        redecider.process((record.value(), record.headers()) for record in records)  # type: ignore[misc]
    return redecider.tally
