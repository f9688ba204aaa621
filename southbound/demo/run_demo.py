"""Run the demo from the first broker to the last verdict."""

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
from southbound.demo.environment import open_environment
from southbound.demo.observed_events import ObservedEvents
from southbound.demo.scenarios import DemoObservations, demo_scenarios
from southbound.demo.screen import dead_letter_table, progress_table, summary_table
from southbound.demo.topic_follower import follow_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.runs.run import RunRow
    from schemas.lifecycle import LifecycleEvent
    from southbound.demo.environment import DemoEnvironment
    from southbound.demo.scenarios import Scenario
    from southbound.settings.settings import Settings

DEMO_TIMEOUT = 25.0  # seconds for all stories; the longest takes three
FRAME_INTERVAL = 0.1  # seconds between pictures
QUIET_PERIOD = 0.5  # seconds without an event
DEFAULT_WIDTH = 172  # columns where no terminal says how many there are


def run_demo(settings: Settings, console: Console | None = None) -> int:
    """Show all stories; 0 only if each ended as it must."""
    console = console or Console()
    if not console.is_terminal:
        console.width = DEFAULT_WIDTH
    with (
        open_broker(settings.kafka.bootstrap, settings.broker.image, console.print) as broker,
        tempfile.TemporaryDirectory(prefix="southbound-demo-") as folder,
    ):
        return asyncio.run(_run(settings, broker.bootstrap, Path(folder), console))


async def _run(settings: Settings, bootstrap: str, folder: Path, console: Console) -> int:
    tag = uuid4().hex[:4].upper()
    played = demo_scenarios(tag)
    async with open_environment(settings, bootstrap, tag, folder) as stage:
        envelope = stage.running.resources.events.envelope
        evidence = DemoObservations(output=ObservedEvents(envelope, stage.topics), request_logs=stage.request_logs)
        topics = (stage.topics.results, stage.topics.inflight, stage.topics.dlq)
        kafka = {"bootstrap.servers": bootstrap, **settings.kafka.overrides()}
        began = time.monotonic()
        async with follow_topics(kafka, topics, evidence.output.add):
            await _run_scenarios(stage, played, evidence, console)
        took = time.monotonic() - began
        return await _report(stage, played, evidence, console, took)


async def _run_scenarios(
    environment: DemoEnvironment, scenarios: Sequence[Scenario], evidence: DemoObservations, console: Console
) -> None:
    for story in scenarios:
        await _publish(environment, story.events)
        if story.raw_record is not None:
            key = story.runs[0].encode()
            rubbish = Message(environment.topics.lifecycle, key, story.raw_record)
            await environment.running.resources.events.publisher.publish([rubbish])
    waiting = [story for story in scenarios if story.follow_up]
    deadline = time.monotonic() + DEMO_TIMEOUT
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as live:
        while time.monotonic() < deadline and any(map(_failed_checks, scenarios, [evidence] * len(scenarios))):
            for story in [story for story in waiting if _is_accepted(story, evidence)]:
                waiting.remove(story)
                await _publish(environment, story.follow_up)
            if console.is_terminal:
                live.update(progress_table(scenarios, evidence), refresh=True)
            await asyncio.sleep(FRAME_INTERVAL)
    await _wait_until_quiet(evidence)


async def _wait_until_quiet(evidence: DemoObservations) -> None:
    """Let whatever comes late come: a second result or a second POST would be a lie of the first verdict."""
    heard = -1
    while heard != evidence.output.events:
        heard = evidence.output.events
        await asyncio.sleep(QUIET_PERIOD)


def _failed_checks(scenario: Scenario, evidence: DemoObservations) -> list[str]:
    return list(scenario.check(evidence))


def _is_accepted(scenario: Scenario, evidence: DemoObservations) -> bool:
    run = evidence.observed_run(scenario.runs[0])
    return run is not None and UpdateKind.ACCEPTED in run.kinds


async def _publish(environment: DemoEnvironment, events: Iterable[LifecycleEvent]) -> None:
    headers = [EventHeaders(id=str(uuid4()), source="/southbound/demo") for _ in events]
    await environment.running.resources.events.publish(
        Event(headers=one, data=word) for one, word in zip(headers, events, strict=True)
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
    for run_id in (run_id for story in scenarios for run_id in story.runs):
        row = await store.run(run_id)
        if row is not None:
            rows[run_id] = row
    console.print(summary_table(scenarios, rows, evidence), dead_letter_table(evidence.output.dead_letters))
    complaints = [f"{story.title}: {one}" for story in scenarios for one in story.check(evidence)]
    for complaint in complaints:
        console.print(f"[red]✗[/red] {complaint}")
    good = len(scenarios) - len({one.partition(":")[0] for one in complaints})
    console.print(
        f"{good} of {len(scenarios)} stories ended as they must: "
        f"{len(rows)} runs, {evidence.output.events} events out, {seconds:.1f} s"
    )
    return 1 if complaints else 0
