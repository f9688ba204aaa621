"""Read YAML into trees in which every value has its line.

The text may come from anybody, so what it can cost is limited: values are counted while they are read, and aliases
count as what they repeat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from schemas.files.located_tree import Block, Listing, Scalar, Tree
from schemas.files.surrogates import has_surrogates, join_surrogates
from schemas.text.invisible import first_unseen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.events import Event

MAX_DEPTH = 100  # levels
MAX_VALUES = 1_000_000  # about 250 MB
_MAX_REPEATED = 100_000  # characters and values that the aliases and merge keys of a text add to it
_MAX_PROBLEMS = 1_000  # nobody reads more of them
_MAX_DIGITS = 4300  # Python's own limit: beyond it, reading an int takes quadratic time
_MAX_EXCERPT = 60  # characters
# libyaml, which knows YAML 1.1, may read these otherwise: ends of lines, byte order marks, anchors, tags.
_READ_BY_PYTHON = frozenset("\x85\u2028\u2029\ufeff&*!\t%")
_MAX_READ_BY_PYTHON = 250_000  # characters: it needs up to 15 microseconds for each
_SPLIT = f"split the file into parts of up to {_MAX_READ_BY_PYTHON:,} characters"
# What remains of them if a text has neither anchors nor aliases nor tags.
_NOT_IN_LONG_TEXTS = re.compile("[\x85\u2028\u2029\ufeff\t]|^%", re.MULTILINE)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPE_BEYOND_UNICODE = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}")
_REMEDIES = {r"found character '\t' that cannot start any token": "found a tab: indent with spaces"}
_MERGE_KEY = "<<"
_NO_TAG = (None, "!")
_TAG_PREFIX = "tag:yaml.org,2002:"
_COLLECTION_TAGS = frozenset({"map", "seq"})
_SCALAR_TYPES = {"bool": bool, "float": float | int, "int": int, "null": NoneType, "str": object, "timestamp": str}

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST_OF_NUMBERS = frozenset("+-.0123456789")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+][0-9]+)?)")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)?"
)
# What the parsers raise besides their own errors: for unknown escapes, characters and versions.
_PARSER_ERRORS = (YAMLError, ValueError, OverflowError)


class LocatedYamlError(ValueError):
    """The text cannot be read as YAML. There is no column if the parser names no place."""

    def __init__(self, problem: str, line: int = 1, column: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


class YamlLimitError(LocatedYamlError):
    """The text may be YAML, but it exceeds a limit."""


class NestedTooDeepError(YamlLimitError):
    """Values are nested deeper than the caller allows."""


class YamlProblemKind(Enum):
    """What is valid in YAML and has no place in a tree."""

    ALIAS = auto()
    DUPLICATE_KEY = auto()
    HALF_CHARACTER = auto()
    IMPOSSIBLE_DATE = auto()
    INVISIBLE = auto()
    KEY_NOT_SCALAR = auto()
    LONG_NUMBER = auto()
    TAG = auto()


_SENTENCES = {
    YamlProblemKind.ALIAS: "aliases (*name) are not taken: write the value out",
    YamlProblemKind.DUPLICATE_KEY: "'{excerpt}' stands twice, first in {first}",
    YamlProblemKind.HALF_CHARACTER: "half a character stands here (an escape such as \\ud800): write the whole one",
    YamlProblemKind.IMPOSSIBLE_DATE: "there is no date or time {excerpt}: correct it, or put it in quotes",
    YamlProblemKind.INVISIBLE: (
        "the character {excerpt} stands here, which nobody sees, or which could not be read: delete it, or write it as "
        "an escape in double quotes"
    ),
    YamlProblemKind.KEY_NOT_SCALAR: "a list or a block cannot name a value: write a word",
    YamlProblemKind.LONG_NUMBER: "a number is too large for any system to read it: put it in quotes if it is text",
    YamlProblemKind.TAG: "the tag {excerpt} is unknown, or does not fit its value: remove it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlProblem:
    """One problem and its line. A duplicate key has the line of the first."""

    kind: YamlProblemKind
    line: int
    excerpt: str = ""
    first_line: int = 0

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do."""
        return self.sentence_with(f"line {self.first_line}")

    def sentence_with(self, first_place: str) -> str:
        """Return the sentence with another name for the place of a first key."""
        return _SENTENCES[self.kind].format(excerpt=self.excerpt, first=first_place)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document and the line where it starts."""

    root: Tree
    line: int


@dataclass(frozen=True, slots=True)
class LocatedYaml:
    """All documents of a text, and the first thousand problems in the order in which they were found.

    `invisible` are values and keys with a character that nobody sees, which data may have and what decides should not.
    """

    documents: tuple[Document, ...]
    problems: tuple[YamlProblem, ...]
    invisible: tuple[YamlProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    aliases: bool
    depth: int
    values: int
    long: bool = False  # has no anchors, aliases and tags, then


def read_located_yaml(
    text: str, *, aliases: bool = True, max_depth: int = MAX_DEPTH, max_values: int = MAX_VALUES
) -> LocatedYaml:
    """Read all documents of a text (YAML 1.2). Numbers are decimal, as in JSON; dates are texts.

    Unless `aliases` is set, each of them is a problem. If it is set, the key `<<` merges mappings. A text of more than
    250,000 characters has no anchors, aliases, tags, directives or tabs, because only a slow parser reads them well.

    Raises:
        YamlLimitError: it has more values or levels than allowed, or its aliases repeat too much.
        LocatedYamlError: it is not YAML.
    """
    limits = _Limits(aliases=aliases, depth=max_depth, values=max_values)
    try:
        if len(text) > _MAX_READ_BY_PYTHON:
            return _read_long(text.removeprefix("\ufeff"), limits)
        if not _READ_BY_PYTHON.isdisjoint(text):
            return _TreeBuilder(text, limits, by_libyaml=False).read()
        return _read_by_libyaml(text, limits)
    except LocatedYamlError:
        raise
    except _PARSER_ERRORS as error:
        raise _located(error, text) from None


def _read_by_libyaml(text: str, limits: _Limits) -> LocatedYaml:
    try:
        return _TreeBuilder(text, limits, by_libyaml=True).read()
    except YamlLimitError:
        raise
    except _PARSER_ERRORS:
        # libyaml refuses some of YAML 1.2, and says less about what is wrong.
        return _TreeBuilder(text, limits, by_libyaml=False).read()


def _read_long(text: str, limits: _Limits) -> LocatedYaml:
    if found := _NOT_IN_LONG_TEXTS.search(text):
        problem = f"the character U+{ord(found[0]):04X} stands in a long text: write it as an escape, or {_SPLIT}"
        raise YamlLimitError(problem, _line_at(text, found))
    try:
        return _TreeBuilder(text, replace(limits, long=True), by_libyaml=True).read()
    except LocatedYamlError:
        raise
    except _PARSER_ERRORS as error:
        located = _located(error, text)
        raise LocatedYamlError(f"{located.problem}: correct it, or {_SPLIT}", located.line, located.column) from None


def _located(error: Exception, text: str) -> LocatedYamlError:
    if found := _UNPRINTABLE.search(text):
        return LocatedYamlError(f"the character U+{ord(found[0]):04X} is not allowed: remove it", _line_at(text, found))
    if found := _ESCAPE_BEYOND_UNICODE.search(text) if not isinstance(error, YAMLError) else None:
        return LocatedYamlError("there is no character with this number: correct the escape", _line_at(text, found))
    match error:
        case MarkedYAMLError(problem_mark=mark, problem=str(problem)) if mark is not None:
            problem = problem.splitlines()[0].split("  in ")[0].strip()
            return LocatedYamlError(_REMEDIES.get(problem, problem), mark.line + 1, mark.column + 1)
        case _:
            return LocatedYamlError((str(error).splitlines() or [type(error).__name__])[0])


def _line_at(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1


class _TreeBuilder:
    """Build trees from the events of a parser.

    The composers of the parsers do not limit the depth: libyaml's ends the process on deep nesting.
    """

    def __init__(self, text: str, limits: _Limits, *, by_libyaml: bool) -> None:
        self._events: Iterator[Event] = YAML(typ="safe", pure=not by_libyaml).parse(text)
        self._limits = limits
        self._values_left = limits.values
        self._repetitions_left = _MAX_REPEATED
        self._anchors: dict[str, Tree] = {}
        self._problems: list[YamlProblem] = []
        self._invisible: list[YamlProblem] = []
        self._written = text

    def read(self) -> LocatedYaml:
        """Read all documents."""
        documents = []
        next(self._events)  # the start of the stream
        while not isinstance(start := next(self._events), StreamEndEvent):
            self._anchors = {}
            documents.append(Document(self._tree(next(self._events), 1), start.start_mark.line + 1))
            next(self._events)  # the end of the document
        return LocatedYaml(tuple(documents), tuple(self._problems), tuple(self._invisible))

    def _tree(self, event: Event, depth: int) -> Tree:
        line = event.start_mark.line + 1
        self._values_left -= 1
        if self._values_left < 0:
            raise YamlLimitError(f"more than {self._limits.values:,} values: split the file", line)
        if depth > self._limits.depth:
            raise self._too_deep(line)
        if isinstance(event, AliasEvent):
            return self._repeated(event, line, depth)
        tree = self._value(event, line, depth)
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self._check_short(line)
            self._anchors[event.anchor] = tree
        return tree

    def _check_short(self, line: int) -> None:
        if self._limits.long:
            problem = f"an anchor (&), alias (*) or tag (!) stands in a long text: write the values out, or {_SPLIT}"
            raise YamlLimitError(problem, line)

    def _value(self, event: Event, line: int, depth: int) -> Tree:
        if isinstance(event, ScalarEvent):
            text = self._text(event.value, line)
            value = self._scalar_value(event, text, line)
            return Scalar(text, value, line) if text.isascii() else Scalar(text, value, line, self._unseen(text, line))
        if isinstance(event, CollectionStartEvent) and event.tag not in _NO_TAG:
            self._check_collection_tag(event, line)
        if isinstance(event, SequenceStartEvent):
            return Listing(tuple([self._tree(item, depth + 1) for item in self._until(SequenceEndEvent)]), line)
        if isinstance(event, MappingStartEvent):
            return self._block(line, depth + 1)
        raise TypeError(f"a parser of YAML has no such event: {event!r}")

    def _check_collection_tag(self, event: CollectionStartEvent, line: int) -> None:
        self._check_short(line)
        if _short_tag(event) not in _COLLECTION_TAGS:
            self._add_problem(YamlProblemKind.TAG, line, _shown_tag(event))

    def _until(self, end: type[Event]) -> Iterator[Event]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _text(self, written: str, line: int) -> str:
        if not has_surrogates(written):
            return written
        text = join_surrogates(written)
        if has_surrogates(text):
            self._add_problem(YamlProblemKind.HALF_CHARACTER, line)
        return text

    def _unseen(self, text: str, line: int) -> str:
        # YAML refuses controls that are not written as an escape.
        found = next((letter for letter in text if first_unseen(letter) and letter in self._written), "")
        if found and len(self._invisible) < _MAX_PROBLEMS:
            self._invisible.append(
                YamlProblem(kind=YamlProblemKind.INVISIBLE, line=line, excerpt=f"U+{ord(found):04X}")
            )
        return found

    def _scalar_value(self, event: ScalarEvent, text: str, line: int) -> object:
        if event.tag in _NO_TAG:
            return self._plain_value(text, line) if event.implicit[0] else text
        self._check_short(line)
        name = _short_tag(event)
        value = text if name == "str" else self._plain_value(text, line)
        if name not in _SCALAR_TYPES or not isinstance(value, _SCALAR_TYPES[name]):
            self._add_problem(YamlProblemKind.TAG, line, _shown_tag(event))
        return value

    def _plain_value(self, text: str, line: int) -> object:
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] not in _FIRST_OF_NUMBERS:
            return text
        if _NUMBER.fullmatch(text):
            return self._number(text, line)
        if (written := _TIMESTAMP.fullmatch(text)) and not _is_a_moment(written):
            self._add_problem(YamlProblemKind.IMPOSSIBLE_DATE, line, text)
        return text

    def _number(self, text: str, line: int) -> object:
        try:
            value = int(text) if len(text) <= _MAX_DIGITS and text.lstrip("+-").isdigit() else float(text)
        except ValueError:  # underscores where Python has none
            return text
        if not isfinite(value):
            self._add_problem(YamlProblemKind.LONG_NUMBER, line)
        return value

    def _block(self, line: int, depth: int) -> Block:
        block = Block({}, {}, line)
        merged: list[Tree] = []
        for key in self._until(MappingEndEvent):
            key_line, name = key.start_mark.line + 1, self._tree(key, depth)
            value = self._tree(next(self._events), depth)
            if not isinstance(name, Scalar):
                self._add_problem(YamlProblemKind.KEY_NOT_SCALAR, key_line)
            elif name.text == _MERGE_KEY and self._limits.aliases and _merges(key, value):
                merged += value.items if isinstance(value, Listing) else [value]
            elif name.text in block.entries:
                self._add_problem(YamlProblemKind.DUPLICATE_KEY, key_line, name.text, block.lines[name.text])
            else:
                block.lines[name.text], block.entries[name.text] = key_line, value
        for source in merged:
            self._merge(block, source, line)
        return block

    def _merge(self, block: Block, source: Tree, line: int) -> None:
        """Add the entries that the block does not have itself."""
        if isinstance(source, Block):
            self._repeat(len(source.entries), line)
            for key in source.entries.keys() - block.entries.keys():
                block.entries[key], block.lines[key] = source.entries[key], source.lines[key]

    def _repeated(self, event: AliasEvent, line: int, depth: int) -> Tree:
        if not self._limits.aliases:
            self._add_problem(YamlProblemKind.ALIAS, line)
            return Scalar("", None, line)
        self._check_short(line)
        if event.anchor not in self._anchors:
            problem = f"found undefined alias {_excerpt(event.anchor)!r}"
            raise LocatedYamlError(problem, line, event.start_mark.column + 1)
        tree = self._anchors[event.anchor]
        self._count(tree, line, depth)
        return tree

    def _count(self, tree: Tree, line: int, depth: int) -> None:
        if depth > self._limits.depth:
            raise self._too_deep(line)
        match tree:
            case Scalar():
                self._repeat(1 + len(tree.text), line)
            case Listing():
                self._repeat(1, line)
                for item in tree.items:
                    self._count(item, line, depth + 1)
            case Block():
                self._repeat(1 + sum(map(len, tree.entries)), line)
                for value in tree.entries.values():
                    self._count(value, line, depth + 1)

    def _repeat(self, count: int, line: int) -> None:
        self._repetitions_left -= count
        if self._repetitions_left < 0:
            problem = f"aliases repeat more than {_MAX_REPEATED:,} values and characters: use fewer of them"
            raise YamlLimitError(problem, line)

    def _too_deep(self, line: int) -> NestedTooDeepError:
        return NestedTooDeepError(f"nested deeper than {self._limits.depth} levels: remove some", line)

    def _add_problem(self, kind: YamlProblemKind, line: int, excerpt: str = "", first_line: int = 0) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(YamlProblem(kind=kind, line=line, excerpt=_excerpt(excerpt), first_line=first_line))


def _short_tag(event: ScalarEvent | CollectionStartEvent) -> str:
    tag = str(event.tag)
    return tag.removeprefix(_TAG_PREFIX) if tag.startswith(_TAG_PREFIX) else ""


def _shown_tag(event: ScalarEvent | CollectionStartEvent) -> str:
    name = _short_tag(event)
    return f"!!{name}" if name else str(event.tag)


def _excerpt(text: str) -> str:
    shown = "".join(sign if sign.isprintable() else "·" for sign in text[:_MAX_EXCERPT])
    return shown if len(text) <= _MAX_EXCERPT else f"{shown}…"


def _is_a_moment(written: re.Match[str]) -> bool:
    year, month, day, hour, minute, second = (int(group or 0) for group in written.groups())
    try:
        datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return False
    return True


def _merges(key: Event, value: Tree) -> bool:
    sources = value.items if isinstance(value, Listing) else (value,)
    is_plain = isinstance(key, ScalarEvent) and bool(key.implicit and key.implicit[0])
    return is_plain and all(isinstance(source, Block) for source in sources)
