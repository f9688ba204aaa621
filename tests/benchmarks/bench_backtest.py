"""Measure how many recorded events per second a backtest decides again, read from a real Kafka."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from router.selection.load import load_any
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunCancelled, RunRequested
from schemas.run_document import Characteristic
from schemas.topics import TopicNames
from southbound.broker.jvm import jvm_broker
from southbound.operations.backtest.run_backtest import run_backtest
from southbound.settings.settings import DEFAULTS, KafkaSettings, Settings
from tests.benchmarks.machine import command_line, describe_machine, print_progress, yardstick
from tests.benchmarks.page import markdown_table, replace_section
from tests.benchmarks.path.load import a_request
from tests.builders.runs import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.selection.load import LoadedTable
    from schemas.catalogue import EventData

SHIPPED = DEFAULTS / "tables/outbound-policy.yaml"
SPECS = ("fibre-line", "fibre-tree", "fibre-flat", "copper-line", "copper-busy", "fibre-audit", "dsl-noise", "x")
PARTITIONS = 12
TABLE_HEAD = ("events", "table", "readers", "events/s", "lowest to highest", "CPU-µs per event")


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestCase:
    """One measured case. Identical runs repeat the fields that a table reads; other runs never do."""

    identical_runs: bool
    rows: int
    readers: int


def main() -> None:
    """Produce the events once, measure every case several times, and print or write the results."""
    arguments = _parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the broker is stopped
    with jvm_broker(print_progress) as broker:
        rows = [_measure_case(broker.bootstrap, case, arguments) for case in _cases(arguments)]
    table = markdown_table(TABLE_HEAD, rows)
    print_progress(table)
    if arguments.write:
        core = f"Yardstick of core 0: {yardstick(0):.2f} µs."
        replace_section("backtest", f"{describe_machine()} {core}\n\n`{command_line()}`\n\n{table}")


def _cases(arguments: argparse.Namespace) -> list[BacktestCase]:
    return [
        BacktestCase(identical_runs=alike, rows=rows, readers=readers)
        for alike in (True, False)
        for rows in arguments.rows
        for readers in arguments.readers
    ]


def _measure_case(bootstrap: str, case: BacktestCase, arguments: argparse.Namespace) -> tuple[str, ...]:
    prefix = f"{'alike' if case.identical_runs else 'unlike'}."
    settings = Settings(kafka=KafkaSettings(bootstrap=bootstrap, prefix=prefix))
    _produce_events(settings, arguments.events, identical_runs=case.identical_runs)
    rates, costs = zip(*[_measure_once(settings, case, arguments.events) for _ in range(arguments.rounds)], strict=True)
    low, high = (f"{edge(rates):,.0f}" for edge in (min, max))
    kind = "alike" if case.identical_runs else "unlike"
    size = f"{case.rows:,} rows" if case.rows else "the shipped one"
    return kind, size, str(case.readers), f"{median(rates):,.0f}", f"{low} to {high}", f"{median(costs):.1f}"


def _measure_once(settings: Settings, case: BacktestCase, events: int) -> tuple[float, float]:
    now, draft = _tables(case.rows)
    with _cpu_time() as spent:
        found = run_backtest(
            settings, current=now, draft=draft, lookback=timedelta(days=1), max_named_runs=20, readers=case.readers
        )
    if found.tally.events != events or not found.tally.differences:
        raise ValueError(f"{found.tally.events} events of {events}, {len(found.tally.differences)} changes")
    return found.events_per_second, spent[0] / events * 1e6


@contextmanager
def _cpu_time() -> Iterator[list[float]]:
    """Measure the CPU seconds that the block uses, in this process and in child processes that have ended."""
    spent: list[float] = []
    before = _cpu_seconds_used()
    yield spent
    spent.append(_cpu_seconds_used() - before)


def _cpu_seconds_used() -> float:
    usages = [resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _tables(rows: int) -> tuple[LoadedTable, LoadedTable]:
    text = SHIPPED.read_text()
    if rows:
        more = "".join(
            f"  - {{id: X{number}, when: {{spec: spec-{number}, speed: '< {number}'}},"
            " then: {hierarchical: true, payload: bundle}}\n"
            for number in range(rows - 3)
        )
        text = text.replace("\nrows:\n", f"\nrows:\n{more}")
    draft = text.replace("{spec: fibre-tree}", "{spec: fibre-tree, speed: '< 500'}")
    return load_any(text, "now.yaml", run_tests=False), load_any(draft, "draft.yaml", run_tests=False)


def _produce_events(settings: Settings, events: int, *, identical_runs: bool) -> None:
    topic = TopicNames(settings.kafka.prefix).lifecycle
    admin = AdminClient({"bootstrap.servers": settings.kafka.servers})
    if topic in admin.list_topics(timeout=10).topics:
        return
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])[topic].result(20)
    producer = Producer({"bootstrap.servers": settings.kafka.servers, "linger.ms": 50})
    envelope = Envelope(Codec(), source="/bench")
    for number in range(events):
        value, headers = envelope.encode(_event(number, identical_runs=identical_runs))
        while not producer.poll(0) and len(producer) > 50_000:
            producer.poll(0.05)
        producer.produce(topic, value, f"R{number}".encode(), headers=list(headers))
    producer.flush()


def _event(number: int, *, identical_runs: bool) -> Event:
    return Event(
        headers=EventHeaders(id=f"e-{number}", time=NOON), data=_message(number, identical_runs=identical_runs)
    )


def _message(number: int, *, identical_runs: bool) -> EventData:
    """Return a cancellation, the request of a child, or, in 18 of 20 cases, the request of a root."""
    if number % 20 == 0:
        return RunCancelled(run_id=f"R{number}", root_run_id=f"R{number}")
    run = a_request(f"R{number:07d}")
    speed = Characteristic(name="speed", value=number % 10 * 100 if identical_runs else number, value_type="integer")
    spec = run.test_specification.model_copy(update={"id": SPECS[number % len(SPECS)]})
    changes = {"characteristic": (speed, *run.characteristic[1:]), "test_specification": spec}
    parent = {"parent_run_id": "R0"} if number % 20 == 1 else {}
    return RunRequested(run=run.model_copy(update={**changes, **parent}))


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events on the topic")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case; the median counts")
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 1_000], help="rows of the table; 0: the shipped one")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2], help="processes that read")
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, default=True, help="docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
