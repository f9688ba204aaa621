"""Draw tables of a shape and size, and values that reach all of their rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    TableWithValues = tuple["SampleCell", object]  # a cell, and a value that it takes

WIDTH = 6
WILDCARD_SHARE = 0.15  # of the cells ask for nothing
OUTSIDE_SHARE = 0.2  # of the values are drawn without a row in mind
VALUES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCell:
    """One cell, as we write it and as zen-engine does."""

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
    """Draw a table of one of `SHAPES` with so many rows; the same every time."""
    dice = random.Random(f"{shape} {size}")  # noqa: S311 - nothing secret is drawn
    columns = SHAPES[shape]
    rows = [[_random_cell(draw, dice, size) for _, draw in columns] for _ in range(size)]
    values = [_values(columns, rows, dice, size) for _ in range(VALUES)]
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
    dice: random.Random,
    size: int,
) -> dict[str, object]:
    row = dice.choice(rows)
    stray = dice.random() < OUTSIDE_SHARE
    return {f"in{place}": draw(dice, size)[1] if stray else row[place][1] for place, (_, draw) in enumerate(columns)}


def _equal(dice: random.Random, size: int) -> TableWithValues:
    """One of so many words that a few rows share each."""
    word = f"word-{dice.randrange(max(3, size // 5))}"
    return SampleCell(text=f'"{word}"', zen=f'"{word}"'), word


def _one_of(dice: random.Random, size: int) -> TableWithValues:
    """One to three words, or anything but them."""
    words = [f"word-{dice.randrange(max(9, size // 5))}" for _ in range(dice.randint(1, 3))]
    listed = ", ".join(f'"{word}"' for word in words)
    if dice.random() < WILDCARD_SHARE:
        return SampleCell(text=f"not({listed})", zen=f"not in [{listed}]"), "word-none"
    return SampleCell(text=listed, zen=listed), dice.choice(words)


def _within(dice: random.Random, size: int) -> TableWithValues:
    """An interval about as wide as a quarter of all values, so that every value is in many."""
    all_values = 20 * max(size, 50)
    low = dice.randrange(all_values)
    high = low + dice.randint(all_values // 8, all_values // 3)
    text = f"{dice.choice('[(')}{low}..{high}{dice.choice('])')}"
    return SampleCell(text=text, zen=text), _between(dice, low, high)


def _compared(dice: random.Random, size: int) -> TableWithValues:
    """A comparison, or an interval."""
    if dice.random() < 0.5:
        return _within(dice, size)
    bound = dice.randrange(20 * max(size, 50))
    sign, value = dice.choice([("<", bound - 1), ("<=", bound), (">", bound + 1), (">=", bound)])
    return SampleCell(text=f"{sign} {bound}", zen=f"{sign} {bound}"), value


def _between(dice: random.Random, low: int, high: int) -> float:
    """Return a whole number or one with a decimal, as events hold them."""
    whole = dice.randint(low + 1, high - 1)
    return whole if dice.random() < 0.5 else whole - 0.5


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
