"""A crash during an outage repeats what waits, not everything that was finished after it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition

from consumers.runtime.commits.finished_offsets import MAX_METADATA, read_metadata
from consumers.runtime.handler import Done, RetryLater
from consumers.runtime.monitoring import NullObserver
from schemas.problem import Problem
from tests.harness.waiting import wait_until
from tests.integration.runtime.test_worker import (
    KAFKA_TIMEOUT,
    RecordingHandler,
    WorkerGroup,
    committed,
    committed_positions,
    journal_entries,
    killable,
    produce,
    publisher,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consumers.runtime.handler import Attempt, Outcome, Record
    from producers.kafka_publisher import KafkaPublisher

__all__ = ["publisher"]
TOTAL = 2_000
FIRST_KEY = b"key-0"


def waiting(numbers: int) -> list[tuple[bytes, int]]:
    """Return the records of the key whose first record waits."""
    return [(FIRST_KEY, number) for number in range(0, numbers, 40)]


async def test_a_kill_during_an_outage_repeats_nothing_that_was_committed_as_finished(
    kafka_bootstrap: str,
    fresh_topics: Callable[..., str],
    publisher: KafkaPublisher,
    tmp_path: Path,
) -> None:
    topic, journal = fresh_topics("lifecycle", partitions=1), tmp_path / "journal"
    group, recorder = WorkerGroup(kafka_bootstrap, topic, publisher), RecordingHandler()
    produce(kafka_bootstrap, topic, TOTAL)
    others = TOTAL - len(waiting(TOTAL))
    with killable(kafka_bootstrap, topic, journal, stuck=FIRST_KEY):
        await wait_until(lambda: len({*journal_entries(journal)}) == others, KAFKA_TIMEOUT)
        await wait_until(lambda: _has_committed(kafka_bootstrap, group.name, topic, TOTAL), KAFKA_TIMEOUT)
    assert committed(kafka_bootstrap, group.name, topic) == [0]
    await group.run_until(recorder, lambda: len(recorder.seen) >= len(waiting(TOTAL)))
    assert recorder.seen == waiting(TOTAL)
    assert committed(kafka_bootstrap, group.name, topic) == [TOTAL]


def _has_committed(bootstrap: str, group: str, topic: str, end: int) -> bool:
    """Return whether the metadata of the commit covers everything up to the last record."""
    metadata, finished_end = _finished(bootstrap, group, topic)
    return "finished=1." in metadata and finished_end == end


def _finished(bootstrap: str, group: str, topic: str) -> tuple[str, int]:
    """Return the metadata of the commit, and the end of what it says was finished."""
    (position,) = committed_positions(bootstrap, group, topic)
    return position.metadata or "", read_metadata(position.metadata, position.offset).end


class Outage:
    """While it lasts, every other record waits."""

    def __init__(self) -> None:
        self.lasts = True
        self.finished: list[int] = []

    async def __call__(self, record: Record, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port's name
        """Finish a record of a system that works."""
        if self.lasts and record.offset % 2 == 0:
            return RetryLater(0.2, Problem(code="DOWN", sentence="The system is down."))
        self.finished.append(record.offset)
        return Done()


async def test_a_partition_is_read_no_further_than_its_commits_have_room_for(
    kafka_bootstrap: str,
    fresh_topics: Callable[..., str],
    publisher: KafkaPublisher,
) -> None:
    topic, total, outage = fresh_topics("lifecycle", partitions=1), 12_000, Outage()
    group = WorkerGroup(kafka_bootstrap, topic, publisher)
    produce(kafka_bootstrap, topic, total, keys=total)
    worker = group.worker(outage)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: worker.figures().paused == 1, KAFKA_TIMEOUT)
    (status,) = worker.status()
    assert (status.committable, status.paused) == (0, True)
    longest = 0

    def has_no_room() -> bool:
        # A partition may be paused for a moment because many lanes can start, too: then there is still room.
        nonlocal longest
        metadata, end = _finished(kafka_bootstrap, group.name, topic)
        longest = max(longest, len(metadata))
        return end == max(outage.finished) + 1 and len(metadata) >= MAX_METADATA * 0.75

    await wait_until(has_no_room, KAFKA_TIMEOUT)
    assert longest <= MAX_METADATA
    assert max(outage.finished) < total - 1
    outage.lasts = False
    await wait_until(lambda: len(outage.finished) == total, KAFKA_TIMEOUT)
    worker.stop()
    assert await running is True
    assert committed(kafka_bootstrap, group.name, topic) == [total]
    assert sorted(outage.finished) == [*range(total)]


@pytest.mark.parametrize("metadata", ["of-somebody-else", "southbound finished=9.AAAA", "southbound finished=1.AAAA"])
async def test_metadata_that_cannot_be_read_is_reported_and_skips_nothing(
    kafka_bootstrap: str,
    fresh_topics: Callable[..., str],
    publisher: KafkaPublisher,
    metadata: str,
) -> None:
    topic, recorder, observer = fresh_topics("lifecycle", partitions=1), RecordingHandler(), ProblemRecorder()
    group = WorkerGroup(kafka_bootstrap, topic, publisher)
    produce(kafka_bootstrap, topic, 10)
    _commit(kafka_bootstrap, group.name, TopicPartition(topic, 0, 3, metadata))
    await group.run_until(recorder, lambda: len(recorder.seen) == 7, observer)
    assert [number for _, number in recorder.seen] == [*range(3, 10)]
    (sentence,) = [problem.sentence for problem in observer.problems if problem.code == "COMMIT_METADATA_IGNORED"]
    assert sentence.startswith(f"The metadata of offset 3, which group {group.name} has committed for partition 0 of")


async def test_an_offset_that_another_program_committed_is_reported_and_one_of_ours_is_not(
    kafka_bootstrap: str,
    fresh_topics: Callable[..., str],
    publisher: KafkaPublisher,
) -> None:
    topic, recorder, observer = fresh_topics("lifecycle", partitions=1), RecordingHandler(), ProblemRecorder()
    group = WorkerGroup(kafka_bootstrap, topic, publisher)
    produce(kafka_bootstrap, topic, 10)
    _commit(kafka_bootstrap, group.name, TopicPartition(topic, 0, 3))
    await group.run_until(recorder, lambda: len(recorder.seen) == 7, observer)
    (sentence,) = [problem.sentence for problem in observer.problems if problem.code == "COMMIT_OF_ANOTHER_PROGRAM"]
    assert sentence.startswith(f"Offset 3, which group {group.name} has committed for partition 0 of topic {topic}, ")
    again = ProblemRecorder()
    produce(kafka_bootstrap, topic, 1)
    await group.run_until(recorder, lambda: len(recorder.seen) == 8, again)
    assert [problem for problem in again.problems if problem.code.startswith("COMMIT_")] == []


class ProblemRecorder(NullObserver):
    """Keeps the problems that a worker reports."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem_reported(self, problem: Problem) -> None:
        """Keep it."""
        self.problems.append(problem)


def _commit(bootstrap: str, group: str, position: TopicPartition) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        consumer.commit(offsets=[position], asynchronous=False)
    finally:
        consumer.close()
