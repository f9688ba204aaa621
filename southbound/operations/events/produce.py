"""Run `southbound produce`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from producers.publisher import PublishError
from schemas.codec.printable import printable
from schemas.files.event_file import EventFileError, read_events
from schemas.partition_keys import key_of, topic_of
from schemas.topics import TopicNames
from southbound.exit_codes import ExitCode, invalid_input, unreachable
from southbound.operations.input_file import read_input
from southbound.operations.kafka import open_publisher, wait_until_reachable

if TYPE_CHECKING:
    from producers.event_publisher import EventPublisher
    from schemas.codec.envelope import Event
    from southbound.settings.settings import Settings

PUBLISH_BATCH = 500  # events that are published at once
SOURCE = "/southbound/produce"


def produce_file(settings: Settings, file: str, *, redrive: bool) -> int:
    """Run `southbound produce`. `file` may be `-` for standard input.

    Raises:
        CommandFailedError: the file has mistakes, or Kafka does not accept the events.
    """
    replay = f"redrive-{uuid4()}" if redrive else None
    events = [_with_metadata(event, replay) for event in _read_file(file)]
    asyncio.run(_publish(settings, events))
    return ExitCode.SUCCESS


def _read_file(file: str) -> tuple[Event, ...]:
    text, name = read_input(file, "a file of events")
    try:
        return read_events(text, file=name, new_id=lambda: str(uuid4()))
    except EventFileError as error:
        raise invalid_input(map(str, error.mistakes)) from None


def _with_metadata(event: Event, replay: str | None) -> Event:
    headers = event.headers._replace(time=event.headers.time or datetime.now(UTC), replay=replay)
    return event._replace(headers=headers)


async def _publish(settings: Settings, events: list[Event]) -> None:
    names = TopicNames(settings.kafka.prefix)
    await wait_until_reachable(settings, {topic_of(names, event.data) for event in events})
    async with open_publisher(settings, SOURCE) as publisher:
        for start in range(0, len(events), PUBLISH_BATCH):
            await _publish_batch(publisher, events[start : start + PUBLISH_BATCH])


async def _publish_batch(publisher: EventPublisher, events: list[Event]) -> None:
    try:
        await publisher.publish(events)
    except PublishError as error:
        raise unreachable(f"{error}; events whose ids are not printed may be missing: produce them again") from None
    for event in events:
        name, key = type(event.data).__name__, printable(key_of(event.data))
        print(printable(event.id), name, key, topic_of(publisher.topics, event.data), sep="\t")
