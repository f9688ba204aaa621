"""Find the rows that match in a large table of words: look two words up, and compare the others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from router.tables.feel.conditions import word_of
from router.tables.feel.values import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from router.tables.feel.conditions import Inputs
    from router.tables.feel.unary_test import Cell
    from router.tables.index.exact_index import ExactIndex
    from router.tables.model import Row

    Choice = tuple[str | None, ...]  # a word for each column; None where the row takes anything
    Take = Callable[[Sequence[Any]], Sequence[Any]]
    Filed = tuple[int, Take, str]  # where a row stands, how to take the values that it asks about, its words, joined
    File = Mapping[str, tuple[Filed, ...]]
    Choices = Sequence[tuple[Choice, Filed]]


END = "\0"  # between words; none that is filed has it

joined = END.join

MOST_CHOICES = 4  # for each row: one that lists words is filed once for each choice of them

MOST_TOGETHER = 4  # rows under the same words, on average


def choices_of(rows: Sequence[Row]) -> Choices | None:
    """Choose a word of each cell, in every way; None if there are too many, or a cell asks for more than words."""
    room = MOST_CHOICES * len(rows)
    found: list[tuple[Choice, Filed]] = []
    takes: dict[tuple[int, ...], Take] = {}  # few differ
    for place, row in enumerate(rows):
        words = [_words_of(cell) for cell in row.cells]
        if not 0 < prod(map(len, words)) <= room - len(found):
            return None
        for choice in product(*words):
            asked = tuple(column for column, word in enumerate(choice) if word is not None)
            take = takes.setdefault(asked, all_of(asked))
            found.append((choice, (place, take, joined(take(choice)))))
    return found


def _words_of(cell: Cell) -> Sequence[str | None]:
    """Give the words that a cell takes, None for all; nothing if that does not say it."""
    if cell.is_any:
        return (None,)
    words = {word_of(condition) for condition in cell.conditions}
    return () if cell.negated or any(word is None or END in word for word in words) else tuple(words)


def filed(choices: Choices, *columns: int) -> tuple[File, Choices]:
    """File rows under their words in one or two columns; second, those that take anything there."""
    found: dict[str, list[Filed]] = {}
    left = []
    for choice, row in choices:
        words = [choice[column] or "" for column in columns]
        if any(words):
            found.setdefault(joined(words) if len(words) > 1 else END + words[0], []).append(row)
        else:
            left.append((choice, row))
    return {under: tuple(rows) for under, rows in found.items()}, left


def are_small(files: Iterable[File]) -> bool:
    """Say whether few rows are under the same key."""
    together = [len(rows) for file in files for rows in file.values()]
    return sum(count * count for count in together) <= MOST_TOGETHER * sum(together)


# With 10,000 rows, six columns of 2,000 words have 15 MB of row sets, and an evaluation waits for 7 kB of them that are
# in no cache. Few rows ask for the same two words: to find them and to compare their other words takes less memory.
FEWEST_FILED = 3_000  # rows; with fewer, sets of rows are as quick


@dataclass(frozen=True, slots=True, kw_only=True)
class WordIndex:
    """The rows under the words of two columns; those that take anything in both, under the word of a `later` one.

    `always` are the rows that take anything in every column. Values that are no words the `exact` index looks up.
    """

    exact: ExactIndex
    columns: tuple[int, int]
    file: File
    later: tuple[tuple[int, File], ...]
    always: tuple[Filed, ...]

    def first(self, values: tuple[object, ...], inputs: Inputs) -> Row | None:
        """Give the first row that matches."""
        candidates = self._candidates(values)
        if candidates is None:
            return self.exact.first(values, inputs)
        first = None
        for place, take, asked in candidates:
            if joined(take(values)) == asked and (first is None or place < first):
                first = place
        return None if first is None else self.exact.rows[first]

    def hits(self, values: tuple[object, ...], inputs: Inputs) -> Iterator[Row]:
        """Give the rows that match, in order."""
        candidates = self._candidates(values)
        if candidates is None:
            return self.exact.hits(values, inputs)
        places = {place for place, take, asked in candidates if joined(take(values)) == asked}
        return (self.exact.rows[place] for place in sorted(places))

    def _candidates(self, values: Any) -> tuple[Filed, ...] | None:  # noqa: ANN401 - words, if it succeeds
        """Give the rows that match if all of their words are these; None if a value is no word."""
        try:
            joined(values)
        except TypeError:
            return None
        one, other = self.columns
        some, more = values[one] + END, values[other]  # a word that is an enum becomes one that can be looked up
        get = self.file.get
        found = self.always + get(some + more, ()) + get(some, ()) + get(END + more, ())
        for column, file in self.later:
            if rows := file.get(END + values[column]):
                found += rows
        return found


def filed_index(exact: ExactIndex) -> WordIndex | None:
    """File the rows of an index, by the columns that leave the fewest; None if that cannot be or is not quicker."""
    columns = [place for place, *_ in exact.steps]
    choices = choices_of(exact.rows) if len(columns) > 1 else None
    if choices is None:
        return None
    one, other, *others = columns
    file, left = filed(choices, one, other)
    later, left = _later_files(left, others)
    always = tuple(row for _, row in left)
    if not are_small([file, *(of_column for _, of_column in later), {END: always}]):
        return None
    return WordIndex(exact=exact, columns=(one, other), file=file, later=later, always=always)


def _later_files(left: Choices, columns: list[int]) -> tuple[tuple[tuple[int, File], ...], Choices]:
    """File each row under the first of these columns in which it does not take anything."""
    found = []
    for column in columns:
        file, left = filed(left, column)
        if file:
            found.append((column, file))
    return tuple(found), left
