"""Run `southbound dlq list` and `southbound dlq stats`."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode
from southbound.operations.console import Printable, console, print_json, print_result, print_status, print_text
from southbound.operations.dlq.dlq_topic import ALL_STATES, open_dlq
from southbound.operations.dlq.letter import text_of
from southbound.operations.dlq.letter_status import LetterState

if TYPE_CHECKING:
    from datetime import datetime

    from southbound.operations.dlq.letter import Letter
    from southbound.operations.dlq.letter_filter import LetterOptions
    from southbound.operations.dlq.letter_status import ClosedLetters
    from southbound.settings.settings import Settings

_OPEN = frozenset({LetterState.OPEN})
_MIN_REASON_WIDTH = 40  # columns; with less, a reason has a line of its own
_MAX_WIDTH = 1_000  # columns of a dead letter without its reason
_GAP = 2  # columns between two others
_PLAIN_WIDTH = 120  # columns of a list where no terminal and no COLUMNS says another
_MIN_LINE = 100  # columns of a reason below its dead letter
_MAX_SOURCES = 100  # of a group, that are counted apart
_MAX_SOURCE_WIDTH = 30  # columns of `stats`
_MAX_GROUPS = 1_000  # lines of `stats`; what more there are is counted in one line


def list_letters(
    settings: Settings, chosen: LetterOptions, *, closed_too: bool, limit: int | None, as_json: bool
) -> int:
    """Run `southbound dlq list`: the newest `limit` dead letters, or with `as_json` and no limit all, as they are read.

    Raises:
        CommandFailedError: an option is wrong, or Kafka does not answer.
    """
    with open_dlq(settings, chosen) as topic:
        closed = topic.read_closed()
        letters = topic.letters(closed, topic.ranges(), ALL_STATES if closed_too else _OPEN)
        if as_json and limit is None:
            for letter in letters:
                print_json(json.dumps(letter_facts(letter, closed)))
            return ExitCode.SUCCESS
        newest = _Newest(limit or 50)
        for letter in letters:
            newest.add(letter)
    if as_json:
        for letter in newest.letters():
            print_json(json.dumps(letter_facts(letter, closed)))
        return ExitCode.SUCCESS
    if newest.count:
        print_letters(newest.letters(), closed, closed_too=closed_too)
    print_status(_count_sentence(newest, closed_too=closed_too))
    return ExitCode.SUCCESS


def show_stats(settings: Settings, chosen: LetterOptions, *, as_json: bool) -> int:
    """Run `southbound dlq stats`.

    Raises:
        CommandFailedError: an option is wrong, or Kafka does not answer.
    """
    stats = _Stats()
    with open_dlq(settings, chosen) as topic:
        closed = topic.read_closed()
        for letter in topic.letters(closed, topic.ranges(), ALL_STATES):
            stats.add(letter, closed.state_of(letter))
    if as_json:
        for group, figures in stats.sorted():
            print_json(json.dumps({**group._asdict(), **figures.as_json()}))
        return ExitCode.SUCCESS
    if stats.groups:
        print_result(_stats_table(stats))
    print_text(", ".join(f"{stats.states[state]:,} {state}" for state in LetterState))
    print_status("`southbound dlq show ID` explains one of them")
    return ExitCode.SUCCESS


def letter_facts(letter: Letter, closed: ClosedLetters) -> dict[str, object]:
    """Return what is known about a dead letter without its content, for JSON."""
    closure = closed.closure_of(letter)
    facts: dict[str, object] = {
        "id": str(letter.id),
        "time": letter.at.isoformat(timespec="milliseconds"),
        "state": closed.state_of(letter).value,
        "class": letter.error_class,
        "key": text_of(letter.key) if letter.key is not None else None,
        **({"source": source} if (source := letter.source) else {}),
        **{name: text for name, text in letter.why.items() if name != "class"},
        "redrives": letter.redrives,
    }
    if closure is not None:
        named = {name: getattr(closure, name) for name in ("by", "comment", "redrive", "edited")}
        facts["closed"] = {"at": closure.at.isoformat(), **{name: text for name, text in named.items() if text}}
    return facts


class _Newest:
    """The newest dead letters of many, in bounded memory."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self._heap: list[tuple[int, tuple[int, int], Letter]] = []

    def add(self, letter: Letter) -> None:
        """Count a dead letter."""
        self.count += 1
        entry = (letter.timestamp_ms, (letter.id.partition, letter.id.offset), letter)
        if len(self._heap) < self.limit:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def letters(self) -> list[Letter]:
        """Return them, the oldest first."""
        return [letter for _, _, letter in sorted(self._heap, key=lambda entry: entry[:2])]


def print_letters(letters: list[Letter], closed: ClosedLetters, *, closed_too: bool) -> None:
    """Print the reason of each dead letter beside it, or where that has no room, below it; ids are never shortened."""
    out = console(plain_width=_PLAIN_WIDTH)
    facts = _facts_table(letters, closed, closed_too=closed_too)
    width = Measurement.get(out, out.options.update(max_width=_MAX_WIDTH), facts).maximum
    if (room := out.width - width - _GAP) >= _MIN_REASON_WIDTH:
        table = Table.grid(padding=(0, _GAP, 0, 0))
        reasons = Table("reason", box=None, pad_edge=False)
        reasons.columns[0].no_wrap = True
        for letter in letters:
            reasons.add_row(Text(_one_line(letter.reason), overflow="ellipsis"))
        table.add_column(width=width, no_wrap=True)
        table.add_column(width=room, no_wrap=True)
        table.add_row(facts, reasons)
        out.print(Printable(table))
        return
    lines = out.render_lines(facts, out.options.update(width=width), pad=False)
    head, *rows = ("".join(segment.text for segment in line).rstrip() for line in lines)
    print_text(head)
    for row, letter in zip(rows, letters, strict=True):
        print_text(f"{row}\n    {_shortened(_one_line(letter.reason), max(out.width, _MIN_LINE) - 4)}")


def _facts_table(letters: list[Letter], closed: ClosedLetters, *, closed_too: bool) -> Table:
    state = ("state",) if closed_too else ()
    redrives = ("redrives",) if any(letter.redrives for letter in letters) else ()
    table = Table(box=None, pad_edge=False)
    for name in ("id", "time", *state, "class", "code", "run", "from", *redrives):
        table.add_column(name, no_wrap=True)
    for letter in letters:
        facts = (
            str(letter.id),
            letter.at.astimezone().strftime("%m-%d %H:%M:%S"),
            *([closed.state_of(letter).value] if closed_too else []),
            letter.error_class,
            letter.code,
            letter.run or text_of(letter.key) or "-",
            _short_topic(letter),
            *([str(letter.redrives or "")] if redrives else []),
        )
        table.add_row(*(Text(_one_line(fact)) for fact in facts))
    return table


def _short_topic(letter: Letter) -> str:
    """Return the topic as `--topic` takes it: `dispatch.fibre-lab`; that of another cluster as it is."""
    return letter.topic if letter.is_of_stream else letter.topic.rpartition("testrun.")[2]


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _count_sentence(newest: _Newest, *, closed_too: bool) -> str:
    open_ = "" if closed_too else "open "
    if newest.count > newest.limit:
        return (
            f"the newest {newest.limit:,} of {newest.count:,} {open_}dead letters: narrow them with a filter, or use "
            "--limit"
        )
    return count_noun(newest.count, f"{open_}dead letter")


def _local(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


class _Group(NamedTuple):
    """What dead letters are counted by."""

    error_class: str
    code: str
    topic: str
    spoke: str


@dataclass(slots=True)
class LetterFigures:
    """The open dead letters of a group."""

    open: int = 0
    oldest: Letter | None = None
    newest: Letter | None = None
    redriven_before: int = 0
    sources: set[str] = field(default_factory=set)

    def add(self, letter: Letter) -> None:
        """Count an open dead letter."""
        self.open += 1
        self.redriven_before += bool(letter.redrives)
        if len(self.sources) < _MAX_SOURCES and (source := letter.source):
            self.sources.add(source)
        if self.oldest is None or letter.timestamp_ms < self.oldest.timestamp_ms:
            self.oldest = letter
        if self.newest is None or letter.timestamp_ms >= self.newest.timestamp_ms:
            self.newest = letter

    @property
    def source_text(self) -> str:
        """The producer of all of them, or how many there are."""
        if len(self.sources) <= 1:
            return _one_line("".join(self.sources))[:_MAX_SOURCE_WIDTH]
        return f"{len(self.sources)}{'+' if len(self.sources) == _MAX_SOURCES else ''} producers"

    def as_json(self) -> dict[str, object]:
        """Return the figures for JSON."""
        return {
            "open": self.open,
            "redriven_before": self.redriven_before,
            "sources": sorted(self.sources),
            "oldest": self.oldest.at.isoformat() if self.oldest else None,
            "newest": self.newest.at.isoformat() if self.newest else None,
            "example": str(self.newest.id) if self.newest else None,
        }


_OTHERS = _Group("(others)", "", "", "")


@dataclass(slots=True)
class _Stats:
    """How many dead letters there are, by state, and the open ones by group."""

    states: Counter[LetterState] = field(default_factory=Counter)
    groups: dict[_Group, LetterFigures] = field(default_factory=dict)

    def add(self, letter: Letter, state: LetterState) -> None:
        """Count a dead letter."""
        self.states[state] += 1
        if state is LetterState.OPEN:
            group = _Group(letter.error_class, letter.code, letter.topic, letter.spoke)
            if group not in self.groups and len(self.groups) >= _MAX_GROUPS:
                group = _OTHERS
            self.groups.setdefault(group, LetterFigures()).add(letter)

    def sorted(self) -> list[tuple[_Group, LetterFigures]]:
        """Return the groups, the largest first."""
        return sorted(self.groups.items(), key=lambda item: (-item[1].open, item[0]))


def _stats_table(stats: _Stats) -> Table:
    headings = ("open", "class", "code", "from", "spoke", "source", "oldest", "newest", "redriven before", "example")
    table = Table(*headings, box=None, pad_edge=False)
    for group, figures in stats.sorted():
        oldest, newest = figures.oldest, figures.newest
        table.add_row(
            f"{figures.open:,}",
            *group,
            figures.source_text,
            _local(oldest.at) if oldest else "",
            _local(newest.at) if newest else "",
            f"{figures.redriven_before:,}",
            str(newest.id) if newest else "",
        )
    return table
