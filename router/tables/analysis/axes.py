"""Part all values of an input into classes that no row tells apart, and say which classes each row takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.samples import SAMPLES, between
from router.tables.feel.values import TYPES, ValueKind
from router.tables.index.bitsets import masks_of
from router.tables.index.scales import asked, stretches, takes_everything

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import ColumnBitsets, Rows
    from router.tables.model import Input

# A set of classes of one axis is an int, like a set of rows; its bits are the keys of `Axis.classes`.
Classes = int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueClass:
    """Values that every cell of a column takes, or none of them. `place`: its class on the scale of its kind.

    `rows` take it, `sample` is one of its values.
    """

    kind: ValueKind
    place: int
    rows: Rows
    sample: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The classes of one input.

    Attributes:
        classes: by bit, in order; those without any value, or with none that is allowed, are left out.
        expected: the classes that a column is made for. A missing value is among them only where a cell says `null`,
            a value of a kind that no cell names only where no cell names a value at all.
        all: every class.
        of_kind: the classes by kind.
        between: those of a kind that hold none of the values that cells name.
        easy: those whose sample is easy to read.
        of_row: what each row takes; all, where only other inputs decide that.
        doubtful: the rows for which other inputs decide.
    """

    input: Input
    masks: ColumnBitsets
    classes: Mapping[int, ValueClass]
    expected: Classes
    all: Classes
    of_kind: Mapping[ValueKind, Classes]
    between: Mapping[ValueKind, Classes]
    easy: Classes
    of_row: tuple[Classes, ...]
    doubtful: Rows


def axis_of(column: Input, cells: Sequence[Cell]) -> Axis:
    """Part the values of an input by the cells of its column, one per row."""
    masks = masks_of(cells, [column.allowed] if column.allowed else [])
    classes = dict(enumerate(_classes(column, masks)))
    kept = {bit: one for bit, one in classes.items() if one.sample is not _NOTHING}
    full = _bits(kept)
    of_kind: dict[ValueKind, Classes] = {}
    for bit, one in kept.items():
        of_kind[one.kind] = of_kind.get(one.kind, 0) | 1 << bit
    unnamed = _bits(bit for bit, one in kept.items() if not one.place % 2)
    firsts = _first_bits(classes)
    return Axis(
        input=column,
        masks=masks,
        classes=kept,
        expected=_bits(_expected(kept, masks)) or full,
        all=full,
        of_kind=of_kind,
        between={kind: bits & unnamed for kind, bits in of_kind.items()},
        easy=_bits(bit for bit, one in kept.items() if one.sample is SAMPLES.get(one.kind)),
        of_row=tuple([_taken(cell, masks, firsts, full) for cell in cells]),
        doubtful=masks.doubtful,
    )


_NOTHING = object()  # the sample of a class that has no value


def _classes(column: Input, masks: ColumnBitsets) -> Iterator[ValueClass]:
    """Give the classes of every kind that the type has: on the scale of the kind, then null, then all other kinds."""
    for kind, scale in masks.scales.items():
        for place, rows in enumerate(masks.of_class[kind]):
            sample = _sample(kind, scale.points, place)
            yield ValueClass(kind=kind, place=place, rows=rows, sample=_if_allowed(sample, column))
    if ValueKind.NULL not in masks.scales:
        yield ValueClass(kind=ValueKind.NULL, place=1, rows=masks.of_null, sample=None)
    others = (SAMPLES[kind] for kind in SAMPLES if kind in TYPES[column.type] and kind not in masks.scales)
    sample = next(others, _NOTHING)
    yield ValueClass(kind=ValueKind.OTHER, place=0, rows=masks.elsewhere, sample=_if_allowed(sample, column))


def _sample(kind: ValueKind, points: Sequence[object], place: int) -> object:
    at = place // 2
    if place % 2:
        return points[at]
    low, high = points[at - 1] if at else None, points[at] if at < len(points) else None
    found = between(kind, low, high)
    return _NOTHING if found is None else found


def _if_allowed(sample: object, column: Input) -> object:
    """Keep the sample of a class only if the column allows it; every value may be missing."""
    if sample is None or sample is _NOTHING or column.allowed is None:
        return sample
    return sample if column.allowed.holds(sample, NO_INPUTS) else _NOTHING


def _expected(classes: Mapping[int, ValueClass], masks: ColumnBitsets) -> Iterator[int]:
    named = {kind for kind in masks.scales if kind is not ValueKind.NULL} or {ValueKind.OTHER}
    says_null = {ValueKind.NULL} & masks.scales.keys()
    return (bit for bit, one in classes.items() if one.kind in named | says_null)


def _bits(places: Mapping[int, object] | Iterator[int]) -> Classes:
    return sum(1 << bit for bit in places)


def _first_bits(classes: Mapping[int, ValueClass]) -> dict[ValueKind, int]:
    firsts: dict[ValueKind, int] = {}
    for bit, one in classes.items():
        firsts.setdefault(one.kind, bit)
    return firsts


def _taken(cell: Cell, masks: ColumnBitsets, firsts: Mapping[ValueKind, int], full: Classes) -> Classes:
    conditions = asked(cell)
    if not conditions:
        return full
    found: Classes = 0
    if takes_everything(conditions):
        null = firsts[ValueKind.NULL] + (ValueKind.NULL in masks.scales)
        found = full & ~(1 << null)
    for kind in {kind for kind, _ in conditions}:
        for first, end in stretches(conditions, kind, masks.scales[kind]):
            found |= ((1 << end) - (1 << first)) << firsts[kind]
    return full & ~found if cell.negated else full & found
