"""Measure one arm from outside: suspend it while events are produced, resume it, wait for the last result."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from schemas.topics import TopicNames, all_topics
from southbound.operations.topic_admin import TopicAdmin
from tests.benchmarks.arms.config import ArmConfig
from tests.benchmarks.machine import yardstick
from tests.benchmarks.path.load import encode_requests, run_ids
from tests.benchmarks.path.result_counter import ResultCounter
from tests.benchmarks.path.steps import measure_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.publisher import Message
    from tests.benchmarks.path.system_process import SystemProcess

SPOKES = ("fibre-lab", "copper-lab")
WARM_UP = 300
PARTITIONS = 6  # partitions of every topic
OUTPUT_TAIL_LENGTH = 2_000  # characters of the log that an error quotes
CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One implementation. `share` is the part of the events that it gets: slow ones get fewer."""

    name: str
    module: str
    guarantee: str
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The result of one arm with one latency in one round."""

    arm: str
    latency: float  # seconds
    events: int
    seconds: float
    cpu_seconds: float
    yardstick: float  # microseconds; see `machine.yardstick`

    @property
    def sentence(self) -> str:
        """One line that describes the measurement."""
        return (
            f"{self.arm:12}{self.latency * 1000:4g} ms{self.rate:8.0f} runs/s"
            f"{self.cpu_per_thousand:8.3f} CPU-s per 1,000{self.yardstick:8.1f} µs yardstick"
        )

    @property
    def rate(self) -> float:
        """Results per second."""
        return self.events / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        """CPU seconds of the arm's process per 1,000 events."""
        return self.cpu_seconds / self.events * 1000


class WrongResultsError(Exception):
    """An arm produced wrong results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkEnvironment:
    """The broker, the external system and the core that all arms use."""

    bootstrap: str
    system: SystemProcess
    core: int

    def measure(self, arm: Arm, latency: float, events: int, *, profile: Path | None = None) -> Measurement:
        """Run one arm. With `profile`, py-spy writes its samples into that file.

        Raises:
        WrongResultsError: a run does not have exactly one result and one POST.
        NoResultsError: no more results come.
        """
        self.system.reset(latency)
        with self._arm_config() as order, _started_arm(arm, order) as process:
            counter = ResultCounter(self.bootstrap, order.results, PARTITIONS)
            warm, timed = run_ids(f"{order.prefix}warm", WARM_UP), run_ids(f"{order.prefix}run", events)
            self._publish(encode_requests(order.events, warm))
            counter.wait_for(len(warm), lambda: process.poll() is None)
            waiting = encode_requests(order.events, timed)
            with _suspended(process):
                self._publish(waiting)
                began, used = time.monotonic(), _cpu_seconds(process.pid)
            with _profiled(process.pid, profile):
                ended = counter.wait_for(len(warm) + len(timed), lambda: process.poll() is None)
            used = _cpu_seconds(process.pid) - used
            _stop_arm(process, order)
            self._verify(arm, [*warm, *timed], counter)
        return Measurement(
            arm=arm.name,
            latency=latency,
            events=events,
            seconds=ended - began,
            cpu_seconds=used,
            yardstick=yardstick(self.core),
        )

    def measure_steps(self) -> str:
        """Return the table of single steps."""
        self.system.reset(0.0)
        with self._arm_config() as order:
            return measure_steps(self.bootstrap, TopicNames(order.prefix), self.system.base_url, self.core)

    @contextmanager
    def _arm_config(self) -> Iterator[ArmConfig]:
        prefix = f"b{uuid.uuid4().hex[:8]}."
        topics = [replace(topic, partitions=PARTITIONS) for topic in all_topics(prefix, SPOKES)]
        admin = TopicAdmin({"bootstrap.servers": self.bootstrap})
        admin.apply(admin.plan(topics))
        try:
            with tempfile.TemporaryDirectory(prefix="southbound-bench-") as folder:
                url = self.system.base_url
                yield ArmConfig(bootstrap=self.bootstrap, prefix=prefix, system=url, folder=folder, core=self.core)
        finally:
            _delete_topics(self.bootstrap, [topic.name for topic in topics])

    def _publish(self, messages: list[Message]) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, "acks": "all"})
        for number, message in enumerate(messages):
            producer.produce(message.topic, message.value, message.key, headers=list(message.headers))
            if number % 1000 == 0:
                producer.poll(0)
        producer.flush()

    def _verify(self, arm: Arm, ids: list[str], counter: ResultCounter) -> None:
        """Check that every run has exactly one result, and that the external system got exactly one POST for it."""
        results = counter.close()
        posts, repeated = self.system.posts()
        wrong = set(results) ^ {run_id.encode() for run_id in ids} or {
            key for key, count in results.items() if count != 1
        }
        if wrong or posts != len(ids) or repeated:
            raise WrongResultsError(
                f"{arm.name}: {len(wrong)} runs without exactly one result, {posts} POSTs for {len(ids)} runs, "
                f"{repeated} of them repeated"
            )


@contextmanager
def _started_arm(arm: Arm, config: ArmConfig) -> Iterator[subprocess.Popen[bytes]]:
    with Path(config.folder, "log").open("wb") as log:
        process = subprocess.Popen(config.command(arm.module), stdout=log, stderr=log)
        try:
            yield process
        except Exception as error:
            error.add_note(Path(config.folder, "log").read_text(errors="replace")[-OUTPUT_TAIL_LENGTH:])
            raise
        finally:
            process.kill()
            process.wait()


@contextmanager
def _suspended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def _profiled(pid: int, into: Path | None) -> Iterator[None]:
    if into is None:
        yield
        return
    command = ["py-spy", "record", "--rate", "100", "--format", "raw", "--gil", "--threads", "--output", str(into)]
    sampler = subprocess.Popen([*command, "--pid", str(pid), "--duration", "3600"], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        sampler.send_signal(signal.SIGINT)
        sampler.wait()


def _stop_arm(process: subprocess.Popen[bytes], config: ArmConfig) -> None:
    process.terminate()
    if process.wait(timeout=30) != 0:
        raise WrongResultsError(
            f"the arm ended with {process.returncode}: {Path(config.folder, 'log').read_text()[-OUTPUT_TAIL_LENGTH:]}"
        )


def _cpu_seconds(pid: int) -> float:
    """Return user and system time of a process with all its threads (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_SECOND


def _delete_topics(bootstrap: str, topics: list[str]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for deletion in admin.delete_topics(topics, operation_timeout=20).values():
        deletion.result(20)
