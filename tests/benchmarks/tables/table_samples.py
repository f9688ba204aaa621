"""Draw tables of a given shape and size, and values that reach all of their rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    TableWithValues = tuple["SampleCell", object]  # a cell, and a value that matches it

WIDTH = 6
WILDCARD_SHARE = 0.15  # of the cells match every value
OUTSIDE_SHARE = 0.2  # of the values are drawn independently of the rows
VALUES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCell:
    """One cell in our syntax and in zen-engine's."""

    text: str
    zen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSample:
    """A table to measure: the type of each column, the cells of each row, and values by column name."""

    shape: str
    types: tuple[str, ...]
    rows: tuple[tuple[SampleCell, ...], ...]
    values: tuple[dict[str, object], ...]


def a_table_sample(shape: str, size: int) -> TableSample:
    """Draw a table of one of `SHAPES` with this many rows. It is the same every time."""
    random_source = random.Random(f"{shape} {size}")  # noqa: S311 - nothing secret is drawn
    columns = SHAPES[shape]
    rows = [[_random_cell(draw, random_source, size) for _, draw in columns] for _ in range(size)]
    values = [_values(columns, rows, random_source, size) for _ in range(VALUES)]
    return TableSample(
        shape=shape,
        types=tuple(column_type for column_type, _ in columns),
        rows=tuple(tuple(cell for cell, _ in row) for row in rows),
        values=tuple(values),
    )


def _random_cell(
    draw: Callable[[random.Random, int], TableWithValues], random_source: random.Random, size: int
) -> TableWithValues:
    cell, value = draw(random_source, size)
    return (SampleCell(text="-", zen=""), value) if random_source.random() < WILDCARD_SHARE else (cell, value)


def _values(
    columns: tuple[tuple[str, Callable[[random.Random, int], TableWithValues]], ...],
    rows: list[list[TableWithValues]],
    random_source: random.Random,
    size: int,
) -> dict[str, object]:
    row = random_source.choice(rows)
    stray = random_source.random() < OUTSIDE_SHARE
    return {
        f"in{number}": draw(random_source, size)[1] if stray else row[number][1]
        for number, (_, draw) in enumerate(columns)
    }


def _equal(random_source: random.Random, size: int) -> TableWithValues:
    """Draw one word from so many that a few rows share each."""
    word = f"word-{random_source.randrange(max(3, size // 5))}"
    return SampleCell(text=f'"{word}"', zen=f'"{word}"'), word


def _one_of(random_source: random.Random, size: int) -> TableWithValues:
    """Draw one to three words, or the negation of them."""
    words = [f"word-{random_source.randrange(max(9, size // 5))}" for _ in range(random_source.randint(1, 3))]
    listed = ", ".join(f'"{word}"' for word in words)
    if random_source.random() < WILDCARD_SHARE:
        return SampleCell(text=f"not({listed})", zen=f"not in [{listed}]"), "word-none"
    return SampleCell(text=listed, zen=listed), random_source.choice(words)


def _within(random_source: random.Random, size: int) -> TableWithValues:
    """Draw an interval about as wide as a quarter of all values, so that every value is in many intervals."""
    all_values = 20 * max(size, 50)
    low = random_source.randrange(all_values)
    high = low + random_source.randint(all_values // 8, all_values // 3)
    text = f"{random_source.choice('[(')}{low}..{high}{random_source.choice('])')}"
    return SampleCell(text=text, zen=text), _between(random_source, low, high)


def _compared(random_source: random.Random, size: int) -> TableWithValues:
    """Draw a comparison or an interval."""
    if random_source.random() < 0.5:
        return _within(random_source, size)
    bound = random_source.randrange(20 * max(size, 50))
    sign, value = random_source.choice([("<", bound - 1), ("<=", bound), (">", bound + 1), (">=", bound)])
    return SampleCell(text=f"{sign} {bound}", zen=f"{sign} {bound}"), value


def _between(random_source: random.Random, low: int, high: int) -> float:
    """Return a whole number or one with a decimal, as events have them."""
    whole = random_source.randint(low + 1, high - 1)
    return whole if random_source.random() < 0.5 else whole - 0.5


SHAPES: dict[str, tuple[tuple[str, Callable[[random.Random, int], TableWithValues]], ...]] = {
    "equality": (("string", _equal),) * WIDTH,
    "ranges": (("number", _within),) * WIDTH,
    "mixed": (
        *((("string", _equal),) * 2),
        ("string", _one_of),
        ("number", _compared),
        *((("number", _within),) * 2),
    ),
}
