"""Read YAML into a tree in which every value knows its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.nodes import ScalarNode

from router.tables.diagnostics import Diagnostics, TableErrors
from router.tables.feel.literals import join_surrogates
from router.tables.formats.tree import Block, Listing, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.events import Event
    from ruamel.yaml.resolver import VersionedResolver

    from router.tables.formats.tree import Tree


_DEEPEST = 20
# Signs near which libyaml, which knows YAML 1.1, may read otherwise: ends of lines, byte order marks, anchors, tags.
_READ_OTHERWISE = frozenset("\x85\u2028\u2029\ufeff&*!\t")


def read_yaml(text: str, source: str, complaints: Diagnostics) -> Tree:
    """Read one YAML document; keys that stand twice become complaints.

    Raises:
        TableErrors: the text is not YAML; one sentence with its line.
    """
    try:
        return _grown_quickly(text, complaints) or grown(text, complaints, quick=False)
    except TableErrors:
        raise
    except (YAMLError, ValueError) as error:
        raise TableErrors([_not_yaml(source, error)]) from None


def _grown_quickly(text: str, complaints: Diagnostics) -> Tree | None:
    """Read by libyaml; None: it refuses some of YAML 1.2, and says less about what is wrong."""
    if not _READ_OTHERWISE.isdisjoint(text):
        return None
    try:
        return grown(text, complaints, quick=True)
    except TableErrors:
        raise
    except (YAMLError, ValueError):
        return None


def grown(text: str, complaints: Diagnostics, *, quick: bool) -> Tree:
    """Read by libyaml if it shall be `quick`, else by the reader in Python, which takes ten times as long.

    Raises:
        YAMLError: it is not YAML.
        ValueError: it is no text that could be YAML.
        TableErrors: it is YAML, and cannot be a table; one sentence with its line.
    """
    reader = YAML(typ="safe", pure=not quick)
    found = Diagnostics(complaints.places)
    tree = _Grower(reader.parse(text), reader.resolver, found).document()
    for line, complaint in found.entries:
        complaints.add(line, complaint)
    return tree


def _not_yaml(source: str, error: Exception) -> str:
    match error:
        case MarkedYAMLError(problem_mark=mark, problem=str(problem)) if mark is not None:
            problem = problem.splitlines()[0].split("  in ")[0].strip()
            return f"{source}:{mark.line + 1}: not valid YAML: {problem} (column {mark.column + 1})"
        case _:
            return f"{source}:1: not valid YAML: {str(error).splitlines()[0]}"


class _Grower:
    """Grows a tree from what a reader of YAML meets; refuses aliases, which would hide where a value stands.

    The composers of the readers do not count how deep they are: the quick one ends the process on deep nesting.
    """

    def __init__(self, met: Iterator[Event], resolver: VersionedResolver, complaints: Diagnostics) -> None:
        self._met = met
        self._resolver = resolver
        self._complaints = complaints

    def document(self) -> Tree:
        self._next()  # the start of the stream
        start = self._next()
        if isinstance(start, StreamEndEvent):
            raise TableErrors([f"{self._complaints.places.full_name(1)}: the file is empty"])
        tree = self._grow(self._next(), _DEEPEST)
        self._next()  # the end of the document
        another = self._next()
        if not isinstance(another, StreamEndEvent):
            self._refuse(another, "a second YAML document begins here: a file holds one table, so take it out")
        return tree

    def _next(self) -> Event:
        return next(self._met)

    def _grow(self, event: Event, depth: int) -> Tree:
        line = event.start_mark.line + 1
        if depth == 0:
            self._refuse(event, "nested too deep for a table")
        match event:
            case ScalarEvent():
                text = self._text(event.value, line)
                return Scalar(text, _plain(self._tag(event), text), line)
            case SequenceStartEvent():
                return Listing(tuple(self._grow(item, depth - 1) for item in self._until(SequenceEndEvent)), line)
            case MappingStartEvent():
                return self._block(line, depth - 1)
            case AliasEvent():
                self._complaints.add(line, "aliases (*name) are not taken: write the value out")
                return Scalar("", None, line)
        raise TypeError(f"YAML has no other value than these: {event!r}")

    def _until(self, end: type[Event]) -> Iterator[Event]:
        while not isinstance(event := self._next(), end):
            yield event

    def _refuse(self, event: Event, why: str) -> NoReturn:
        raise TableErrors([f"{self._complaints.places.full_name(event.start_mark.line + 1)}: {why}"])

    def _tag(self, scalar: ScalarEvent) -> str:
        tag = scalar.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(ScalarNode, scalar.value, scalar.implicit)
        return str(tag)

    def _text(self, written: str, line: int) -> str:
        text = join_surrogates(written)
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            self._complaints.add(line, "half a character stands here (an escape such as \\ud800): write the whole one")
        return text

    def _block(self, line: int, depth: int) -> Block:
        entries: dict[str, Tree] = {}
        lines: dict[str, int] = {}
        for key in self._until(MappingEndEvent):
            place, name = key.start_mark.line + 1, self._grow(key, depth)
            value = self._grow(self._next(), depth)
            if not isinstance(name, Scalar):
                self._complaints.add(place, "a list or a block cannot name a value: write a word")
            elif name.text in entries:
                first = self._complaints.places.short_name(lines[name.text])
                self._complaints.add(place, f"'{name.text}' stands twice, first in {first}")
            else:
                lines[name.text], entries[name.text] = place, value
        return Block(entries, lines, line)


def _plain(tag: str, text: str) -> object:
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" | "float":
            return _number(text)
        case _:
            return text


def _number(text: str) -> object:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
