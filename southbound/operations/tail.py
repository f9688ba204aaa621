"""Show what travels on topics, decoded, as it comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from producers.kafka_errors import sentence_for
from schemas.topics import TopicNames
from southbound.cli.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.console import console
from southbound.operations.kafka import make_envelope, wait_until_reachable
from southbound.operations.record_view import read_record
from southbound.service.kafka_settings import standalone_consumer_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from confluent_kafka import Message
    from rich.console import Console

    from southbound.operations.record_view import RecordView
    from southbound.settings.settings import Settings

SHORT_TOPIC_NAMES = ("lifecycle", "dispatch", "inbound", "inflight", "results", "dlq")
METADATA_TIMEOUT = 10.0  # seconds
POLL_TIMEOUT = 0.2  # seconds; also how long Ctrl-C may wait


@dataclass(frozen=True, slots=True, kw_only=True)
class TailOptions:
    """What is to be shown, and how."""

    topics: Sequence[str]
    from_start: bool = False
    follow: bool = True
    run: str | None = None
    as_json: bool = False


def tail(settings: Settings, options: TailOptions) -> int:
    """Show records until Ctrl-C, or, without `follow`, up to the present end."""
    asyncio.run(wait_until_reachable(settings))
    wrapped = asyncio.run(make_envelope(settings, "/southbound/tail"))
    names = TopicNames(settings.kafka.prefix)
    consumer = Consumer(standalone_consumer_settings(settings.kafka, "tail"))
    out = console()
    try:
        for message in _messages(consumer, names, options):
            reading = read_record(message, wrapped, names)
            if options.run is None or reading.mentions(options.run):
                _show(out, reading, options)
    finally:
        consumer.close()
    return ExitCode.SUCCESS


def _show(out: Console, reading: RecordView, options: TailOptions) -> None:
    if options.as_json:
        print(reading.as_json(), flush=True)  # noqa: T201 - it was asked for
    else:
        out.print(reading.as_line(), soft_wrap=True)


def _messages(consumer: Consumer, names: TopicNames, options: TailOptions) -> Iterator[Message]:
    waiting = set(_assign(consumer, names, options))
    while waiting or options.follow:
        message = consumer.poll(POLL_TIMEOUT)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's spelling
            waiting.discard((message.topic(), message.partition()))
        elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - as above
            raise unreachable(sentence_for(error, f"topic {message.topic()}"))


def _assign(consumer: Consumer, names: TopicNames, options: TailOptions) -> list[tuple[str, int]]:
    try:
        known = consumer.list_topics(timeout=METADATA_TIMEOUT).topics
    except KafkaException as error:
        raise unreachable(sentence_for(error.args[0], "the cluster")) from None
    wanted = dict.fromkeys(
        name for word in options.topics or SHORT_TOPIC_NAMES for name in _resolve_topics(word, names, known.keys())
    )
    places = [(name, number) for name in wanted for number in known[name].partitions]
    start = OFFSET_BEGINNING if options.from_start else OFFSET_END
    consumer.assign([TopicPartition(name, number, start) for name, number in places])
    return places


def _resolve_topics(topic: str, names: TopicNames, known: Collection[str]) -> list[str]:
    """Return the topics that a word means: a short name, `dispatch.<spoke>` or a whole name."""
    if topic in known:
        return [topic]
    if topic == "dispatch":
        found = sorted(name for name in known if names.spoke_of(name))
    else:
        spoke = topic.removeprefix("dispatch.")
        name = (
            names.dispatch(spoke)
            if spoke != topic
            else getattr(names, topic, topic)
            if topic in SHORT_TOPIC_NAMES
            else topic
        )
        found = [name] if name in known else []
    if not found:
        raise _missing_topic_error(topic, known)
    return found


def _missing_topic_error(topic: str, known: Collection[str]) -> CommandFailedError:
    if topic in SHORT_TOPIC_NAMES or topic.startswith("dispatch."):
        return unreachable(f"Kafka does not have the topic for {topic}: run `southbound topics apply`")
    close = get_close_matches(topic, [*SHORT_TOPIC_NAMES, *known], 1)
    remedy = f"did you mean {close[0]}?" if close else f"there are {', '.join(SHORT_TOPIC_NAMES)} and dispatch.<spoke>"
    return invalid_input([f"Kafka has no topic {topic}: {remedy}"])
