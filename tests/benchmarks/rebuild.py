"""Measure how long a lost store takes to be rebuilt and compared, and records to be replayed, in how much memory.

Runs `southbound replay` in its own process, beside a broker: python -m tests.benchmarks.rebuild --runs 200000
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from producers.event_publisher import EventPublisher
from producers.kafka_publisher import KafkaPublisher, producer_settings
from router.runs.ids import request_id_of
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.commands import SendRun
from schemas.lifecycle import RunRequested
from schemas.results import RequestResult, RunOutcome, RunResult, RunUpdate
from schemas.topics import TopicNames, all_topics
from schemas.vocabulary import Phase, RunState, UpdateKind
from southbound.broker.jvm import jvm_broker
from southbound.operations.topic_admin import TopicAdmin
from tests.builders.runs import NOON, SINGLE, a_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.catalogue import EventData

BATCH = 2_000  # events
PROGRAM = "from southbound.cli.app import main; main()"
OPEN_SHARE = 10  # one run of so many goes on


def events_of(number: int) -> Iterator[EventData]:
    """Yield what one run leaves on the topics: six events, fewer if it goes on."""
    document = a_document(f"TR{number:09}", description="a description of an ordinary length " * 4)
    request = request_id_of(document.run_id, 1)
    yield RunRequested(run=document)
    yield SendRun(run=document, request_id=request, spoke="fibre-lab", decision=SINGLE)
    update = RunUpdate(
        run_id=document.run_id,
        root_run_id=document.run_id,
        request_id=request,
        spoke="fibre-lab",
        external_id=f"ext-{number}",
        kind=UpdateKind.ACCEPTED,
        phase=Phase.ACCEPTED,
        state=RunState.ACKNOWLEDGED,
        version=1,
        revision=3,
        occurred_at=NOON,
    )
    yield update
    progress = {"kind": UpdateKind.PROGRESS, "phase": Phase.IN_PROGRESS, "state": RunState.IN_PROGRESS, "revision": 4}
    yield update.model_copy(update=progress)
    if number % OPEN_SHARE:
        yield RunResult(
            run_id=document.run_id,
            root_run_id=document.run_id,
            request_id=request,
            spoke="fibre-lab",
            external_id=f"ext-{number}",
            state=RunState.COMPLETED,
            revision=5,
            occurred_at=NOON + timedelta(seconds=1),
        )
        yield RequestResult(
            request_id=request,
            root_run_id=document.run_id,
            spoke="fibre-lab",
            hierarchical=False,
            state=RunState.COMPLETED,
            counts={"completed": 1},
            runs=(RunOutcome(run_id=document.run_id, state=RunState.COMPLETED),),
            occurred_at=NOON + timedelta(seconds=1),
        )


async def publish(bootstrap: str, runs: int) -> int:
    """Publish the events of so many runs; return their number."""
    admin = TopicAdmin({"bootstrap.servers": bootstrap})
    topics = [replace(topic, partitions=min(topic.partitions, 6)) for topic in all_topics("", ["fibre-lab"])]
    admin.apply(admin.plan(topics))
    kafka = KafkaPublisher(producer_settings(bootstrap))
    events = EventPublisher(publisher=kafka, envelope=Envelope(Codec()), topics=TopicNames())
    count, batch = 0, list[Event]()
    for number in range(runs):
        for message in events_of(number):
            count += 1
            batch.append(Event(headers=EventHeaders(id=f"event {count}", time=NOON), data=message))
        if len(batch) >= BATCH:
            await events.publish(batch)
            batch.clear()
    await events.publish(batch)
    await kafka.close()
    return count


def measure(folder: Path, bootstrap: str, *options: str) -> tuple[float, int, str]:
    """Run `southbound replay` and return its seconds, its largest resident memory in MiB, and what it printed."""
    environment = {
        **os.environ,
        "SOUTHBOUND_KAFKA__BOOTSTRAP": bootstrap,
        "SOUTHBOUND_STORE__URL": f"sqlite:///{folder}/runs.db",
        "TMPDIR": str(folder),
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "replay", *options], env=environment, stdout=subprocess.PIPE, text=True
    )
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(
            f"southbound replay {' '.join(options)} ended with {os.waitstatus_to_exitcode(status)}: {output}"
        )
    return time.monotonic() - began, usage.ru_maxrss // 1024, output.strip()


def main() -> None:
    """Publish, rebuild, compare, and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20_000)
    runs = parser.parse_args().runs
    with TemporaryDirectory() as name, jvm_broker(print) as broker:
        folder = Path(name)
        count = asyncio.run(publish(broker.bootstrap, runs))
        for option, events in (
            ("--rebuild", count),
            ("--compare", count),
            ("--topic lifecycle --topic dispatch --all", 2 * runs),
            ("--re-emit --topic results --run TR000000001", 2 * (runs - runs // OPEN_SHARE)),
            ("--topic lifecycle --all --dry-run", 2 * runs),
        ):
            seconds, mebibytes, output = measure(folder, broker.bootstrap, *option.split())
            rate = f"{seconds:.1f} s ({events / seconds:,.0f}/s)"
            sys.stdout.write(f"{option}: {events:,} events in {rate}, at most {mebibytes} MiB\n{output[-400:]}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
