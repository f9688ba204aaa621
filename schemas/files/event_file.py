"""Read the events that people write: one, a list, or one per line, in JSON or YAML.

Each is `{type: RunRequested, data: {…}}`, with `id`, `source`, `time` and `subject` where the writer cares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from schemas.base import Model
from schemas.catalogue import CATALOGUE, find_event_type
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.codec.errors import located_field_messages
from schemas.files.located_json import LocatedJsonError, line_in_json, read_located_json
from schemas.files.located_tree import Listing, Scalar, Tree, has_more_values, locate, plain_data
from schemas.files.located_yaml import LocatedYamlError, YamlLimitError, read_located_yaml
from schemas.run_document import NonEmptyStr, Timestamp
from schemas.text.exact_numbers import inexact_number_sentence, is_exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from schemas.catalogue import EventType

MAX_MISTAKES = 1_000  # per file: nobody reads more of them
MAX_VALUES_OF_EVENT = 200_000  # a topic takes about 1 MB, and a model with a mistake in each value takes seconds
MAX_EVENTS = 100_000  # per file: all of them are held in memory, because none is sent unless all are valid
_JSON_LINES_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_YAML_SUFFIXES = frozenset({".yaml", ".yml"})
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
    """A file of events with mistakes in the order of their lines; after a thousand of them the rest is not read."""

    def __init__(self, mistakes: Iterable[FileMistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        super().__init__("\n".join(map(str, self.mistakes)))


class _EventFields(Model):
    """The fields around the data of a written event; `specversion` lets a CloudEvents event be pasted."""

    type: NonEmptyStr
    data: dict[str, object]
    id: NonEmptyStr | None = None
    source: NonEmptyStr | None = None
    time: Timestamp | None = None
    subject: NonEmptyStr | None = None
    specversion: str | None = None
    datacontenttype: str | None = None


def read_events(text: str, *, file: str, new_id: Callable[[], str]) -> tuple[Event, ...]:
    """Read every event of a file; `new_id` names those that do not name themselves.

    `file` is named in messages and determines the format: `.json`, `.jsonl` and `.ndjson`, `.yaml` and `.yml`;
    under any other name (`-`) the format is recognised.

    Raises:
        EventFileError: with every mistake and its line, up to a thousand.
    """
    try:
        written = _split(text, file)
        _check_count(len(written))
    except _MistakesError as error:
        raise EventFileError(_mistakes(file, error)) from None
    return _events(written, file, new_id)


def _check_count(events: int) -> None:
    if events == 0:
        raise _MistakesError((1, "holds no event; write {type: …, data: {…}}"))
    if events > MAX_EVENTS:
        raise _MistakesError((1, f"holds more than {MAX_EVENTS:,} events: split the file"))


def _events(written: Iterable[_WrittenEvent], file: str, new_id: Callable[[], str]) -> tuple[Event, ...]:
    events: list[Event] = []
    mistakes: list[FileMistake] = []
    for one in written:
        try:
            events.append(_event(one, new_id))
        except _MistakesError as error:
            mistakes += _mistakes(file, error)
        if len(mistakes) >= MAX_MISTAKES:
            raise EventFileError(_first(mistakes))
    if mistakes:
        raise EventFileError(mistakes)
    return tuple(events)


def _first(mistakes: list[FileMistake]) -> list[FileMistake]:
    first = sorted(mistakes, key=lambda mistake: mistake.line)[:MAX_MISTAKES]
    return [*first, replace(first[-1], claim="the rest is not read before these mistakes are corrected")]


class _MistakesError(Exception):
    """Mistakes with their lines."""

    def __init__(self, *mistakes: tuple[int, str]) -> None:
        super().__init__()
        self.mistakes = mistakes


def _mistakes(file: str, error: _MistakesError) -> list[FileMistake]:
    return [FileMistake(file=file, line=line, claim=claim) for line, claim in error.mistakes]


@dataclass(frozen=True, slots=True)
class _WrittenEvent:
    """One event as it is written. `line_of` returns the line of a field, or of what should contain it."""

    read: Callable[[], object]
    line_of: Callable[[Sequence[int | str]], int]


def _split(text: str, file: str) -> list[_WrittenEvent]:
    suffix = PurePath(file).suffix.lower()
    if suffix in _JSON_LINES_SUFFIXES or (suffix not in _YAML_SUFFIXES and _is_json_lines(text)):
        return _split_json_lines(text)
    if suffix == ".json" or (suffix not in _YAML_SUFFIXES and _is_json(text)):
        return _split_json(text)
    return _split_yaml(text)


def _is_json_lines(text: str) -> bool:
    first, _, others = text.lstrip().partition("\n")
    return first.startswith("{") and bool(others.strip()) and _is_json(first)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _split_json_lines(text: str) -> list[_WrittenEvent]:
    # Taken one by one: a file of nothing but short lines has millions of them.
    lines = enumerate(StringIO(text, newline="\n"), start=1)
    written = ((number, line.removesuffix("\n")) for number, line in lines if line.strip())
    return [
        _WrittenEvent(partial(_read_json_line, line, number), partial(_always, number))
        for number, line in islice(written, MAX_EVENTS + 1)
    ]


def _read_json_line(line: str, number: int) -> object:
    # Each line is read alone: one broken line must not hide the mistakes in the others.
    try:
        return read_located_json(line)
    except LocatedJsonError as error:
        raise _MistakesError((number, error.problem)) from None


def _always(line: int, _path: Sequence[int | str]) -> int:
    return line


def _split_json(text: str) -> list[_WrittenEvent]:
    try:
        content = read_located_json(text)
    except LocatedJsonError as error:
        raise _MistakesError((error.line, error.problem)) from None
    if not isinstance(content, list):
        return [_WrittenEvent(lambda: content, partial(line_in_json, text))]
    return [
        _WrittenEvent(partial(content.__getitem__, place), partial(_line_of_item, text, place))
        for place in range(min(len(content), MAX_EVENTS + 1))
    ]


def _line_of_item(text: str, place: int, path: Sequence[int | str]) -> int:
    return line_in_json(text, (place, *path))


def _split_yaml(text: str) -> list[_WrittenEvent]:
    try:
        read = read_located_yaml(text)
    except YamlLimitError as error:
        raise _MistakesError((error.line, error.problem)) from None
    except LocatedYamlError as error:
        what = "neither JSON nor YAML" if error.column is None else "not YAML"
        raise _MistakesError((error.line, f"{what}: {error.problem[:160]}")) from None
    if read.problems:
        raise _MistakesError(*((problem.line, f"not YAML: {problem.sentence}") for problem in read.problems))
    every_tree = (tree for document in read.documents for tree in _items(document.root))
    trees = list(islice(every_tree, MAX_EVENTS + 1))
    if inexact := list(islice((found for tree in trees for found in _inexact_numbers(tree)), MAX_MISTAKES)):
        raise _MistakesError(*inexact)
    return [_WrittenEvent(partial(plain_data, tree), partial(_line_in_tree, tree)) for tree in trees]


def _inexact_numbers(tree: Tree) -> Iterator[tuple[int, str]]:
    match tree:
        case Scalar():
            if isinstance(tree.value, float) and not is_exact(tree.text):
                yield tree.line, inexact_number_sentence(tree.text)
        case Listing():
            for item in tree.items:
                yield from _inexact_numbers(item)
        case _:
            for value in tree.entries.values():
                yield from _inexact_numbers(value)


def _items(root: Tree) -> tuple[Tree, ...]:
    return root.items if isinstance(root, Listing) else (root,)


def _line_in_tree(tree: Tree, path: Sequence[int | str]) -> int:
    return locate(tree, path)[0]


def _event(written: _WrittenEvent, new_id: Callable[[], str]) -> Event:
    content = written.read()
    if has_more_values(content, MAX_VALUES_OF_EVENT):
        too_many = f"event: more than {MAX_VALUES_OF_EVENT:,} values: no topic takes them"
        raise _MistakesError((written.line_of(()), too_many))
    try:
        fields = _EventFields.model_validate_json(json.dumps(content))
    except ValidationError as wrong:
        raise _invalid(written, wrong, "event", ()) from None
    entry = find_event_type(fields.type)
    if entry is None:
        unknown = f"event: unknown type {fields.type[:40]!r}; known are {_NAMES}"
        raise _MistakesError((written.line_of(("type",)), unknown))
    try:
        data = entry.model.model_validate_json(json.dumps(cast("dict[str, object]", content)["data"]))
    except ValidationError as wrong:
        raise _invalid(written, wrong, entry.name, ("data",)) from None
    return Event(headers=_headers(fields, entry, new_id), data=data)


def _invalid(written: _WrittenEvent, wrong: ValidationError, name: str, above: tuple[str, ...]) -> _MistakesError:
    claims = located_field_messages(wrong)
    return _MistakesError(*((written.line_of((*above, *loc)), f"{name}: {claim}") for loc, claim in claims))


def _headers(fields: _EventFields, entry: EventType, new_id: Callable[[], str]) -> EventHeaders:
    return EventHeaders(
        id=fields.id or new_id(),
        type=entry.ce_type,
        source=fields.source,
        time=fields.time,
        subject=fields.subject,
    )
