"""Read a share of the lifecycle topic and decide its events again, in this process or in another one."""

from __future__ import annotations

import multiprocessing
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.runtime.kafka.partition_reader import PartitionReader
from router.selection.load import load_any
from router.selection.redecide import BacktestDecider
from southbound.service.garbage_collector import reduce_gc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.kafka.offset_range import OffsetRange
    from router.selection.backtest import BacktestTally
    from router.selection.load import LoadedTable
    from schemas.codec.schema_registry import RegistryIds
    from schemas.run_document import AppliedSpecification

CONSUME_BATCH = 2_000  # records fetched from the client at once


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderTask:
    """The share of one reader. At most `max_named_runs` runs are named for each change of a route."""

    client: Mapping[str, object]
    ranges: tuple[OffsetRange, ...]
    max_named_runs: int
    registry: RegistryIds | None
    specifications: Mapping[str, AppliedSpecification] = field(default_factory=dict)


def prepare_reader_process() -> None:
    """Set up a process that only reads: collect garbage rarely, and end when the parent process ends."""
    reduce_gc()
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # no process is left that could receive the counts


def redecide_in_process(task: ReaderTask, texts: tuple[str, str]) -> BacktestTally:
    """Decide a share again in another process, with the YAML texts of the current table and of the draft."""
    current, draft = (load_any(text, "table.yaml", run_tests=False) for text in texts)
    return redecide_ranges(task, current, draft)


def redecide_ranges(task: ReaderTask, current: LoadedTable, draft: LoadedTable) -> BacktestTally:
    """Read the offset ranges of a share and decide every event in them with both tables.

    Raises:
        PartitionReadError: Kafka cannot be read up to their ends.
    """
    decider = BacktestDecider(
        current=current,
        draft=draft,
        max_runs=task.max_named_runs,
        registry=task.registry,
        specifications=task.specifications,
    )
    with PartitionReader(task.client) as reader:
        records = reader.records(task.ranges, limit=CONSUME_BATCH)
        # A consumed record has its headers as a list of pairs.
        decider.process((record.value(), record.headers()) for record in records)  # type: ignore[misc]
    return decider.tally
