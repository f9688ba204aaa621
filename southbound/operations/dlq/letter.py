"""A dead letter as it is on its topic: the original record, and why it could not be processed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, Self

from consumers.dead_letter_subject import class_of
from consumers.hold.held_letters import RecordPlace
from consumers.runtime.dead_letters import FIRST_FAILED_AT, HEADER_PREFIX, REDRIVE_PREFIX
from router.runs.ids import event_id_at
from schemas.codec.cloudevents import parse_structured_event, read_headers
from schemas.codec.errors import UndecodableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

    from schemas.codec.cloudevents import KafkaHeaders, StructuredEvent
    from schemas.topics import TopicNames


_ID = re.compile(r"([0-9]{1,9})-([0-9]{1,18})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SECRET_NAME = re.compile(r"authorization|cookie|password|passwd|secret|token|api-?key|credential", re.IGNORECASE)
MASKED = "(not shown)"


class LetterId(NamedTuple):
    """Where a dead letter is on its topic; written `<partition>-<offset>`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """Return it as commands show and accept it."""
        return f"{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            ValueError: it is no such text; the message says what to write.
        """
        found = _ID.fullmatch(text)
        if found is None:
            raise ValueError(
                f"'{text}' is not the id of a dead letter: write <partition>-<offset>, such as 0-12, as "
                "`southbound dlq list` shows it"
            )
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter. `headers` are those of the original record, and `why` those that say why it failed.

    `topic` and `partition` are where the original record was: empty and None if no header says so.
    """

    id: LetterId
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: KafkaHeaders
    why: Mapping[str, str]
    error_class: str

    @property
    def at(self) -> datetime:
        """When it was published."""
        return datetime.fromtimestamp(max(0, self.timestamp_ms) / 1000, UTC)

    @property
    def code(self) -> str:
        """The reason as a code."""
        return self.why.get("code", "")

    @property
    def reason(self) -> str:
        """The reason in a sentence."""
        return self.why.get("reason", "")

    @property
    def topic(self) -> str:
        """The topic of the original record."""
        return self.why.get("topic", "")

    @property
    def stream_source(self) -> str:
        """The source of the original record if it came from a topic of a stream; else empty."""
        role, _, source = self.why.get("role", "").partition(".")
        return source.partition(".")[0] if role == "ingress" else ""

    @property
    def is_of_stream(self) -> bool:
        """Whether the role `ingress` read the original record: from a topic of a stream, or after a redrive."""
        return self.why.get("role", "").partition(".")[0] == "ingress"

    @property
    def partition(self) -> int | None:
        """The partition of the original record."""
        return _number(self.why.get("partition"))

    @property
    def run(self) -> str:
        """The run that it is about."""
        return self.why.get("run", "")

    @property
    def spoke(self) -> str:
        """The external system that it is about."""
        return self.why.get("spoke", "")

    @property
    def source(self) -> str:
        """The producer of the event, as its attribute `source` names it; empty if it does not."""
        if named := read_headers(self.headers, fallback_id="").source:
            return named
        try:
            structured = self.structured_event()
        except UndecodableError:
            return ""
        return structured.attributes.get("source", "") if structured else ""

    def structured_event(self) -> StructuredEvent | None:
        """Return the event that is its value in the structured mode of CloudEvents; None if it is something else.

        Raises:
            UndecodableError: its value is declared to be one, or looks like one, and cannot be parsed.
        """
        content_type = read_headers(self.headers, fallback_id="").content_type
        return parse_structured_event(self.value or b"", content_type)

    @property
    def redrives(self) -> int:
        """How often it was redriven before."""
        return _number(self.why.get("redrives")) or 0

    @property
    def place(self) -> RecordPlace | None:
        """Where the original record is, if that is known."""
        offset, partition = _number(self.why.get("offset")), self.partition
        return RecordPlace(self.topic, partition, offset) if partition is not None and offset is not None else None

    @property
    def held_at(self) -> RecordPlace | None:
        """Where its record waits, and later records of its key behind it; None if they continue."""
        return self.place if self.why.get("hold") else None

    @property
    def first_time(self) -> str:
        """When the record was attempted first, as text."""
        return self.why.get("first-time") or self.why.get("time", "")

    @property
    def position_id(self) -> str:
        """The id of its event if it names none: it follows from the place of the original record."""
        return event_id_at(*(self.place or ("dlq", *self.id)))

    @property
    def record_digest(self) -> bytes:
        """What identifies the original record: also its content, as a topic that was made anew has the same places."""
        place = f"{self.position_id} {self.why.get('timestamp')} {self.key!r} ".encode()
        return sha256(place + (self.value or b"")).digest()

    def original_headers(self) -> KafkaHeaders:
        """Return the headers of the original record without those of earlier redrives."""
        return tuple([header for header in self.headers if not header[0].startswith(REDRIVE_PREFIX)])


def read_letter(message: Message, names: TopicNames) -> Letter:
    """Return the dead letter of a consumed record."""
    headers: list[tuple[str, bytes | None]] = message.headers() or []  # type: ignore[assignment] # consumed: a list of bytes
    why = {name.removeprefix(HEADER_PREFIX): text_of(raw) for name, raw in headers if name.startswith(HEADER_PREFIX)}
    return Letter(
        id=LetterId(message.partition() or 0, message.offset() or 0),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple([header for header in headers if not header[0].startswith(HEADER_PREFIX)]),
        why=why,
        # One that an earlier release wrote does not name its class.
        error_class=why.get("class") or class_of(why.get("code", ""), why.get("topic", ""), names),
    )


def text_of(raw: bytes | None) -> str:
    """Return bytes as text, also if they are none."""
    return raw.decode("utf-8", "backslashreplace") if raw else ""


def shown_header(name: str, raw: bytes | None) -> str:
    """Return the value of a header as it may be shown: never that of a credential."""
    return MASKED if _SECRET_NAME.search(name) else text_of(raw)


def first_failed_at(letter: Letter) -> bytes:
    """Return the time of the first attempt for the header of a redriven record."""
    earlier = next((raw for name, raw in letter.headers if name == FIRST_FAILED_AT and raw), None)
    return earlier or letter.first_time.encode()


def _number(text: str | None) -> int | None:
    return int(text) if text and _NUMBER.fullmatch(text) else None
