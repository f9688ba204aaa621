"""File the rows of a large table of words under the words that they ask for."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from router.lookups import all_of
from router.tables.feel.conditions import word_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.table import Row

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
