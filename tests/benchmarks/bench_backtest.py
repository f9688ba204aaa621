"""Measure how many recorded events a backtest decides again per second, read from a real Kafka."""

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
from southbound.operations.backtest.run import run_backtest
from southbound.settings.settings import DEFAULTS, KafkaSettings, Settings
from tests.benchmarks.load import a_request
from tests.benchmarks.machine import command_line, machine, say, yardstick
from tests.benchmarks.page import replace_section, table
from tests.builders import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.selection.load import Loaded
    from schemas.catalogue import Message

SHIPPED = DEFAULTS / "tables/outbound-policy.yaml"
SPECS = ("fibre-line", "fibre-tree", "fibre-flat", "copper-line", "copper-busy", "fibre-audit", "dsl-noise", "x")
PARTITIONS = 12
HEAD = ("events", "table", "readers", "events/s", "lowest to highest", "CPU-µs per event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured: alike events repeat what a table reads of them, unlike ones never do."""

    alike: bool
    rows: int
    readers: int


def main() -> None:
    """Produce the events once, measure every case several times, show and write."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the broker is ended
    with jvm_broker(say) as broker:
        rows = [_measured(broker.bootstrap, case, given) for case in _cases(given)]
    shown = table(HEAD, rows)
    say(shown)
    if given.write:
        core = f"Yardstick of core 0: {yardstick(0):.2f} µs."
        replace_section("backtest", f"{machine()} {core}\n\n`{command_line()}`\n\n{shown}")


def _cases(given: argparse.Namespace) -> list[Case]:
    return [
        Case(alike=alike, rows=rows, readers=readers)
        for alike in (True, False)
        for rows in given.rows
        for readers in given.readers
    ]


def _measured(bootstrap: str, case: Case, given: argparse.Namespace) -> tuple[str, ...]:
    prefix = f"{'alike' if case.alike else 'unlike'}."
    settings = Settings(kafka=KafkaSettings(bootstrap=bootstrap, prefix=prefix))
    _fill(settings, given.events, alike=case.alike)
    rates, costs = zip(*[_once(settings, case, given.events) for _ in range(given.rounds)], strict=True)
    low, high = (f"{edge(rates):,.0f}" for edge in (min, max))
    kind = "alike" if case.alike else "unlike"
    size = f"{case.rows:,} rows" if case.rows else "the shipped one"
    return kind, size, str(case.readers), f"{median(rates):,.0f}", f"{low} to {high}", f"{median(costs):.1f}"


def _once(settings: Settings, case: Case, events: int) -> tuple[float, float]:
    now, draft = _tables(case.rows)
    with _cpu() as spent:
        found = run_backtest(
            settings, current=now, draft=draft, lookback=timedelta(days=1), max_named_runs=20, readers=case.readers
        )
    if found.tally.events != events or not found.tally.differences:
        raise ValueError(f"{found.tally.events} events of {events}, {len(found.tally.differences)} changes")
    return found.events_per_second, spent[0] / events * 1e6


@contextmanager
def _cpu() -> Iterator[list[float]]:
    """Tell the CPU seconds of the block, of this process and of those that it waited for."""
    spent: list[float] = []
    before = _used()
    yield spent
    spent.append(_used() - before)


def _used() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def _tables(rows: int) -> tuple[Loaded, Loaded]:
    text = SHIPPED.read_text()
    if rows:
        more = "".join(
            f"  - {{id: X{number}, when: {{spec: spec-{number}, speed: '< {number}'}},"
            " then: {hierarchical: true, payload: bundle}}\n"
            for number in range(rows - 3)
        )
        text = text.replace("\nrows:\n", f"\nrows:\n{more}")
    draft = text.replace("{spec: fibre-tree}", "{spec: fibre-tree, speed: '< 500'}")
    return load_any(text, "now.yaml", tested=False), load_any(draft, "draft.yaml", tested=False)


def _fill(settings: Settings, events: int, *, alike: bool) -> None:
    topic = TopicNames(settings.kafka.prefix).lifecycle
    admin = AdminClient({"bootstrap.servers": settings.kafka.servers})
    if topic in admin.list_topics(timeout=10).topics:
        return
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])[topic].result(20)
    producer = Producer({"bootstrap.servers": settings.kafka.servers, "linger.ms": 50})
    envelope = Envelope(Codec(), source="/bench")
    for number in range(events):
        value, headers = envelope.encode(_event(number, alike=alike))
        while not producer.poll(0) and len(producer) > 50_000:
            producer.poll(0.05)
        producer.produce(topic, value, f"R{number}".encode(), headers=list(headers))
    producer.flush()


def _event(number: int, *, alike: bool) -> Event:
    return Event(headers=EventHeaders(id=f"e-{number}", time=NOON), data=_message(number, alike=alike))


def _message(number: int, *, alike: bool) -> Message:
    """Of twenty events one cancels, one is a child's, the others request roots."""
    if number % 20 == 0:
        return RunCancelled(run_id=f"R{number}", root_run_id=f"R{number}")
    run = a_request(f"R{number:07d}")
    speed = Characteristic(name="speed", value=number % 10 * 100 if alike else number, value_type="integer")
    spec = run.test_specification.model_copy(update={"id": SPECS[number % len(SPECS)]})
    changes = {"characteristic": (speed, *run.characteristic[1:]), "test_specification": spec}
    parent = {"parent_run_id": "R0"} if number % 20 == 1 else {}
    return RunRequested(run=run.model_copy(update={**changes, **parent}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="events on the topic")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case; the median counts")
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 1_000], help="rows of the table; 0: the shipped one")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2], help="processes that read")
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, default=True, help="docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
