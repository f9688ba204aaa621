"""Run the demo: start a broker and the service, publish the scenarios, check them and report."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from rich.console import Console
from rich.live import Live

from producers.publisher import Message
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.vocabulary import UpdateKind
from southbound.broker.open_broker import open_broker
from southbound.demo.desk_screen import desk_table, record_table
from southbound.demo.environment import open_environment
from southbound.demo.expectations import DemoObservations
from southbound.demo.observed_events import ObservedEvents
from southbound.demo.scenarios import make_scenarios
from southbound.demo.screen import dead_letter_table, progress_table, summary_table
from southbound.demo.topic_follower import follow_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.runs.run import RunRow
    from schemas.lifecycle import LifecycleEvent
    from southbound.demo.environment import DemoEnvironment
    from southbound.demo.expectations import Scenario
    from southbound.settings.settings import Settings

DEMO_TIMEOUT = 60.0  # seconds for all scenarios; the longest takes three, on a machine that does nothing else
FRAME_INTERVAL = 0.1  # seconds between updates of the screen
QUIET_PERIOD = 0.5  # seconds without an event
DEFAULT_WIDTH = 172  # columns without a terminal


def run_demo(settings: Settings, console: Console | None = None) -> int:
    """Run all scenarios; return 0 if each ended as expected, else 1."""
    console = console or Console()
    if not console.is_terminal:
        console.width = DEFAULT_WIDTH
    with (
        open_broker(settings.kafka.bootstrap, settings.broker.image, console.print) as broker,
        tempfile.TemporaryDirectory(prefix="southbound-demo-") as folder,
    ):
        return asyncio.run(_run(settings, broker.bootstrap, Path(folder), console))


async def _run(settings: Settings, bootstrap: str, folder: Path, console: Console) -> int:
    demo_id = uuid4().hex[:4].upper()
    scenarios = make_scenarios(demo_id)
    async with open_environment(settings, bootstrap, demo_id, folder) as environment:
        envelope = environment.running.resources.events.envelope
        evidence = DemoObservations(
            output=ObservedEvents(envelope, environment.topics),
            request_logs=environment.request_logs,
            run_table=environment.run_table,
            desk_log=environment.desk.log,
        )
        topics = (environment.topics.results, environment.topics.inflight, environment.topics.dlq)
        kafka = {"bootstrap.servers": bootstrap, **settings.kafka.overrides()}
        started = time.monotonic()
        async with follow_topics(kafka, topics, evidence.output.add):
            await _run_scenarios(environment, scenarios, evidence, console)
        seconds = time.monotonic() - started
        return await _report(environment, scenarios, evidence, console, seconds)


async def _run_scenarios(
    environment: DemoEnvironment, scenarios: Sequence[Scenario], evidence: DemoObservations, console: Console
) -> None:
    for scenario in scenarios:
        if scenario.desk_order is not None:
            await environment.desk.order(scenario.desk_order)
        await _publish(environment, scenario.events)
        if scenario.raw_record is not None:
            key = scenario.runs[0].encode()
            record = Message(environment.topics.lifecycle, key, scenario.raw_record)
            await environment.running.resources.events.publisher.publish([record])
    waiting = [scenario for scenario in scenarios if scenario.follow_up]
    deadline = time.monotonic() + DEMO_TIMEOUT
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as live:
        while time.monotonic() < deadline and any(map(_failed_checks, scenarios, [evidence] * len(scenarios))):
            for scenario in [scenario for scenario in waiting if _is_accepted(scenario, evidence)]:
                waiting.remove(scenario)
                await _publish(environment, scenario.follow_up)
            if console.is_terminal:
                live.update(progress_table(scenarios, evidence), refresh=True)
            await asyncio.sleep(FRAME_INTERVAL)
    await _wait_until_quiet(evidence)


async def _wait_until_quiet(evidence: DemoObservations) -> None:
    """Wait for late events: a second result or a second POST would make a passed check fail."""
    event_count = -1
    while event_count != evidence.output.events:
        event_count = evidence.output.events
        await asyncio.sleep(QUIET_PERIOD)


def _failed_checks(scenario: Scenario, evidence: DemoObservations) -> list[str]:
    return list(scenario.check(evidence))


def _is_accepted(scenario: Scenario, evidence: DemoObservations) -> bool:
    run = evidence.observed_run(scenario.runs[0])
    return run is not None and UpdateKind.ACCEPTED in run.kinds


async def _publish(environment: DemoEnvironment, events: Iterable[LifecycleEvent]) -> None:
    headers = [EventHeaders(id=str(uuid4()), source="/southbound/demo") for _ in events]
    await environment.running.resources.events.publish(
        Event(headers=event_headers, data=data) for event_headers, data in zip(headers, events, strict=True)
    )


async def _report(
    environment: DemoEnvironment,
    scenarios: Sequence[Scenario],
    evidence: DemoObservations,
    console: Console,
    seconds: float,
) -> int:
    store = environment.running.resources.store
    rows: dict[str, RunRow] = {}
    for run_id in (run_id for scenario in scenarios for run_id in scenario.runs):
        row = await store.run(evidence.gateway_id(run_id))
        if row is not None:
            rows[run_id] = row
    console.print(
        summary_table(scenarios, rows, evidence),
        desk_table(scenarios, evidence.desk_log),
        record_table(evidence.run_table),
        dead_letter_table(evidence.output.dead_letters),
    )
    failures = [f"{scenario.title}: {sentence}" for scenario in scenarios for sentence in scenario.check(evidence)]
    for failure in failures:
        console.print(f"[red]✗[/red] {failure}")
    passed = len(scenarios) - len({sentence.partition(":")[0] for sentence in failures})
    console.print(
        f"{passed} of {len(scenarios)} scenarios ended as expected: "
        f"{len(rows)} runs, {evidence.output.events} events out, {seconds:.1f} s"
    )
    return 1 if failures else 0
