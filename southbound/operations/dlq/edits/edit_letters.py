"""Edit the records of dead letters for a redrive: one from a file, or fields of many."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from schemas.catalogue import find_event_type
from schemas.codec.cloudevents import read_headers
from schemas.codec.errors import UndecodableError
from schemas.files.located_json import LocatedJsonError, read_located_json
from schemas.partition_keys import key_of, topic_of
from southbound.exit_codes import CommandFailedError, invalid_input
from southbound.operations.dlq.edits.field_edits import UneditableError, apply_edits, parse_edits
from southbound.operations.dlq.redriven_message import EditedRecord, edited_bytes, edited_event
from southbound.operations.input_file import MAX_INPUT_BYTES, read_input
from southbound.operations.kafka import make_envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.codec.envelope import Envelope
    from schemas.topics import TopicNames
    from southbound.operations.dlq.edits.field_edits import EditedField, FieldEdit
    from southbound.operations.dlq.letter import Letter
    from southbound.settings.settings import Settings

    # Returns the edited record of a dead letter, or None if it stays as it is. Raises UneditableError.
    Edit = Callable[[Letter], "EditedLetter | None"]

SOURCE = "/southbound/dlq"
_MAX_MARK = 500  # characters
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditOptions:
    """The options of `redrive` that edit: the event or the value of one dead letter, or fields of many."""

    file: Path | None = None
    raw: bool = False
    sets: Sequence[str] = ()
    removals: Sequence[str] = ()

    @property
    def is_of_one(self) -> bool:
        """Whether they are about one dead letter."""
        return self.file is not None

    def check(self) -> None:
        """Raise an error if they do not belong together.

        Raises:
            CommandFailedError: says which one to leave out.
        """
        fields = bool(self.sets or self.removals)
        if self.file is not None and fields:
            raise invalid_input(["--edit replaces the whole event: leave out --set and --remove, or --edit"])
        if self.raw and self.file is None:
            raise invalid_input(["--raw belongs to --edit FILE: name the file with the new value"])
        parse_edits(self.sets, self.removals)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedLetter:
    """The edited record of a dead letter, what it says about the edit, and the fields that differ if that is known."""

    record: EditedRecord
    mark: str
    changes: tuple[EditedField, ...] = ()


def leave_unedited(_letter: Letter) -> EditedLetter | None:
    """Return None: the record goes back as it was."""
    return None


def make_edit(settings: Settings, options: EditOptions, names: TopicNames) -> Edit:
    """Return the function that edits each chosen dead letter.

    Raises:
        CommandFailedError: an option or the file is wrong, or the schema registry cannot be read.
    """
    if options.file is not None:
        return _edit_from_file(settings, str(options.file), names, raw=options.raw)
    if not (options.sets or options.removals):
        return leave_unedited
    edits = parse_edits(options.sets, options.removals)
    return FieldEditor(edits=edits, envelope=asyncio.run(make_envelope(settings, SOURCE)), names=names).edit


def _edit_from_file(settings: Settings, file: str, names: TopicNames, *, raw: bool) -> Edit:
    if raw:
        content = _read_bytes(Path(file))
        return lambda letter: EditedLetter(record=edited_bytes(letter, content), mark="value")
    text, name = read_input(file, "a file with one event")
    envelope = asyncio.run(make_envelope(settings, SOURCE))
    return lambda letter: EditedLetter(record=edited_event(letter, text, name, envelope, names), mark="event")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEditor:
    """Changes fields of the events of dead letters. JSON stays JSON, and other events are encoded again."""

    edits: Sequence[FieldEdit]
    envelope: Envelope
    names: TopicNames

    def edit(self, letter: Letter) -> EditedLetter | None:
        """Return the edited record of a dead letter; None if it has these values already.

        Raises:
            UneditableError: the edit does not fit it, or the result is no event of its topic.
        """
        document = json_object_of(letter)
        if document is None:
            return self._edit_encoded(letter)
        changes = apply_edits(_data_of(letter, document), self.edits)
        value = json.dumps(document).encode() if changes else letter.value or b""
        key = letter.key if letter.is_of_stream else self._checked_key(letter, value)
        if not changes:
            return None
        record = EditedRecord(value=value, key=key, headers=letter.original_headers())
        return EditedLetter(record=record, mark=self._mark, changes=changes)

    def _edit_encoded(self, letter: Letter) -> EditedLetter | None:
        """Edit an event in Avro."""
        try:
            event = self.envelope.decode(letter.value, letter.headers, fallback_id=letter.position_id)
        except UndecodableError as error:
            raise UneditableError(f"its value is neither JSON nor an event: {error.sentence}") from None
        data = event.data.model_dump(mode="json", exclude_none=True)
        changes = apply_edits(data, self.edits)
        if not changes:
            return None
        text = json.dumps({"type": type(event.data).__name__, "data": data})
        try:
            record = edited_event(letter, text, str(letter.id), self.envelope, self.names)
        except CommandFailedError as error:
            raise UneditableError(error.sentences[0]) from None
        return EditedLetter(record=record, mark=self._mark, changes=changes)

    def _checked_key(self, letter: Letter, value: bytes) -> bytes:
        """Return the key of an edited JSON event, which Southbound has to be able to read."""
        try:
            event = self.envelope.decode(value, letter.headers, fallback_id=letter.position_id)
        except UndecodableError as error:
            raise UneditableError(f"it would fail again: {error.sentence}") from None
        if (belongs_on := topic_of(self.names, event.data)) != letter.topic:
            raise UneditableError(f"it would belong on {belongs_on}, and it came from {letter.topic}")
        return key_of(event.data).encode()

    @property
    def _mark(self) -> str:
        return " ".join(edit.pointer for edit in self.edits)[:_MAX_MARK]


def json_object_of(letter: Letter) -> dict[str, object] | None:
    """Return the value of a dead letter if it is a JSON object that is read exactly; else None."""
    try:
        document = read_located_json((letter.value or b"").removeprefix(_UTF8_MARK).decode())
    except (LocatedJsonError, UnicodeDecodeError):
        return None
    return cast("dict[str, object]", document) if isinstance(document, dict) else None


def unchecked_event(letter: Letter) -> dict[str, object] | None:
    """Return a JSON event that is not valid, to be corrected: its type, id and data; None if it is no such thing."""
    document = json_object_of(letter)
    if document is None or letter.is_of_stream:
        return None
    try:
        data = _data_of(letter, document)
        structured = letter.structured_event()
    except (UneditableError, UndecodableError):
        return None
    headers = read_headers(letter.headers, fallback_id=letter.position_id)
    attributes = structured.attributes if structured is not None else {}
    entry = find_event_type(attributes.get("type") or headers.type or "")
    if entry is None:
        return None
    return {"type": entry.name, "id": attributes.get("id") or headers.id, "data": data}


def _data_of(letter: Letter, document: dict[str, object]) -> object:
    """Return the data of an event in a JSON value: the whole value, or a member in the structured mode."""
    try:
        structured = not letter.is_of_stream and letter.structured_event()
    except UndecodableError as error:
        raise UneditableError(error.sentence) from None
    if not structured:
        return document
    if not isinstance(document.get("data"), dict):
        raise UneditableError("the data of its CloudEvents JSON event is no JSON object")
    return document["data"]


def _read_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise invalid_input([f"{file}: cannot be read ({error.strerror}): name a file with the new value"]) from None
    if len(content) > MAX_INPUT_BYTES:
        raise invalid_input([f"{file}: has more than {MAX_INPUT_BYTES:,} bytes: no topic takes such a record"])
    return content
