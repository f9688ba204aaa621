"""A static member that restarts within its session keeps its partitions, and no other member notices."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.handler import Done
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.kafka.group_members import read_members
from consumers.runtime.worker import Worker, WorkerFailedError
from tests.harness.waiting import wait_until
from tests.integration.runtime.test_worker import KAFKA_TIMEOUT, ROOT, journal_entries, produce, publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consumers.runtime.handler import Attempt, Outcome, Record
    from producers.kafka_publisher import KafkaPublisher

__all__ = ["publisher"]  # a fixture

PROGRAM = Path(__file__).with_name("killable_worker.py")
SESSION = 75.0  # seconds: without static membership, nothing of a killed member is processed for so long
WITHIN = 60.0  # seconds for the restart of a process on a busy machine
PARTITIONS = 4


async def finish(record: Record, attempt: Attempt) -> Outcome:
    return Done()


def a_worker(bootstrap: str, topic: str, publisher: KafkaPublisher, instance: str) -> Worker:
    config = WorkerConfig(
        role="test", group=f"group-of-{topic}", dead_letter_topic="none", session_timeout=SESSION, commit_every=0.2
    )
    settings = consumer_settings(bootstrap, config, {"group.instance.id": instance, "heartbeat.interval.ms": 200})
    client = KafkaGroupConsumer(settings, [topic], session_timeout=SESSION, revoke_timeout=10.0)
    return Worker(consumer=client, handler=finish, publisher=publisher, config=config)


def epochs(worker: Worker) -> dict[int, int]:
    """Return the ownership of each partition: a rebalance that moves one of them gives it another epoch."""
    return {status.partition.number: status.partition.epoch for status in worker.status()}


def holders(bootstrap: str, topic: str) -> dict[str | None, frozenset[tuple[str, int]]]:
    group = f"group-of-{topic}"
    members = read_members({"bootstrap.servers": bootstrap}, [group])[group].members
    return {member.instance: member.partitions for member in members}


@contextmanager
def a_process(bootstrap: str, topic: str, journal: Path, instance: str) -> Iterator[subprocess.Popen[bytes]]:
    words = [bootstrap, topic, f"group-of-{topic}", str(journal), str(SESSION), "no key", instance]
    process = subprocess.Popen([sys.executable, str(PROGRAM), *words], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_static_member_that_is_killed_and_restarted_keeps_its_partitions_without_a_rebalance(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher, tmp_path: Path
) -> None:
    topic, journal = fresh_topics("lifecycle", partitions=PARTITIONS), tmp_path / "journal"
    staying = a_worker(kafka_bootstrap, topic, publisher, "staying")
    running = asyncio.create_task(staying.run())
    await wait_until(lambda: len(epochs(staying)) == PARTITIONS, KAFKA_TIMEOUT)
    with a_process(kafka_bootstrap, topic, journal, "bounced"):
        await wait_until(lambda: len(epochs(staying)) == PARTITIONS // 2, KAFKA_TIMEOUT)
        produce(kafka_bootstrap, topic, 200)
        await wait_until(lambda: journal_entries(journal), KAFKA_TIMEOUT)
        before, held = epochs(staying), await asyncio.to_thread(holders, kafka_bootstrap, topic)
    seen = len(journal_entries(journal))
    produce(kafka_bootstrap, topic, 200)
    with a_process(kafka_bootstrap, topic, journal, "bounced"):
        await wait_until(lambda: len(journal_entries(journal)) > seen, WITHIN)
        assert await asyncio.to_thread(holders, kafka_bootstrap, topic) == held
    assert epochs(staying) == before
    staying.stop()
    assert await running is True


async def test_a_static_member_that_stops_cleanly_keeps_its_partitions_for_its_successor(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher
) -> None:
    topic = fresh_topics("lifecycle", partitions=PARTITIONS)
    workers = [a_worker(kafka_bootstrap, topic, publisher, name) for name in ("staying", "bounced")]
    staying, bounced = workers
    runs = [asyncio.create_task(worker.run()) for worker in workers]
    await wait_until(lambda: [len(epochs(worker)) for worker in workers] == [2, 2], KAFKA_TIMEOUT)
    before, partitions = epochs(staying), epochs(bounced).keys()
    bounced.stop()
    assert await runs[1] is True
    successor = a_worker(kafka_bootstrap, topic, publisher, "bounced")
    succeeding = asyncio.create_task(successor.run())
    await wait_until(lambda: epochs(successor).keys() == partitions, WITHIN)
    assert epochs(staying) == before
    for worker, run in ((staying, runs[0]), (successor, succeeding)):
        worker.stop()
        assert await run is True


async def test_of_two_processes_with_one_instance_the_first_stops_with_a_sentence(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher
) -> None:
    topic, instance = fresh_topics("lifecycle", partitions=1), f"same-{uuid.uuid4().hex[:6]}"
    first, second = (a_worker(kafka_bootstrap, topic, publisher, instance) for _ in range(2))
    running = asyncio.create_task(first.run())
    await wait_until(lambda: epochs(first), KAFKA_TIMEOUT)
    other = asyncio.create_task(second.run())
    with pytest.raises(WorkerFailedError, match=r"Another process has the same `kafka\.instance`"):
        await asyncio.wait_for(running, KAFKA_TIMEOUT)
    await wait_until(lambda: epochs(second), KAFKA_TIMEOUT)
    second.stop()
    assert await other is True
