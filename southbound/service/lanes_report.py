"""What every worker of a process does, as `/debug/lanes` serves it and `southbound why` reads it. Times are seconds."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from consumers.runtime.monitoring import key_text, where_and_why

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.monitoring import PartitionStatus, UnfinishedRecord
    from consumers.runtime.worker import Worker


class _Report(BaseModel):
    """Fields of other versions are ignored, because the command may be newer or older than the process."""

    model_config = ConfigDict(frozen=True)


class RecordReport(_Report):
    """The first unfinished record of a key."""

    topic: str
    partition: int
    offset: int
    key: str | None
    state: str
    attempts: int
    first_tried: float | None  # ago
    retry_in: float | None
    behind: int  # records of the same key that wait for it
    code: str | None  # of the problem of the last attempt
    problem: str | None
    sentence: str  # all of this in one sentence


class PartitionReport(_Report):
    """A partition that the process holds. `finished` are ranges (first, end) above the frontier."""

    topic: str
    partition: int
    frontier: int | None
    committed: int | None
    finished: tuple[tuple[int, int], ...]
    next_offset: int | None
    buffered: int
    running: int
    paused: bool
    crowded: bool
    oldest: RecordReport | None


class WorkerReport(_Report):
    """One worker. `lanes` are those of the key that was asked for."""

    role: str
    group: str
    max_in_flight: int
    running: int
    startable: int
    parked: int
    held: int
    stuck: int
    unready: str | None
    shut: str | None = None  # why no records are started
    warnings: dict[str, str]
    partitions: tuple[PartitionReport, ...]
    lanes: tuple[RecordReport, ...]


class LanesReport(_Report):
    """All workers of a process."""

    host: str
    pid: int
    workers: tuple[WorkerReport, ...]


def lanes_report(workers: Mapping[str, Worker], key: str | None = None) -> LanesReport:
    """Describe every worker, each of its partitions with the oldest unfinished record, and the lanes of `key`."""
    return LanesReport(
        host=socket.gethostname(),
        pid=os.getpid(),
        workers=tuple([_worker_report(worker, key) for worker in workers.values()]),
    )


def _worker_report(worker: Worker, key: str | None) -> WorkerReport:
    figures, config = worker.figures(), worker.config
    lanes = worker.lanes_of(key.encode()) if key is not None else ()
    return WorkerReport(
        role=config.role,
        group=config.group,
        max_in_flight=config.max_in_flight,
        running=figures.running,
        startable=figures.startable,
        parked=figures.parked,
        held=figures.held,
        stuck=figures.stuck,
        unready=worker.unready_reason(),
        shut=worker.shut_reason(),
        warnings=worker.warnings(),
        partitions=tuple([_partition_report(status) for status in worker.status()]),
        lanes=tuple(map(_record_report, lanes)),
    )


def _partition_report(status: PartitionStatus) -> PartitionReport:
    return PartitionReport(
        topic=status.partition.topic,
        partition=status.partition.number,
        frontier=status.committable,
        committed=status.committed,
        finished=status.finished.ranges,
        next_offset=status.next_offset,
        buffered=status.buffered,
        running=status.running,
        paused=status.paused,
        crowded=status.crowded,
        oldest=_record_report(status.oldest) if status.oldest else None,
    )


def _record_report(record: UnfinishedRecord) -> RecordReport:
    return RecordReport(
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        key=key_text(record.key) if record.key is not None else None,
        state=record.state,
        attempts=record.attempts,
        first_tried=record.first_tried,
        retry_in=record.retry_in,
        behind=record.behind,
        code=record.problem.code if record.problem else None,
        problem=record.problem.sentence if record.problem else None,
        sentence=where_and_why(record),
    )
