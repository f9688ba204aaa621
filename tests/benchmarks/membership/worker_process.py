"""A worker that a benchmark kills. It appends one line per finished record to a file: partition, offset, time.

python worker_process.py BOOTSTRAP TOPIC GROUP FILE SESSION_SECONDS INSTANCE_OR_EMPTY
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
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

SECONDS_PER_RECORD = 0.04
MAX_IN_FLIGHT = 8
NOT_A_MEMBER = Problem(code="NOT_A_MEMBER", sentence="Another worker may own this record.")


class TimedJournal:
    """Writes one line per finished record at once, so that the line survives a kill."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.may_send: Callable[[], bool] = lambda: False

    async def __call__(self, record: Record, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port's name
        """Work as a call to an external system does, if this process may still send."""
        if not self.may_send():
            return RetryLater(0.1, NOT_A_MEMBER)
        await asyncio.sleep(SECONDS_PER_RECORD)
        os.write(self._file, b"%d %d %f\n" % (record.partition.number, record.offset, time.time()))
        return Done()


async def main(bootstrap: str, topic: str, group: str, path: str, session: str, instance: str) -> None:
    """Run the worker until the process is killed."""
    policy = WorkerConfig(
        role="benchmark",
        group=group,
        dead_letter_topic="none",
        max_in_flight=MAX_IN_FLIGHT,
        session_timeout=float(session),
        commit_every=1.0,
    )
    settings = consumer_settings(bootstrap, policy, {"group.instance.id": instance} if instance else {})
    client = KafkaGroupConsumer(settings, [topic], session_timeout=float(session), revoke_timeout=20.0)
    journal = TimedJournal(path)
    publisher = KafkaPublisher(producer_settings(bootstrap))
    worker = Worker(consumer=client, handler=journal, publisher=publisher, config=policy)
    journal.may_send = worker.may_send
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
