"""Show what travels on topics, decoded, as it comes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from producers.kafka_errors import sentence_for
from schemas.topics import TopicNames
from southbound.cli.exit_codes import CommandFailedError, ExitCode, not_reachable, wrong
from southbound.operations.console import console
from southbound.operations.kafka import envelope, reach
from southbound.operations.record_view import read
from southbound.service.kafka_settings import bystander_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from confluent_kafka import Message
    from rich.console import Console

    from southbound.operations.record_view import RecordView
    from southbound.settings.settings import Settings

SHORT = ("lifecycle", "dispatch", "inbound", "inflight", "results", "dlq")
ANSWER_WITHIN = 10.0  # seconds
POLL = 0.2  # seconds; also how long Ctrl-C may wait


@dataclass(frozen=True, slots=True, kw_only=True)
class TailOptions:
    """What is to be shown, and how."""

    topics: Sequence[str]
    from_start: bool = False
    follow: bool = True
    run: str | None = None
    as_json: bool = False


def tail(settings: Settings, wish: TailOptions) -> int:
    """Show records until Ctrl-C, or, without `follow`, up to the present end."""
    asyncio.run(reach(settings))
    wrapped = asyncio.run(envelope(settings, "/southbound/tail"))
    names = TopicNames(settings.kafka.prefix)
    consumer = Consumer(bystander_settings(settings.kafka, "tail"))
    out = console()
    try:
        for message in _messages(consumer, names, wish):
            reading = read(message, wrapped, names)
            if wish.run is None or reading.concerns(wish.run):
                _show(out, reading, wish)
    finally:
        consumer.close()
    return ExitCode.DONE


def _show(out: Console, reading: RecordView, wish: TailOptions) -> None:
    if wish.as_json:
        print(reading.as_json(), flush=True)  # noqa: T201 - it was asked for
    else:
        out.print(reading.as_line(), soft_wrap=True)


def _messages(consumer: Consumer, names: TopicNames, wish: TailOptions) -> Iterator[Message]:
    waiting = set(_assigned(consumer, names, wish))
    while waiting or wish.follow:
        message = consumer.poll(POLL)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's spelling
            waiting.discard((message.topic(), message.partition()))
        elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - as above
            raise not_reachable(sentence_for(error, f"topic {message.topic()}"))


def _assigned(consumer: Consumer, names: TopicNames, wish: TailOptions) -> list[tuple[str, int]]:
    try:
        known = consumer.list_topics(timeout=ANSWER_WITHIN).topics
    except KafkaException as error:
        raise not_reachable(sentence_for(error.args[0], "the cluster")) from None
    wanted = dict.fromkeys(name for word in wish.topics or SHORT for name in _meant(word, names, known.keys()))
    places = [(name, number) for name in wanted for number in known[name].partitions]
    start = OFFSET_BEGINNING if wish.from_start else OFFSET_END
    consumer.assign([TopicPartition(name, number, start) for name, number in places])
    return places


def _meant(word: str, names: TopicNames, known: Collection[str]) -> list[str]:
    """Return the topics that a word means: a short name, `dispatch.<spoke>` or a whole name."""
    if word in known:
        return [word]
    if word == "dispatch":
        found = sorted(name for name in known if names.spoke_of(name))
    else:
        spoke = word.removeprefix("dispatch.")
        name = names.dispatch(spoke) if spoke != word else getattr(names, word, word) if word in SHORT else word
        found = [name] if name in known else []
    if not found:
        raise _missing(word, known)
    return found


def _missing(word: str, known: Collection[str]) -> CommandFailedError:
    if word in SHORT or word.startswith("dispatch."):
        return not_reachable(f"Kafka does not have the topic for {word}: run `southbound topics apply`")
    close = get_close_matches(word, [*SHORT, *known], 1)
    remedy = f"did you mean {close[0]}?" if close else f"there are {', '.join(SHORT)} and dispatch.<spoke>"
    return wrong([f"Kafka has no topic {word}: {remedy}"])
