"""Run `southbound dlq list --held`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from consumers.hold.kafka_hold_reader import STALL_TIMEOUT
from consumers.runtime.kafka.offset_range import OffsetRange
from schemas.codec.cloudevents import read_type
from schemas.codec.printable import printable
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.dlq.dlq_topic import open_dlq
from southbound.operations.dlq.letter import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message

    from southbound.operations.dlq.dlq_topic import DeadLetterTopic
    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_filter import LetterOptions
    from southbound.settings.settings import Settings


def list_held(settings: Settings, chosen: LetterOptions, *, limit: int | None, as_json: bool) -> int:
    """Run `southbound dlq list --held`: the records that wait behind open dead letters of their key.

    Raises:
        CommandFailedError: an option is wrong, or Kafka does not answer.
    """
    count, shown = 0, limit or 50
    with open_dlq(settings, chosen) as topic:
        closed = topic.read_closed()
        waiting: dict[tuple[str, int, bytes], Letter] = {}
        for letter in topic.letters(closed, topic.ranges()):
            if letter.held_at and letter.key is not None:
                waiting[letter.held_at.topic, letter.held_at.partition, letter.key] = letter
        for message, letter in _records_behind(topic, waiting):
            count += 1
            if as_json and (limit is None or count <= limit):
                print_json(json.dumps(_held_facts(message, letter)))
            elif not as_json and count <= shown:
                print_text(_held_line(message, letter))
    more = f" (the first {shown:,} are shown)" if count > shown and not as_json else ""
    print_status(f"{count_noun(count, 'record')} wait behind {count_noun(len(waiting), 'dead letter')}{more}")
    return ExitCode.SUCCESS


def _records_behind(
    topic: DeadLetterTopic, waiting: Mapping[tuple[str, int, bytes], Letter]
) -> Iterator[tuple[Message, Letter]]:
    """Yield the later records of keys whose first record waits, each with the dead letter of that."""
    starts: dict[tuple[str, int], int] = {}
    for (name, number, _), letter in waiting.items():
        after = letter.held_at.offset + 1 if letter.held_at else 0
        starts[name, number] = min(after, starts.get((name, number), after))
    for name in {name for name, _ in starts}:
        present = topic.reader.present_ranges(name)
        ranges = [
            OffsetRange(name, one.partition, max(one.start, starts[name, one.partition]), one.end)
            for one in present
            if (name, one.partition) in starts
        ]
        for message in topic.reader.records(ranges, stall_timeout=STALL_TIMEOUT):
            behind = waiting.get((name, message.partition() or 0, message.key() or b""))
            if behind is not None and behind.held_at and (message.offset() or 0) > behind.held_at.offset:
                yield message, behind


def _held_facts(message: Message, letter: Letter) -> dict[str, object]:
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "key": text_of(message.key()),
        "type": read_type(message.headers()),  # type: ignore[arg-type] # consumed: a list of bytes
        "behind": str(letter.id),
        "run": letter.run,
        "code": letter.code,
    }


def _held_line(message: Message, letter: Letter) -> str:
    place = f"{message.topic()}[{message.partition()}] offset {message.offset()}"
    kind = read_type(message.headers()) or "-"  # type: ignore[arg-type] # consumed: a list of bytes
    return printable(f"{place}  {kind}  {text_of(message.key())}  behind {letter.id} ({letter.code})")
