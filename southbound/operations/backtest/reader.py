"""Read a share of the lifecycle topic and decide on it again, in a process that may be one of several."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, TopicPartition

from producers.kafka_errors import sentence_for
from router.selection.load import load_any
from router.selection.redecide import BacktestDecider
from southbound.service.gc_tuning import reduce_gc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

    from router.selection.backtest import BacktestTally
    from router.selection.load import Loaded
    from schemas.codec.schema_registry import RegistryIds
    from southbound.operations.backtest.offset_ranges import OffsetRange

CONSUME_BATCH = 2_000  # records taken over from the client together
CONSUME_TIMEOUT = 0.5  # seconds; also how long Ctrl-C may wait
NO_RECORD_TIMEOUT = 30.0  # seconds without a record that should be there


class BacktestReadError(Exception):
    """Kafka stopped answering in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderTask:
    """What one reader has to do. `most`: so many runs are named for each change."""

    client: Mapping[str, object]
    topic: str
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
    now, draft = (load_any(text, "table.yaml", tested=False) for text in texts)
    return redecide_ranges(task, now, draft)


def redecide_ranges(task: ReaderTask, current: Loaded, draft: Loaded) -> BacktestTally:
    """Read the stretches of a share and decide on every event in them.

    Raises:
        StoppedReadingError: with a sentence for the operator.
    """
    redecider = BacktestDecider(now=current, draft=draft, most=task.max_named_runs, registry=task.registry)
    consumer = Consumer({**task.client, "auto.offset.reset": "earliest"})
    try:
        # A consumed record has its headers as a list of pairs.
        redecider.take((record.value(), record.headers()) for record in _records(consumer, task))  # type: ignore[misc]
    finally:
        consumer.close()
    return redecider.tally


def _records(consumer: Consumer, task: ReaderTask) -> Iterator[Message]:
    consumer.assign([TopicPartition(task.topic, part.partition, part.start) for part in task.ranges])
    ends = {part.partition: part.end for part in task.ranges}
    deadline = time.monotonic() + NO_RECORD_TIMEOUT
    while ends:
        batch = consumer.consume(CONSUME_BATCH, CONSUME_TIMEOUT)
        for message in batch:
            if message.error() is None and (message.offset() or 0) < ends.get(message.partition() or 0, 0) - 1:
                yield message  # in the middle of its stretch, as nearly all are
            else:
                yield from _records_in_range(consumer, message, ends, task.topic)
        if batch:
            deadline = time.monotonic() + NO_RECORD_TIMEOUT
        elif time.monotonic() > deadline:
            raise BacktestReadError(
                f"Kafka returned no record of {task.topic} for {NO_RECORD_TIMEOUT:.0f} seconds, and there are more: "
                "try again"
            )


def _records_in_range(consumer: Consumer, message: Message, ends: dict[int, int], topic: str) -> Iterator[Message]:
    """Return a record that belongs to the share, and notice what ends a partition of it."""
    number, offset = message.partition() or 0, message.offset() or 0
    end = ends.get(number)
    error = message.error()
    if error is not None:
        _raise_if_permanent(error, topic)
        over = error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's spelling
    else:
        over = end is not None and offset >= end - 1
        if end is not None and offset < end:
            yield message
    if over and ends.pop(number, None) is not None:
        consumer.pause([TopicPartition(topic, number)])


def _raise_if_permanent(error: KafkaError, topic: str) -> None:
    passing = error.retriable() or error.code() in (KafkaError._PARTITION_EOF, KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001 - librdkafka's spelling
    if not passing:
        raise BacktestReadError(sentence_for(error, f"topic {topic}"))
