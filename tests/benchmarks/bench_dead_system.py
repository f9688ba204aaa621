"""Measure what one dead system of ten costs the other nine: throughput, p99 and memory, with and without it.

make bench-dead-system ARGS="[--rounds 3] [--live 1800] [--dead 20000] [--kinds busy refusing hanging]"

Every round runs the service twice on a real broker: alone with the nine, and with a backlog for the tenth, which
answers 503, refuses connections, or never answers. `docs/reliability.md` keeps the figures.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunRequested
from schemas.topics import TopicNames, all_topics
from southbound.broker.jvm import jvm_broker
from southbound.operations.topic_admin import TopicAdmin
from tests.benchmarks.machine import print_progress
from tests.benchmarks.path.system_process import system_process
from tests.builders.runs import NOON, a_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SYSTEMS = 10
PARTITIONS = 3
LATENCY = 0.01  # seconds, of the live systems
RATE = 60.0  # runs a second for the live systems together
ENVELOPE = Envelope(Codec(), source="/bench")
RESULT = ("ce_type", b"southbound.RunResult")
KINDS = ("busy", "refusing", "hanging")
PATIENCE = 180.0  # seconds until a result that does not come is a failure
ROUTED = 200.0  # records of the backlog per second, at least: until they are routed, no run behind them is


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures:
    """What the live systems' runs showed, and the service's memory."""

    runs_per_second: float
    p50: float  # seconds from the request to the result
    p99: float
    cpu_seconds: float
    memory_mb: float
    attempts: int  # calls to the dead system


@dataclass(slots=True)
class DeadSystem:
    """Answers 503 to everything, never answers, or refuses connections; counts what reaches it."""

    kind: str
    calls: int = 0

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Yield its base URL."""
        dead = self

        class Busy(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                dead.calls += 1
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if dead.kind == "hanging":
                    threading.Event().wait(PATIENCE)
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 - as http.server names it

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
        port = server.server_address[1]
        if self.kind == "refusing":
            server.server_close()
            yield f"http://127.0.0.1:{port}/tmf"
            return
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/tmf"
        finally:
            server.shutdown()
            server.server_close()


def main() -> None:
    """Measure, and print one line per run and the ratios at the end."""
    arguments = _parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        broker = stack.enter_context(jvm_broker(print_progress))
        system = stack.enter_context(system_process())
        system.reset(LATENCY)
        for kind in arguments.kinds:
            pairs = []
            for _ in range(arguments.rounds):
                alone = _measure(broker.bootstrap, system.base_url, kind, live=arguments.live, dead=0)
                beside = _measure(broker.bootstrap, system.base_url, kind, live=arguments.live, dead=arguments.dead)
                pairs.append((alone, beside))
                print_progress(f"{kind}: alone  {_line(alone)}\n{kind}: beside {_line(beside)}")
            print_progress(_summary(kind, pairs))


def _measure(bootstrap: str, live_url: str, kind: str, *, live: int, dead: int) -> LiveFigures:
    dead_system, prefix = DeadSystem(kind), f"d{uuid.uuid4().hex[:8]}."
    names = TopicNames(prefix)
    spokes = [f"s{number}" for number in range(SYSTEMS)]
    admin = TopicAdmin({"bootstrap.servers": bootstrap})
    topics = [replace(topic, partitions=PARTITIONS) for topic in all_topics(prefix, spokes)]
    admin.apply(admin.plan(topics))
    with tempfile.TemporaryDirectory() as folder, dead_system.serving() as dead_url:
        settings = _write_files(Path(folder), bootstrap, prefix, live_url, dead_url)
        with _service(settings) as process:
            _produce(bootstrap, names, [("s0", f"dead-{number}") for number in range(dead)])
            return _drive(bootstrap, names, process, live, dead_system, backlog=dead)


@contextmanager
def _service(settings: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = "from southbound.cli.entry import main; main()"
    log = settings.with_name("log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "run", "--config", str(settings)], stdout=output, stderr=output
        )
    try:
        yield process
    except Exception as error:
        error.add_note(log.read_text(errors="replace")[-2_000:])
        raise
    finally:
        process.kill()
        process.wait()


def _write_files(folder: Path, bootstrap: str, prefix: str, live_url: str, dead_url: str) -> Path:
    """Write ten profiles, a selector by specification, and the settings; return the file of the settings."""
    (folder / "spokes").mkdir()
    for number in range(SYSTEMS):
        url = live_url if number else dead_url
        timeouts = "{connect: 2, read: 5, total: 10}"
        text = f"name: s{number}\nbase_url: {url}\nresult_channels: [sync]\nconcurrency: 32\ntimeouts: {timeouts}\n"
        (folder / "spokes" / f"s{number}.yaml").write_text(text)
    rows = "".join(
        f"  - {{id: R{number}, order: {number + 1}, when: {{spec: s{number}}}, then: {{spoke: s{number}}}}}\n"
        for number in range(SYSTEMS)
    )
    inputs = "inputs:\n  - {name: spec, path: test_specification.id, type: string}\n"
    (folder / "selector.yaml").write_text(f"selector: spoke-selector\n{inputs}rows:\n{rows}")
    settings = folder / "settings.yaml"
    settings.write_bytes(
        orjson.dumps(
            {
                "kafka": {"bootstrap": bootstrap, "prefix": prefix, "group": f"{prefix}bench"},
                "store": {"url": f"sqlite+aiosqlite:///{folder}/runs.db"},
                "routing": {"spokes": str(folder / "spokes"), "selector": str(folder / "selector.yaml")},
                "listener": {"port": 0},
                "health": {"port": 0},
            }
        )
    )
    return settings


def _message(
    names: TopicNames, spoke: str, run_id: str
) -> tuple[str, bytes, bytes, list[tuple[str, str | bytes | None]]]:
    run = a_document(run_id, spec=spoke)
    event = Event(headers=EventHeaders(id=f"e-{run_id}", time=NOON), data=RunRequested(run=run))
    value, headers = ENVELOPE.encode(event)
    return names.lifecycle, value, run_id.encode(), list(headers)


def _produce(bootstrap: str, names: TopicNames, runs: Sequence[tuple[str, str]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    for spoke, run_id in runs:
        topic, value, key, headers = _message(names, spoke, run_id)
        producer.produce(topic, value, key, headers=headers)
        producer.poll(0)
    producer.flush()


def _drive(
    bootstrap: str, names: TopicNames, process: subprocess.Popen[bytes], live: int, dead: DeadSystem, *, backlog: int
) -> LiveFigures:
    """Request the runs of the live systems at a steady rate, and wait for all results."""
    results = ResultTimes(bootstrap, names.results)
    warm = [(f"s{1 + number % 9}", f"warm-{number}") for number in range(90)]
    _produce(bootstrap, names, warm)
    results.wait_for(len(warm), process, PATIENCE + backlog / ROUTED)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1})
    requested: dict[bytes, float] = {}
    began, used, calls = time.monotonic(), _cpu_seconds(process.pid), dead.calls
    for number in range(live):
        topic, value, key, headers = _message(names, f"s{1 + number % 9}", f"live-{number}")
        if (wait := began + number / RATE - time.monotonic()) > 0:
            time.sleep(wait)
        requested[key] = time.monotonic()
        producer.produce(topic, value, key, headers=headers)
        producer.poll(0)
    producer.flush()
    results.wait_for(len(warm) + live, process)
    ended, used = time.monotonic(), _cpu_seconds(process.pid) - used
    seen = results.close()
    waits = sorted(seen[key] - at for key, at in requested.items())
    return LiveFigures(
        runs_per_second=live / (ended - began),
        p50=statistics.median(waits),
        p99=waits[int(len(waits) * 0.99)],
        cpu_seconds=used,
        memory_mb=_memory_mb(process.pid),
        attempts=dead.calls - calls,
    )


class ResultTimes:
    """Notes when the first result of each run arrives, on its own thread."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "times", "fetch.wait.max.ms": 5})
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        self._seen: dict[bytes, float] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, count: int, process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> None:
        """Return when so many runs have a result."""
        deadline = time.monotonic() + seconds
        while len(self._seen) < count:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{len(self._seen)} of {count} results came, and no more")
            time.sleep(0.002)

    def close(self) -> dict[bytes, float]:
        """Stop, and return the times by key."""
        self._closing.set()
        self._thread.join()
        self._consumer.close()
        return self._seen

    def _read(self) -> None:
        while not self._closing.is_set():
            for message in self._consumer.consume(500, 0.005):
                if message.error() is None and RESULT in (message.headers() or ()):
                    self._seen.setdefault(message.key() or b"", time.monotonic())


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _line(figures: LiveFigures) -> str:
    return (
        f"{figures.runs_per_second:6.1f} runs/s  p50 {figures.p50 * 1000:6.1f} ms  p99 {figures.p99 * 1000:7.1f} ms"
        f"  {figures.cpu_seconds:5.1f} CPU-s  {figures.memory_mb:5.0f} MB  {figures.attempts} calls to the dead system"
    )


def _summary(kind: str, pairs: Sequence[tuple[LiveFigures, LiveFigures]]) -> str:
    rate = statistics.median([beside.runs_per_second / alone.runs_per_second for alone, beside in pairs])
    p99 = statistics.median([beside.p99 - alone.p99 for alone, beside in pairs])
    return f"{kind}: throughput {rate:.2f} of that alone, p99 {p99 * 1000:+.0f} ms (median of {len(pairs)} pairs)"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--live", type=int, default=1800)
    parser.add_argument("--dead", type=int, default=20_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
