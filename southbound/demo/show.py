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
from southbound.demo.screen import dead_letters, moving, summary
from southbound.demo.seen import ObservedEvents
from southbound.demo.stage import open_stage
from southbound.demo.stories import Evidence, stories
from southbound.demo.topic_follower import TopicFollower

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.runs.run import RunRow
    from schemas.lifecycle import LifecycleEvent
    from southbound.demo.stage import DemoEnvironment
    from southbound.demo.stories import Story
    from southbound.settings.settings import Settings

PATIENCE = 25.0  # seconds for all stories; the longest takes three
FRAME = 0.1  # seconds between pictures
QUIET = 0.5  # seconds without an event
WIDE = 172  # columns where no terminal says how many there are


def run_demo(settings: Settings, console: Console | None = None) -> int:
    """Show all stories; 0 only if each ended as it must."""
    console = console or Console()
    if not console.is_terminal:
        console.width = WIDE
    with (
        open_broker(settings.kafka.bootstrap, settings.broker.image, console.print) as broker,
        tempfile.TemporaryDirectory(prefix="southbound-demo-") as folder,
    ):
        return asyncio.run(_perform(settings, broker.bootstrap, Path(folder), console))


async def _perform(settings: Settings, bootstrap: str, folder: Path, console: Console) -> int:
    tag = uuid4().hex[:4].upper()
    played = stories(tag)
    async with open_stage(settings, bootstrap, tag, folder) as stage:
        envelope = stage.running.parts.events.envelope
        evidence = Evidence(seen=ObservedEvents(envelope, stage.topics), ledgers=stage.ledgers)
        topics = (stage.topics.results, stage.topics.inflight, stage.topics.dlq)
        kafka = {"bootstrap.servers": bootstrap, **settings.kafka.overrides()}
        began = time.monotonic()
        async with TopicFollower(kafka, topics, evidence.seen.hear):
            await _play(stage, played, evidence, console)
        took = time.monotonic() - began
        return await _verdict(stage, played, evidence, console, took)


async def _play(stage: DemoEnvironment, played: Sequence[Story], evidence: Evidence, console: Console) -> None:
    for story in played:
        await _publish(stage, story.first)
        if story.raw is not None:
            key = story.runs[0].encode()
            rubbish = Message(stage.topics.lifecycle, key, story.raw)
            await stage.running.parts.events.publisher.publish([rubbish])
    waiting = [story for story in played if story.then]
    deadline = time.monotonic() + PATIENCE
    with Live(console=console, auto_refresh=False, transient=console.is_terminal) as live:
        while time.monotonic() < deadline and any(map(_complaints, played, [evidence] * len(played))):
            for story in [story for story in waiting if _is_accepted(story, evidence)]:
                waiting.remove(story)
                await _publish(stage, story.then)
            if console.is_terminal:
                live.update(moving(played, evidence), refresh=True)
            await asyncio.sleep(FRAME)
    await _until_quiet(evidence)


async def _until_quiet(evidence: Evidence) -> None:
    """Let whatever comes late come: a second result or a second POST would be a lie of the first verdict."""
    heard = -1
    while heard != evidence.seen.events:
        heard = evidence.seen.events
        await asyncio.sleep(QUIET)


def _complaints(story: Story, evidence: Evidence) -> list[str]:
    return list(story.judge(evidence))


def _is_accepted(story: Story, evidence: Evidence) -> bool:
    run = evidence.run(story.runs[0])
    return run is not None and UpdateKind.ACCEPTED in run.kinds


async def _publish(stage: DemoEnvironment, words: Iterable[LifecycleEvent]) -> None:
    headers = [EventHeaders(id=str(uuid4()), source="/southbound/demo") for _ in words]
    await stage.running.parts.events.publish(
        Event(headers=one, data=word) for one, word in zip(headers, words, strict=True)
    )


async def _verdict(
    stage: DemoEnvironment, played: Sequence[Story], evidence: Evidence, console: Console, took: float
) -> int:
    store = stage.running.parts.store
    rows: dict[str, RunRow] = {}
    for run_id in (run_id for story in played for run_id in story.runs):
        row = await store.run(run_id)
        if row is not None:
            rows[run_id] = row
    console.print(summary(played, rows, evidence), dead_letters(evidence.seen.letters))
    complaints = [f"{story.title}: {one}" for story in played for one in story.judge(evidence)]
    for complaint in complaints:
        console.print(f"[red]✗[/red] {complaint}")
    good = len(played) - len({one.partition(":")[0] for one in complaints})
    console.print(
        f"{good} of {len(played)} stories ended as they must: "
        f"{len(rows)} runs, {evidence.seen.events} events out, {took:.1f} s"
    )
    return 1 if complaints else 0
