"""A record of any topic as text and as JSON: decoded if possible, otherwise its bytes."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from rich.text import Text

from consumers.runtime.dead_letters import HEADER_PREFIX
from router.runs.ids import event_id_at
from schemas.codec.errors import UndecodableError
from schemas.codec.printable import excerpt, printable
from schemas.commands import ChangeRun, SendRun
from schemas.counts import count_noun
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunChanged, RunRequested
from southbound.operations.events.event_summary import event_summary, run_id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

    from schemas.codec.envelope import Envelope, Event
    from schemas.topics import TopicNames

STYLES = {"lifecycle": "cyan", "inbound": "magenta", "inflight": "yellow", "results": "green", "dlq": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """One record. `event` is the error sentence if the value cannot be decoded; `dead_letter` has its headers."""

    topic: str
    short_topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    event: Event | str
    dead_letter: Mapping[str, str]

    def as_line(self) -> Text:
        """Return the record in one line."""
        time = self.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        style = STYLES.get(self.short_topic, "blue")
        text = printable(f" {self._run:<16} {self._summary()}")
        return Text.assemble((time, "dim"), "  ", (f"{self.short_topic:<10}", style), text)

    def as_json(self) -> str:
        """Return the whole record as one JSON object."""
        location = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "time": self.at.isoformat(),
        }
        dead_letter = {"dead_letter": dict(self.dead_letter)} if self.dead_letter else {}
        return orjson.dumps({**location, "key": _text(self.key), **dead_letter, **self._content()}).decode()

    def mentions(self, run: str) -> bool:
        """Return whether the record is about this run or one of its children."""
        if _text(self.key) == run:
            return True
        if isinstance(self.event, str) or isinstance(self.event.data, InboundReceived):
            # These bytes are not parsed, so the id is searched for anywhere in them.
            return bool(re.search(rb"(?<![\w-])" + re.escape(run.encode()) + rb"(?![\w-])", self.value or b""))
        return run in _run_ids(self.event)

    @property
    def run_id(self) -> str | None:
        """The run that the record is about; None if it cannot be decoded, or names an external system's id."""
        if isinstance(self.event, str) or isinstance(self.event.data, InboundReceived):
            return None
        return run_id_of(self.event.data)

    @property
    def _run(self) -> str:
        return _text(self.key) or "-" if isinstance(self.event, str) else run_id_of(self.event.data)

    def _summary(self) -> str:
        summary = self._undecodable_summary(self.event) if isinstance(self.event, str) else _event_summary(self.event)
        if not self.dead_letter:
            return summary
        headers = self.dead_letter
        origin = f"{headers.get('topic')}[{headers.get('partition')}] offset {headers.get('offset')}"
        return f"{headers.get('code')}: {headers.get('reason')} (from {origin}: {summary})"

    def _undecodable_summary(self, sentence: str) -> str:
        size = f"{count_noun(len(self.value), 'byte')} '{excerpt(self.value)}'" if self.value else "no value"
        return f"cannot be decoded, {size}: {sentence}"

    def _content(self) -> dict[str, object]:
        if isinstance(self.event, str):
            value = b64encode(self.value).decode() if self.value is not None else None
            return {"error": self.event, "value_base64": value}
        data = self.event.data.model_dump(mode="json", exclude_none=True)
        headers = self.event.headers
        optional = {"source": headers.source, "replay": headers.replay, "traceparent": headers.traceparent}
        present = {name: text for name, text in optional.items() if text is not None}
        return {"id": self.event.id, "type": self.event.type, **present, "data": data}


def read_record(message: Message, envelope: Envelope, names: TopicNames) -> RecordView:
    """Decode a consumed record."""
    topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
    headers: list[tuple[str, bytes | None]] = message.headers() or []  # type: ignore[assignment] # consumed: a list of bytes
    value: bytes | None = message.value()
    key: bytes | None = message.key()
    event: Event | str
    try:
        event = envelope.decode(value, headers, fallback_id=event_id_at(topic, partition, offset))
    except UndecodableError as error:
        event = error.sentence
    return RecordView(
        topic=topic,
        short_topic=topic.removeprefix(f"{names.prefix}testrun."),
        partition=partition,
        offset=offset,
        at=datetime.fromtimestamp(max(0, message.timestamp()[1]) / 1000, UTC),
        key=key,
        value=value,
        event=event,
        dead_letter={
            name.removeprefix(HEADER_PREFIX): _text(text) for name, text in headers if name.startswith(HEADER_PREFIX)
        },
    )


def _event_summary(event: Event) -> str:
    return f"{type(event.data).__name__} {event_summary(event.data)}"


def _run_ids(event: Event) -> set[str]:
    data = event.data
    if isinstance(data, RunRequested | RunChanged | SendRun | ChangeRun):
        return {data.run.run_id, data.run.root_run_id, *(child.run_id for child in data.run.children)}
    return {run_id_of(data), getattr(data, "root_run_id", "")}


def _text(raw: bytes | None) -> str:
    return raw.decode("utf-8", "backslashreplace") if raw else ""
