"""Collect everything that is wrong with a table file, to tell it all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class TableErrors(ValueError):  # noqa: N818 - it carries all of them at once
    """A table file cannot be used; each sentence names file, line, row and column.

    `complaints` has the same by place, unless the file could not be read that far.
    """

    def __init__(self, sentences: Iterable[str], complaints: Diagnostics | None = None) -> None:
        self.sentences = tuple(sentences)
        self.complaints = complaints
        super().__init__("\n".join(self.sentences))


class SourcePlaces(Protocol):
    """Says in words where in a file something stands. Places are numbers that grow from its start to its end."""

    def at(self, place: int) -> str:
        """Name a place with its file, to start a sentence."""

    def within(self, place: int) -> str:
        """Name a place inside the file, in the middle of a sentence."""


@dataclass(frozen=True, slots=True)
class LineNumbers:
    """The places of a text: its lines, counted from 1."""

    source: str

    def at(self, place: int) -> str:
        """Name a line as editors do."""
        return f"{self.source}:{place}"

    def within(self, place: int) -> str:
        """Name a line."""
        return f"line {place}"


class Diagnostics:
    """The complaints about one file, told in the order of their places."""

    def __init__(self, places: SourcePlaces) -> None:
        self.places = places
        self._told: list[tuple[int, str]] = []
        self._closed: set[int] = set()

    @property
    def told(self) -> tuple[tuple[int, str], ...]:
        """Place and complaint of each, in the order of their places."""
        return tuple(sorted(self._told, key=lambda complaint: complaint[0]))

    def add(self, place: int, what: str) -> None:
        """Note what is wrong at a place."""
        if place not in self._closed:
            self._told.append((place, what))

    def add_only(self, place: int, what: str) -> None:
        """Note why what stands at a place cannot be read; whatever follows from that is not told."""
        self.add(place, what)
        self._closed.add(place)

    def __bool__(self) -> bool:
        return bool(self._told)

    def raise_any(self) -> None:
        """Raise all of them, if there are any.

        Raises:
            TableErrors: there are.
        """
        if self._told:
            raise TableErrors([f"{self.places.at(place)}: {what}" for place, what in self.told], self)
