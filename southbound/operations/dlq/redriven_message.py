"""Build the record that takes a dead letter back to the topic that it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.hold.held_letters import HeldRelease
from consumers.northbound.streams.read_record import SOURCE_HEADER, TIMESTAMP_HEADER
from consumers.runtime.dead_letters import FIRST_FAILED_AT, REDRIVE_COUNT, REDRIVE_PREFIX
from producers.publisher import Message
from schemas.codec.cloudevents import REPLAY_HEADER, read_headers
from schemas.files.event_file import EventFileError, read_events
from schemas.partition_keys import key_of, topic_of
from southbound.exit_codes import invalid_input
from southbound.operations.dlq.letter import first_failed_at

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.hold.held_letters import RecordPlace
    from schemas.codec.cloudevents import KafkaHeaders
    from schemas.codec.envelope import Envelope, Event
    from schemas.topics import TopicNames
    from southbound.operations.dlq.letter import Letter

_EVENT_ID = "ce_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveMark:
    """What a redriven record says about its redrive."""

    redrive: str  # the id of this redrive; a POST in doubt is sent again because of it
    by: str
    at: datetime
    edited: str = ""  # what was edited: the fields as JSON pointers, `event` or `value`


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedRecord:
    """What replaces the value of a dead letter; `key` and `headers` are those that go with it."""

    value: bytes
    key: bytes | None
    headers: KafkaHeaders


def redrive_topic(letter: Letter, names: TopicNames) -> str | None:
    """Return the topic that the record goes to; None if it came from no topic that Southbound consumes."""
    if letter.stream_source:  # its topic is on another cluster, where records of others are
        return names.ingress
    # The roles `writeback` and `egress` read results and updates; other readers recognise a repeated one by its id.
    read = {names.lifecycle, names.inbound, names.results, names.inflight, names.ingress}
    return letter.topic if letter.topic in read or names.spoke_of(letter.topic) is not None else None


def is_redrivable(letter: Letter, names: TopicNames) -> bool:
    """Return whether the record came from a topic that Southbound consumes."""
    return redrive_topic(letter, names) is not None


def redriven_message(
    letter: Letter, mark: RedriveMark, edited: EditedRecord | None = None, *, topic: str | None = None
) -> Message:
    """Return the original record, or an edited one, with the mark of the redrive. `topic`: None if it goes back."""
    headers = (edited.headers if edited else letter.original_headers()) + _stream_headers(letter)
    kept = tuple([header for header in headers if header[0] != REPLAY_HEADER])
    return Message(
        topic or letter.topic,
        edited.key if edited else letter.key,
        edited.value if edited else letter.value,
        kept + _missing_id(letter, kept) + _mark_headers(letter, mark),
    )


def held_release(letter: Letter, place: RecordPlace, mark: RedriveMark, edited: EditedRecord | None) -> HeldRelease:
    """Return the decision that lets a record be attempted again where it waits."""
    return HeldRelease(
        place=place,
        redrives=letter.redrives,
        is_dropped=False,
        marks=_mark_headers(letter, mark),
        value=edited.value if edited else None,
        headers=edited.headers if edited else None,
    )


def edited_bytes(letter: Letter, value: bytes) -> EditedRecord:
    """Return the record of a dead letter with other bytes as its value."""
    return EditedRecord(value=value, key=letter.key, headers=letter.original_headers())


def edited_event(letter: Letter, text: str, file: str, envelope: Envelope, names: TopicNames) -> EditedRecord:
    """Return the record of a dead letter with another event, which is written as in a file for `produce`.

    It keeps the id of the original unless the file names one, and other headers than those of the event.

    Raises:
        CommandFailedError: the file is not one event, or its event does not belong on the topic of the dead letter.
    """
    original = letter.original_headers()
    headers = read_headers(original, fallback_id=letter.position_id)
    try:
        events = read_events(text, file=file, new_id=lambda: headers.id)
    except EventFileError as error:
        raise invalid_input(map(str, error.mistakes)) from None
    if len(events) != 1:
        raise invalid_input([f"{file} has {len(events)} events: --edit takes one, {{type: …, data: {{…}}}}"])
    (event,) = events
    _check_topic(event, letter, file, names)
    same = headers._replace(
        id=event.headers.id,
        source=event.headers.source or headers.source,
        time=event.headers.time or headers.time,
        subject=event.headers.subject or headers.subject,
    )
    value, written = envelope.encode(event._replace(headers=same))
    replaced = {name.lower() for name, _ in written}
    others = tuple([header for header in original if header[0].lower() not in replaced])
    return EditedRecord(value=value, key=key_of(event.data).encode(), headers=written + others)


def _check_topic(event: Event, letter: Letter, file: str, names: TopicNames) -> None:
    belongs_on = topic_of(names, event.data)
    if belongs_on != letter.topic:
        name = type(event.data).__name__
        sentence = (
            f"{file}: {name} belongs on {belongs_on}, and the dead letter {letter.id} came from {letter.topic}: "
            "keep the type and the spoke, or drop the dead letter and publish the event with `southbound produce`"
        )
        raise invalid_input([sentence])


def _stream_headers(letter: Letter) -> KafkaHeaders:
    """Return what the handler of a source needs to know of a record that it does not read from its topic."""
    if not letter.stream_source:
        return ()
    produced = letter.why.get("timestamp", "")
    return ((SOURCE_HEADER, letter.stream_source.encode()), (TIMESTAMP_HEADER, produced.encode()))


def _missing_id(letter: Letter, headers: KafkaHeaders) -> KafkaHeaders:
    """Return the id of an event that names none: else it would follow from its new place, as for another event."""
    named = any(name.lower() == _EVENT_ID and value for name, value in headers)
    # That of a stream follows from its content and its time, which are the same on every cluster and after a redrive.
    return () if named or letter.is_of_stream else ((_EVENT_ID, letter.position_id.encode()),)


def _mark_headers(letter: Letter, mark: RedriveMark) -> KafkaHeaders:
    return (
        (REPLAY_HEADER, mark.redrive.encode()),
        (REDRIVE_COUNT, str(letter.redrives + 1).encode()),
        (f"{REDRIVE_PREFIX}by", mark.by.encode(errors="replace")),
        (f"{REDRIVE_PREFIX}time", mark.at.isoformat(timespec="milliseconds").encode()),
        (f"{REDRIVE_PREFIX}of", str(letter.id).encode()),
        (FIRST_FAILED_AT, first_failed_at(letter)),
        *([(f"{REDRIVE_PREFIX}edited", mark.edited.encode(errors="replace"))] if mark.edited else []),
    )
