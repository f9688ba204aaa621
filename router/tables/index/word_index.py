"""Find the matching rows of a large table of strings: look two words up, and compare the others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from router.tables.feel.conditions import required_string
from router.tables.feel.values import values_getter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from router.tables.feel.conditions import InputContext
    from router.tables.feel.unary_test import Cell
    from router.tables.index.exact_index import ExactIndex
    from router.tables.model import Row

    WordChoice = tuple[str | None, ...]  # a word (string) for each column; None where the row accepts any value
    ValuesGetter = Callable[[Sequence[Any]], Sequence[Any]]
    IndexedRow = tuple[int, ValuesGetter, str]  # position of a row, getter of the values to compare, its words joined
    RowsByWords = Mapping[str, tuple[IndexedRow, ...]]
    WordChoices = Sequence[tuple[WordChoice, IndexedRow]]


SEPARATOR = "\0"  # between words; a cell that contains it is not indexed

join_words = SEPARATOR.join

MAX_CHOICES_PER_ROW = 4  # a row that lists several words is indexed once for each combination

MAX_ROWS_PER_KEY = 4  # on average


def word_choices(rows: Sequence[Row]) -> WordChoices | None:
    """Return every combination of words that each row accepts.

    None if there are too many or a cell has other conditions.
    """
    max_choices = MAX_CHOICES_PER_ROW * len(rows)
    choices: list[tuple[WordChoice, IndexedRow]] = []
    getters: dict[tuple[int, ...], ValuesGetter] = {}  # rows share few of them
    for place, row in enumerate(rows):
        words = [_words_of_cell(cell) for cell in row.cells]
        if not 0 < prod(map(len, words)) <= max_choices - len(choices):
            return None
        for choice in product(*words):
            conditional = tuple(column for column, word in enumerate(choice) if word is not None)
            get_values = getters.setdefault(conditional, values_getter(conditional))
            choices.append((choice, (place, get_values, join_words(get_values(choice)))))
    return choices


def _words_of_cell(cell: Cell) -> Sequence[str | None]:
    """Return the words that a cell accepts, None for any; an empty sequence if it has other conditions."""
    if cell.is_any:
        return (None,)
    words = {required_string(condition) for condition in cell.conditions}
    return () if cell.negated or any(word is None or SEPARATOR in word for word in words) else tuple(words)


def group_by_words(choices: WordChoices, *columns: int) -> tuple[RowsByWords, WordChoices]:
    """Group rows by their words in one or two columns. Return the groups, and the rows that accept any value there."""
    groups: dict[str, list[IndexedRow]] = {}
    remaining = []
    for choice, row in choices:
        words = [choice[column] or "" for column in columns]
        if any(words):
            groups.setdefault(join_words(words) if len(words) > 1 else SEPARATOR + words[0], []).append(row)
        else:
            remaining.append((choice, row))
    return {key: tuple(rows) for key, rows in groups.items()}, remaining


def are_groups_small(groupings: Iterable[RowsByWords]) -> bool:
    """Return whether a group has few rows on average, weighted by its size."""
    sizes = [len(rows) for groups in groupings for rows in groups.values()]
    return sum(count * count for count in sizes) <= MAX_ROWS_PER_KEY * sum(sizes)


# With 10,000 rows, six columns of 2,000 words have 15 MB of row sets, and an evaluation waits for 7 kB of them that are
# in no cache. Few rows have the same two words: finding these and comparing their other words needs less memory.
MIN_WORD_INDEX_ROWS = 3_000  # with fewer, sets of rows are as fast


@dataclass(frozen=True, slots=True, kw_only=True)
class WordIndex:
    """The rows grouped by their words in two columns.

    Rows that accept any value in both are grouped by the word of one of `later_columns`; `unconditional_rows` accept
    any value in every column. Values that are not strings are looked up in the `exact` index.
    """

    exact: ExactIndex
    key_columns: tuple[int, int]
    rows_by_words: RowsByWords
    later_columns: tuple[tuple[int, RowsByWords], ...]
    unconditional_rows: tuple[IndexedRow, ...]

    def first_match(self, values: tuple[object, ...], inputs: InputContext) -> Row | None:
        """Return the first row that matches."""
        candidates = self._candidates(values)
        if candidates is None:
            return self.exact.first_match(values, inputs)
        first = None
        for place, get_values, words in candidates:
            if join_words(get_values(values)) == words and (first is None or place < first):
                first = place
        return None if first is None else self.exact.rows[first]

    def matching_rows(self, values: tuple[object, ...], inputs: InputContext) -> Iterator[Row]:
        """Yield the rows that match, in table order."""
        candidates = self._candidates(values)
        if candidates is None:
            return self.exact.matching_rows(values, inputs)
        places = {place for place, get_values, words in candidates if join_words(get_values(values)) == words}
        return (self.exact.rows[place] for place in sorted(places))

    def _candidates(self, values: Any) -> tuple[IndexedRow, ...] | None:  # noqa: ANN401 - see TypeError
        """Return the rows that match if all of their words do; None if a value is not a string."""
        try:
            join_words(values)
        except TypeError:
            return None
        first, second = self.key_columns
        # Adding SEPARATOR also turns a string enum into a plain string, which can be looked up.
        start, end = values[first] + SEPARATOR, values[second]
        get = self.rows_by_words.get
        rows = self.unconditional_rows + get(start + end, ()) + get(start, ()) + get(SEPARATOR + end, ())
        for column, groups in self.later_columns:
            if grouped := groups.get(SEPARATOR + values[column]):
                rows += grouped
        return rows


def build_word_index(exact: ExactIndex) -> WordIndex | None:
    """Group the rows of an index by its two most selective columns; None if that is not possible or not faster."""
    columns = [place for place, *_ in exact.lookups]
    choices = word_choices(exact.rows) if len(columns) > 1 else None
    if choices is None:
        return None
    first, second, *others = columns
    groups, remaining = group_by_words(choices, first, second)
    later, remaining = _group_by_later_columns(remaining, others)
    unconditional = tuple(row for _, row in remaining)
    if not are_groups_small([groups, *(of_column for _, of_column in later), {SEPARATOR: unconditional}]):
        return None
    return WordIndex(
        exact=exact,
        key_columns=(first, second),
        rows_by_words=groups,
        later_columns=later,
        unconditional_rows=unconditional,
    )


def _group_by_later_columns(
    left: WordChoices, columns: list[int]
) -> tuple[tuple[tuple[int, RowsByWords], ...], WordChoices]:
    """Group each row by the first of these columns in which it has a condition."""
    later = []
    for column in columns:
        groups, left = group_by_words(left, column)
        if groups:
            later.append((column, groups))
    return tuple(later), left
