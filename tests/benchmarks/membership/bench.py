"""Measure what is left of the throughput of one or two processes while one of them is killed again and again.

python tests/benchmarks/membership/bench.py [--processes 2] [--sessions 30 15 10 6] [--kill-every 8] [--kills 8]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from southbound.broker.jvm import jvm_broker
from tests.benchmarks.machine import print_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("worker_process.py")
NAMES = ("one", "two")  # the first is killed
PARTITIONS = 12
VALUE = b"x" * 2_048  # about as large as an event
RECORDS_PER_SECOND = 225  # for each process, which handles 200: 8 records at once, 40 ms each
UNDISTURBED = 15.0  # seconds of the measurement without kills
START_TIMEOUT = 60.0
RESTART_AFTER = 0.5  # seconds, as an orchestrator takes


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipCase:
    """One way to be a member: how many processes, session in seconds, and whether members are static."""

    processes: int
    session: float
    static: bool

    @property
    def name(self) -> str:
        """The case for the table."""
        return f"{self.processes}, {self.session:g} s, {'static' if self.static else 'dynamic'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptThroughput:
    """Records per second without and with kills, and the longest time in which nothing was finished."""

    undisturbed: float
    killed: float
    longest_pause: float
    longest_partition_pause: float


class WorkerProcesses:
    """The worker processes of one group."""

    def __init__(self, bootstrap: str, topic: str, folder: Path, case: MembershipCase) -> None:
        self._arguments = (bootstrap, topic, f"group-of-{topic}")
        self._folder = folder
        self._case = case
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start one of them."""
        instance = name if self._case.static else ""
        words = [*self._arguments, str(self._folder / "journal"), str(self._case.session), instance]
        self._processes[name] = subprocess.Popen(
            [sys.executable, str(PROGRAM), *words], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )

    def kill(self, name: str) -> None:
        """Kill one of them."""
        self._processes[name].send_signal(signal.SIGKILL)
        self._processes[name].wait()

    def kill_all(self) -> None:
        """Kill all of them."""
        for name in self._processes:
            self.kill(name)

    def finished(self) -> dict[tuple[int, int], float]:
        """Return when each record was finished first, by partition and offset."""
        journal = self._folder / "journal"
        found: dict[tuple[int, int], float] = {}
        for line in journal.read_text().splitlines() if journal.exists() else ():
            partition, offset, at = line.split()
            found.setdefault((int(partition), int(offset)), float(at))
        return found


def measure(bootstrap: str, case: MembershipCase, *, kill_every: float, kills: int) -> KeptThroughput:
    """Measure one case with a topic and a group of its own."""
    topic = f"members-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        stack.enter_context(a_load(bootstrap, topic, case.processes * RECORDS_PER_SECOND))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        processes = WorkerProcesses(bootstrap, topic, folder, case)
        stack.callback(processes.kill_all)
        for name in NAMES[: case.processes]:
            processes.start(name)
        _wait_until_all_partitions_move(processes)
        began = time.time()
        time.sleep(UNDISTURBED)
        killing = time.time()
        for number in range(kills):
            processes.kill(NAMES[0])
            time.sleep(RESTART_AFTER)
            processes.start(NAMES[0])
            time.sleep(max(0.0, killing + (number + 1) * kill_every - time.time()))
        ended = time.time()
        return _evaluate(processes.finished(), began, killing, ended)


def _evaluate(finished: dict[tuple[int, int], float], began: float, killing: float, ended: float) -> KeptThroughput:
    during = sorted((at, partition) for (partition, _), at in finished.items() if killing <= at < ended)
    before = [at for at in finished.values() if began <= at < killing]
    by_partition = [[at for at, found in during if found == partition] for partition in range(PARTITIONS)]
    return KeptThroughput(
        undisturbed=len(before) / (killing - began),
        killed=len(during) / (ended - killing),
        longest_pause=_longest_gap([at for at, _ in during], killing, ended),
        longest_partition_pause=max(_longest_gap(times, killing, ended) for times in by_partition),
    )


def _longest_gap(times: list[float], began: float, ended: float) -> float:
    moments = [began, *times, ended]
    return max(later - earlier for earlier, later in pairwise(moments))


def _wait_until_all_partitions_move(processes: WorkerProcesses) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while len({partition for partition, _ in processes.finished()}) < PARTITIONS:
        if time.monotonic() > deadline:
            raise TimeoutError("the processes did not begin to work")
        time.sleep(0.2)


@contextmanager
def a_load(bootstrap: str, topic: str, records_per_second: int) -> Iterator[None]:
    """Produce more records to a new topic than two processes can handle, evenly, until the end of the block."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        created.result(30)
    ended = threading.Event()
    thread = threading.Thread(target=_produce, args=(bootstrap, topic, records_per_second, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _produce(bootstrap: str, topic: str, records_per_second: int, ended: threading.Event) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    began, number = time.monotonic(), 0
    while not ended.wait(0.05):
        due = int((time.monotonic() - began) * records_per_second)
        for key in range(number, due):
            producer.produce(topic, VALUE, b"%d" % key, partition=key % PARTITIONS)
        number = due
        producer.poll(0)
    producer.flush(10)


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=float, nargs="+", default=[30.0, 15.0, 10.0, 6.0])
    parser.add_argument("--processes", type=int, choices=(1, 2), nargs="+", default=[2])
    parser.add_argument("--kill-every", type=float, default=8.0)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--members", choices=("dynamic", "static", "both"), default="both")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the broker is stopped
    kinds = {"dynamic": (False,), "static": (True,), "both": (False, True)}[arguments.members]
    print_progress("processes, session, members   before/s   with kills/s   kept   longest pause   of one partition")
    with jvm_broker(print_progress) as broker:
        every = product(arguments.processes, kinds, arguments.sessions)
        for case in [MembershipCase(processes=n, session=session, static=static) for n, static, session in every]:
            found = measure(broker.bootstrap, case, kill_every=arguments.kill_every, kills=arguments.kills)
            print_progress(
                f"{case.name:<29} {found.undisturbed:>8.0f} {found.killed:>14.0f}"
                f" {found.killed / found.undisturbed:>6.0%} {found.longest_pause:>13.1f} s"
                f" {found.longest_partition_pause:>16.1f} s"
            )


if __name__ == "__main__":
    main()
