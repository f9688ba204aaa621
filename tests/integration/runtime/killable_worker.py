"""A worker that a test can kill. It appends one line per finished record to a file: key, number, ownership.

It also appends to FILE.sure again and again whether the worker may send, "yes" or "no", and when its membership was
proven last.

python killable_worker.py BOOTSTRAP TOPIC GROUP FILE SESSION_SECONDS STUCK_KEY [INSTANCE]
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.handler import Done, RetryLater
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.worker import Worker
from producers.kafka_publisher import KafkaPublisher, producer_settings
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.handler import Attempt, Outcome, Record

FROZEN_PROBLEM = Problem(code="FROZEN", sentence="Another worker may own this record.")


class Journal:
    """Writes one line per finished record at once, so that the line survives a kill."""

    def __init__(self, path: Path, stuck: bytes) -> None:
        self._stuck = stuck
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.may_write: Callable[[], bool] = lambda: False

    async def __call__(self, record: Record, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port's name
        """Work for a moment, then write the line if this process may still send."""
        await asyncio.sleep(0.002)
        if record.key == self._stuck or not self.may_write():
            return RetryLater(0.1, FROZEN_PROBLEM)
        os.write(self._file, b"%s %s %d\n" % (record.key, record.value, record.partition.epoch))
        return Done()


async def write_may_send(worker: Worker, proven_at: Callable[[], float], path: Path) -> None:
    """Write repeatedly whether the worker may send, and a proof of its membership that is not older than its reason."""
    with path.open("a", buffering=1) as file:
        while True:
            answer = "yes" if worker.may_send() else "no"
            file.write(f"{answer} {proven_at()}\n")
            await asyncio.sleep(0.05)


async def main(bootstrap: str, topic: str, group: str, path: str, session: str, stuck: str, instance: str = "") -> None:
    """Run the worker until the process is killed."""
    policy = WorkerConfig(
        role="killable", group=group, dead_letter_topic="none", max_in_flight=8, session_timeout=float(session)
    )
    static = {"group.instance.id": instance} if instance else {}
    settings = consumer_settings(bootstrap, policy, {"heartbeat.interval.ms": 200, **static})
    client = KafkaGroupConsumer(settings, [topic], session_timeout=float(session), revoke_timeout=5.0)
    publisher = KafkaPublisher(producer_settings(bootstrap))
    journal = Journal(Path(path), stuck.encode())
    worker = Worker(consumer=client, handler=journal, publisher=publisher, config=policy)
    journal.may_write = worker.may_send
    telling = asyncio.create_task(write_may_send(worker, client.membership_proven_at, Path(f"{path}.sure")))
    await worker.run()
    telling.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
