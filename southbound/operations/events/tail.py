"""Run `southbound tail`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import FIRST_RECORD, NEXT_RECORD, PartitionReader, PartitionReadError
from schemas.topics import TopicNames
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.console import console, print_json
from southbound.operations.events.record_view import read_record
from southbound.operations.kafka import make_envelope, wait_until_reachable
from southbound.service.kafka_settings import standalone_consumer_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rich.console import Console

    from southbound.operations.events.record_view import RecordView
    from southbound.settings.settings import Settings

SHORT_TOPIC_NAMES = ("lifecycle", "dispatch", "inbound", "inflight", "results", "dlq")


@dataclass(frozen=True, slots=True, kw_only=True)
class TailOptions:
    """The options of `southbound tail`."""

    topics: Sequence[str]
    from_start: bool = False
    follow: bool = True
    run: str | None = None
    as_json: bool = False


def tail_topics(settings: Settings, options: TailOptions) -> int:
    """Run `southbound tail`.

    Raises:
        CommandFailedError: Kafka does not answer or does not have a topic, or a name is wrong.
    """
    asyncio.run(wait_until_reachable(settings))
    envelope = asyncio.run(make_envelope(settings, "/southbound/tail"))
    names = TopicNames(settings.kafka.prefix)
    out = console()
    try:
        with PartitionReader(standalone_consumer_settings(settings.kafka)) as reader:
            ranges = _ranges(reader.topics(), names, options)
            for message in reader.records(ranges, follow=options.follow):
                view = read_record(message, envelope, names)
                if options.run is None or view.mentions(options.run):
                    _show(out, view, options)
    except PartitionReadError as error:
        raise unreachable(str(error)) from None
    return ExitCode.SUCCESS


def _show(out: Console, view: RecordView, options: TailOptions) -> None:
    if options.as_json:
        print_json(view.as_json(), flush=True)
    else:
        out.print(view.as_line(), soft_wrap=True)


def _ranges(known: Mapping[str, Sequence[int]], names: TopicNames, options: TailOptions) -> list[OffsetRange]:
    topics = dict.fromkeys(
        name for topic in options.topics or SHORT_TOPIC_NAMES for name in _resolve_topics(topic, names, known.keys())
    )
    start = FIRST_RECORD if options.from_start else NEXT_RECORD
    return [OffsetRange(name, number, start) for name in topics for number in known[name]]


def _resolve_topics(topic: str, names: TopicNames, known: Collection[str]) -> list[str]:
    """Return the topics for a short name, `dispatch`, `dispatch.<spoke>` or a full name."""
    if topic in known:
        return [topic]
    if topic == "dispatch":
        matches = sorted(name for name in known if names.spoke_of(name))
    else:
        spoke = topic.removeprefix("dispatch.")
        name = (
            names.dispatch(spoke)
            if spoke != topic
            else getattr(names, topic, topic)
            if topic in SHORT_TOPIC_NAMES
            else topic
        )
        matches = [name] if name in known else []
    if not matches:
        raise _missing_topic_error(topic, known)
    return matches


def _missing_topic_error(topic: str, known: Collection[str]) -> CommandFailedError:
    if topic in SHORT_TOPIC_NAMES or topic.startswith("dispatch."):
        return unreachable(f"Kafka does not have the topic for {topic}: run `southbound topics apply`")
    matches = get_close_matches(topic, [*SHORT_TOPIC_NAMES, *known], 1)
    remedy = (
        f"did you mean {matches[0]}?" if matches else f"there are {', '.join(SHORT_TOPIC_NAMES)} and dispatch.<spoke>"
    )
    return invalid_input([f"Kafka has no topic {topic}: {remedy}"])
