"""Divide the values of an input into classes that no row distinguishes, and compute which classes each row accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.samples import SAMPLES, value_between
from router.tables.feel.values import TYPES, ValueKind
from router.tables.index.bitsets import column_bitsets
from router.tables.index.scales import accepts_all_but_null, class_ranges, conditions_by_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import ColumnBitsets, RowSet
    from router.tables.model import Input

# A set of classes of one axis is an int, like a set of rows. Bit n is the class with the key n in `Axis.classes`.
ClassSet = int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueClass:
    """Values of one kind that each cell of a column either accepts all or rejects all.

    `position` is its class on the scale of its kind. `rows` accept it; `sample` is one of its values.
    """

    kind: ValueKind
    position: int
    rows: RowSet
    sample: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The value classes of one input.

    Attributes:
        classes: the classes by bit number, in order. Classes without any value, or without an allowed one, are left
            out.
        expected: the classes that the column is meant for. A missing value is among them only if a cell contains
            `null`, and a value of a kind that occurs in no cell only if no cell contains a value at all.
        all_classes: every class.
        classes_by_kind: the classes of each kind.
        unnamed_by_kind: of each kind, the classes between and beside the values that occur in cells.
        readable: the classes whose sample is easy to read.
        classes_by_row: the classes that each row accepts; all of them if the cell depends on other inputs.
        unindexed_rows: the rows whose cell depends on other inputs.
    """

    input: Input
    bitsets: ColumnBitsets
    classes: Mapping[int, ValueClass]
    expected: ClassSet
    all_classes: ClassSet
    classes_by_kind: Mapping[ValueKind, ClassSet]
    unnamed_by_kind: Mapping[ValueKind, ClassSet]
    readable: ClassSet
    classes_by_row: tuple[ClassSet, ...]
    unindexed_rows: RowSet


def build_axis(column: Input, cells: Sequence[Cell]) -> Axis:
    """Divide the values of an input into classes, by the cells of its column, one per row."""
    masks = column_bitsets(cells, [column.allowed] if column.allowed else [])
    classes = dict(enumerate(_value_classes(column, masks)))
    kept = {bit: each for bit, each in classes.items() if each.sample is not _NO_SAMPLE}
    full = _class_set(kept)
    by_kind: dict[ValueKind, ClassSet] = {}
    for bit, value_class in kept.items():
        by_kind[value_class.kind] = by_kind.get(value_class.kind, 0) | 1 << bit
    unnamed = _class_set(bit for bit, each in kept.items() if not each.position % 2)
    firsts = _first_bits(classes)
    return Axis(
        input=column,
        bitsets=masks,
        classes=kept,
        expected=_class_set(_expected_bits(kept, masks)) or full,
        all_classes=full,
        classes_by_kind=by_kind,
        unnamed_by_kind={kind: bits & unnamed for kind, bits in by_kind.items()},
        readable=_class_set(bit for bit, each in kept.items() if each.sample is SAMPLES.get(each.kind)),
        classes_by_row=tuple([_classes_of_cell(cell, masks, firsts, full) for cell in cells]),
        unindexed_rows=masks.unindexed_rows,
    )


_NO_SAMPLE = object()  # the sample of a class without values


def _value_classes(column: Input, masks: ColumnBitsets) -> Iterator[ValueClass]:
    """Yield the classes of every kind of the column's type: those on scales, then null, then all other kinds as one."""
    for kind, scale in masks.scales.items():
        for place, rows in enumerate(masks.rows_by_class[kind]):
            sample = _sample(kind, scale.points, place)
            yield ValueClass(kind=kind, position=place, rows=rows, sample=_allowed_or_none(sample, column))
    if ValueKind.NULL not in masks.scales:
        yield ValueClass(kind=ValueKind.NULL, position=1, rows=masks.null_rows, sample=None)
    others = (SAMPLES[kind] for kind in SAMPLES if kind in TYPES[column.type] and kind not in masks.scales)
    sample = next(others, _NO_SAMPLE)
    yield ValueClass(
        kind=ValueKind.OTHER, position=0, rows=masks.other_kind_rows, sample=_allowed_or_none(sample, column)
    )


def _sample(kind: ValueKind, points: Sequence[object], place: int) -> object:
    index = place // 2
    if place % 2:
        return points[index]
    low, high = points[index - 1] if index else None, points[index] if index < len(points) else None
    sample = value_between(kind, low, high)
    return _NO_SAMPLE if sample is None else sample


def _allowed_or_none(sample: object, column: Input) -> object:
    """Return the sample of a class if the column allows it. A missing value is always allowed."""
    if sample is None or sample is _NO_SAMPLE or column.allowed is None:
        return sample
    return sample if column.allowed.matches_canonical(sample, NO_INPUTS) else _NO_SAMPLE


def _expected_bits(classes: Mapping[int, ValueClass], masks: ColumnBitsets) -> Iterator[int]:
    named = {kind for kind in masks.scales if kind is not ValueKind.NULL} or {ValueKind.OTHER}
    null = {ValueKind.NULL} & masks.scales.keys()
    return (bit for bit, each in classes.items() if each.kind in named | null)


def _class_set(places: Mapping[int, object] | Iterator[int]) -> ClassSet:
    return sum(1 << bit for bit in places)


def _first_bits(classes: Mapping[int, ValueClass]) -> dict[ValueKind, int]:
    firsts: dict[ValueKind, int] = {}
    for bit, value_class in classes.items():
        firsts.setdefault(value_class.kind, bit)
    return firsts


def _classes_of_cell(cell: Cell, masks: ColumnBitsets, firsts: Mapping[ValueKind, int], full: ClassSet) -> ClassSet:
    conditions = conditions_by_kind(cell)
    if not conditions:
        return full
    accepted: ClassSet = 0
    if accepts_all_but_null(conditions):
        null = firsts[ValueKind.NULL] + (ValueKind.NULL in masks.scales)
        accepted = full & ~(1 << null)
    for kind in {kind for kind, _ in conditions}:
        for first, end in class_ranges(conditions, kind, masks.scales[kind]):
            accepted |= ((1 << end) - (1 << first)) << firsts[kind]
    return full & ~accepted if cell.negated else full & accepted
