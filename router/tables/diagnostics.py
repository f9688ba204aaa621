"""Collect all problems of a table file, so that they are reported together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


MAX_PROBLEMS = 1_000  # of a file; nobody reads more of them
MAX_ROWS = 20_000  # of a table; the memory of its index and analysis grows with the square: 260 MB for so many


class TableErrors(ValueError):  # noqa: N818 - one exception carries all errors
    """A table file cannot be used. Each message names the file, line, row and column.

    `diagnostics` has the same problems by place. It is None if the file could not be parsed at all.
    """

    def __init__(self, sentences: Iterable[str], diagnostics: Diagnostics | None = None) -> None:
        self.sentences = tuple(sentences)
        self.diagnostics = diagnostics
        super().__init__("\n".join(self.sentences))


def check_row_count(rows: int, place: str) -> None:
    """Refuse a table with too many rows before they are read.

    Raises:
        TableErrors: there are more than 20,000.
    """
    if rows > MAX_ROWS:
        raise TableErrors([f"{place}: the table has {rows:,} rows, and at most {MAX_ROWS:,} are read: split it"])


class SourcePlaces(Protocol):
    """Names the places of a source file. A place is a number that increases from the start of the file to its end."""

    def full_name(self, place: int) -> str:
        """Return the place with its file, as the start of an error sentence."""

    def short_name(self, place: int) -> str:
        """Return the place without its file, for use inside a sentence."""


@dataclass(frozen=True, slots=True)
class LineNumbers:
    """The places of a text file: line numbers, counted from 1."""

    source: str

    def full_name(self, place: int) -> str:
        """Return `file:line`."""
        return f"{self.source}:{place}"

    def short_name(self, place: int) -> str:
        """Return `line N`."""
        return f"line {place}"


class Diagnostics:
    """The problems of one file."""

    def __init__(self, places: SourcePlaces) -> None:
        self.places = places
        self._entries: list[tuple[int, str]] = []
        self._unreadable: set[int] = set()

    @property
    def entries(self) -> tuple[tuple[int, str], ...]:
        """Place and sentence of each problem, ordered by place."""
        return tuple(sorted(self._entries, key=lambda entry: entry[0]))

    def add(self, place: int, problem: str) -> None:
        """Add a problem at a place. It is ignored after `add_unreadable` for the same place.

        Raises:
            TableErrors: there are more than a thousand; they have the last sentence in common.
        """
        if place in self._unreadable:
            return
        self._entries.append((place, problem))
        if len(self._entries) > MAX_PROBLEMS:
            self._entries[-1] = (place, "more than 1,000 mistakes: correct these first, the rest is not read")
            self.raise_if_any()

    def add_unreadable(self, place: int, problem: str) -> None:
        """Add the reason why a place cannot be read, and ignore later problems there: they only follow from it."""
        self.add(place, problem)
        self._unreadable.add(place)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def raise_if_any(self) -> None:
        """Raise the problems, if there are any.

        Raises:
            TableErrors: there is at least one problem.
        """
        if self._entries:
            raise TableErrors([f"{self.places.full_name(place)}: {problem}" for place, problem in self.entries], self)
