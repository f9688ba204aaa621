"""Read the events that people write: one, a list, or one per line, in JSON or YAML.

Each is `{type: RunRequested, data: {…}}`, with `id`, `source`, `time` and `subject` where the writer cares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.base import Model
from schemas.catalogue import CATALOGUE, find_event_type
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.codec.errors import located_field_messages
from schemas.files.located_yaml import NotAFileError, WrittenEvent, written_events
from schemas.run_document import Moment, NonEmptyStr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from schemas.catalogue import EventType

_NAMES = ", ".join(entry.name for entry in CATALOGUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMistake:
    """One wrong thing in a file. `line` counts from 1."""

    file: str
    line: int
    claim: str

    def __str__(self) -> str:
        """Write it as compilers do, so that an editor can jump there."""
        return f"{self.file}:{self.line}: {self.claim}"


class EventFileError(Exception):
    """A file of events with mistakes; all of them, in the order of their lines."""

    def __init__(self, mistakes: Iterable[FileMistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        super().__init__("\n".join(map(str, self.mistakes)))


class _EventFields(Model):
    """The fields around the data of a written event; `specversion` lets a CloudEvents event be pasted."""

    type: NonEmptyStr
    data: dict[str, object]
    id: NonEmptyStr | None = None
    source: NonEmptyStr | None = None
    time: Moment | None = None
    subject: NonEmptyStr | None = None
    specversion: str | None = None
    datacontenttype: str | None = None


def read_events(text: str, *, file: str, new_id: Callable[[], str]) -> tuple[Event, ...]:
    """Read every event of a file; `new_id` names those that do not name themselves.

    `file` is named in messages and determines the format: `.json`, `.jsonl` and `.ndjson`, `.yaml` and `.yml`;
    under any other name (`-`) the format is recognised.

    Raises:
        EventFileError: with every mistake and its line.
    """
    try:
        written = written_events(text, file)
    except NotAFileError as wrong:
        raise EventFileError([FileMistake(file=file, line=wrong.line, claim=str(wrong))]) from None
    if not written:
        raise EventFileError([FileMistake(file=file, line=1, claim="holds no event; write {type: …, data: {…}}")])
    read = [_event(one, new_id) for one in written]
    mistakes = [claim for one in read if not isinstance(one, Event) for claim in one]
    if mistakes:
        raise EventFileError(FileMistake(file=file, line=line, claim=claim) for line, claim in mistakes)
    return tuple(one for one in read if isinstance(one, Event))


def _event(written: WrittenEvent, new_id: Callable[[], str]) -> Event | list[tuple[int, str]]:
    if isinstance(written.content, NotAFileError):
        return [(written.content.line, str(written.content))]
    try:
        frame = _EventFields.model_validate_json(json.dumps(written.content))
    except ValidationError as wrong:
        return _claims(written, wrong, "event", ())
    entry = find_event_type(frame.type)
    if entry is None:
        return [
            (
                written.line_of(("type",)),
                f"event: unknown type {frame.type[:40]!r}; known are {_NAMES}",
            )
        ]
    try:
        data = entry.model.model_validate_json(json.dumps(written.content["data"]))
    except ValidationError as wrong:
        return _claims(written, wrong, entry.name, ("data",))
    return Event(headers=_headers(frame, entry, new_id), data=data)


def _headers(frame: _EventFields, entry: EventType, new_id: Callable[[], str]) -> EventHeaders:
    return EventHeaders(
        id=frame.id or new_id(),
        type=entry.ce_type,
        source=frame.source,
        time=frame.time,
        subject=frame.subject,
    )


def _claims(written: WrittenEvent, wrong: ValidationError, name: str, above: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(written.line_of((*above, *loc)), f"{name}: {claim}") for loc, claim in located_field_messages(wrong)]
