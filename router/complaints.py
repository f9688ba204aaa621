"""Collect everything that is wrong with a table file, to tell it all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class TableErrors(ValueError):  # noqa: N818 - it carries all of them at once
    """A table file cannot be used; each sentence names file, line, row and column."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(self.sentences))


class Complaints:
    """The complaints about one file, told in the order of its lines."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._told: list[tuple[int, str]] = []

    def add(self, line: int, what: str) -> None:
        """Note what is wrong in a line (counted from 1)."""
        self._told.append((line, what))

    def __bool__(self) -> bool:
        return bool(self._told)

    def raise_any(self) -> None:
        """Raise all of them, if there are any.

        Raises:
            TableErrors: there are.
        """
        if self._told:
            told = sorted(self._told, key=lambda complaint: complaint[0])
            raise TableErrors(f"{self._source}:{line}: {what}" for line, what in told)
