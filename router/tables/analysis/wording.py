"""Write findings in words: a box such as `type="aborted", region=any, priority<0`, its examples, and the sentences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from router.tables.analysis.space import contiguous_ranges
from router.tables.explain.wording import describe_value
from router.tables.feel.values import ValueKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.tables.analysis.axes import Axis, ClassSet, ValueClass
    from router.tables.analysis.findings import Gap, Overlap, Overlaps, UnreachableRow
    from router.tables.analysis.space import Box, ValueSpace
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWording:
    """How sentences name the order of rows: rows of most tables stand in it, others carry a number."""

    earlier: str  # of a row
    move: str  # what to do with a row that has to be earlier
    decides: str  # why a row decides


BY_PLACE = OrderWording(earlier="above it", move="move it up", decides="it stands above")
BY_NUMBER = OrderWording(earlier="with a lower order", move="give it a lower order", decides="its order is lower")

_MAX_PARTS = 6  # of one input; the rest is counted


def describe_box(space: ValueSpace, box: Box) -> str:
    """Describe the allowed values of each input. Inputs without conditions are left out."""
    parts = [
        _axis_in_words(axis, classes) for axis, classes in zip(space.axes, box, strict=True) if _has_conditions(axis)
    ]
    return ", ".join(parts) or "whatever the inputs are"


def _has_conditions(axis: Axis) -> bool:
    return any(accepted != axis.all_classes for accepted in axis.classes_by_row) or bool(axis.unindexed_rows)


def example_of(space: ValueSpace, box: Box) -> dict[str, object]:
    """Return one value for each input, from the box."""
    return {axis.input.name: _example(axis, classes) for axis, classes in zip(space.axes, box, strict=True)}


def _example(axis: Axis, classes: ClassSet) -> object:
    some = classes & axis.expected or classes
    return axis.classes[_lowest_bit(some & axis.readable or some)].sample


def _lowest_bit(classes: ClassSet) -> int:
    return (classes & -classes).bit_length() - 1


def _axis_in_words(axis: Axis, classes: ClassSet) -> str:
    name = axis.input.name
    if axis.expected & ~classes == 0:
        return f"{name}=any"
    parts = list(_parts(axis, classes))
    more = len(parts) - _MAX_PARTS
    words = _join_parts(parts[:_MAX_PARTS], more) if more > 1 else _join_parts(parts, 0)
    return f"{name}{words}" if words[0] in "=<>" else f"{name} {words}"


def _join_parts(parts: list[str], more: int) -> str:
    """Join parts with `or`. Consecutive values have one equals sign."""
    others = [part.removeprefix("=") if before[0] == "=" else part for before, part in pairwise(parts)]
    return " or ".join([parts[0], *others, *([f"{more} more"] if more else [])])


def _parts(axis: Axis, classes: ClassSet) -> Iterator[str]:
    for kind, of_kind in axis.classes_by_kind.items():
        some = classes & of_kind
        if some:
            yield from _parts_of_kind(axis, kind, some)


def _parts_of_kind(axis: Axis, kind: ValueKind, some: ClassSet) -> Iterator[str]:
    between = axis.unnamed_by_kind[kind]
    if kind is ValueKind.NULL:
        yield "missing"
    elif kind is ValueKind.OTHER:
        yield "=any" if axis.expected & some else "of another type"
    elif between and not between & ~some:
        # The set contains all values that occur in no cell, so it is described by what it does not contain.
        yield _describe_complement(axis, kind, axis.classes_by_kind[kind] & ~some)
    else:
        yield from _intervals_in_words(axis, kind, some)


def _describe_complement(axis: Axis, kind: ValueKind, named: ClassSet) -> str:
    count = named.bit_count()
    places = (place for first, end in contiguous_ranges(named) for place in range(first, end))
    shown = ", ".join(_value_text(axis.classes[place].sample) for place in islice(places, _MAX_PARTS))
    more = f" and {count - _MAX_PARTS} more" if count > _MAX_PARTS else ""
    return f"=anything but {shown}{more}" if named else f"={kind.value}"


def _intervals_in_words(axis: Axis, kind: ValueKind, some: ClassSet) -> Iterator[str]:
    """Yield adjacent classes as one interval. Two consecutive dates are adjacent: no value lies between them."""
    of_kind = axis.classes_by_kind[kind]
    span = (1 << of_kind.bit_length()) - (of_kind & -of_kind)
    points = axis.bitsets.scales[kind].points
    for first, end in contiguous_ranges(some | span & ~of_kind):
        inside = some & ((1 << end) - (1 << first))
        if inside:
            yield _describe_interval(points, axis.classes[_lowest_bit(inside)], axis.classes[inside.bit_length() - 1])


def _describe_interval(points: tuple[object, ...], first: ValueClass, last: ValueClass) -> str:
    low = points[(first.position - 1) // 2] if first.position else None
    high = points[last.position // 2] if last.position // 2 < len(points) else None
    low_in, high_in = first.position % 2 == 1, last.position % 2 == 1
    if first.position == last.position and low_in:
        return f"={_value_text(low)}"
    if low is None or high is None:
        return f">{'=' * low_in}{_value_text(low)}" if high is None else f"<{'=' * high_in}{_value_text(high)}"
    return f"in {'[' if low_in else '('}{_value_text(low)}..{_value_text(high)}{']' if high_in else ')'}"


def _value_text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else describe_value(value)


_MAX_SENTENCES = 20  # of one kind

_MAX_ROWS = 5  # in one sentence


# Policies whose result may consist of several rows, or of none.
_MULTIPLE_HIT_POLICIES = ("output-order", "rule-order", "collect")


def unreachable_errors(rows: Sequence[UnreachableRow], order: OrderWording) -> tuple[str, ...]:
    """Return a sentence for each row that nothing reaches."""
    never = [row for row in rows if not row.list_inputs]
    return _limited([_unreachable(row, order) for row in never], len(never), "rows are never reached")


def list_warnings(rows: Sequence[UnreachableRow], order: OrderWording) -> tuple[str, ...]:
    """Return a sentence for each row that only a list may reach."""
    only = [row for row in rows if row.list_inputs]
    return _limited([_reached_by_lists(row, order) for row in only], len(only), "rows are reached by lists only")


def _reached_by_lists(row: UnreachableRow, order: OrderWording) -> str:
    lists = f"a list in {_ids_in_words([repr(name) for name in row.list_inputs])}"
    covered = f"{_covered_by(row, order)} every single value that it takes"
    return f"row {row.row} is reached only by {lists}: {covered}; {order.move} unless that is intended"


def _unreachable(row: UnreachableRow, order: OrderWording) -> str:
    if not row.covered_by:
        return f"row {row.row} never matches: there is no value that one of its cells takes; correct the cell"
    covered = f"{_covered_by(row, order)} everything that it takes"
    return f"row {row.row} is never reached: {covered}; {order.move} or delete it"


def _covered_by(row: UnreachableRow, order: OrderWording) -> str:
    if len(row.covered_by) == 1:
        return f"row {row.covered_by[0]} {order.earlier} takes"
    return f"rows {_ids_in_words(row.covered_by)} {order.earlier} together take"


def overlap_errors(table: DecisionTable, overlaps: Overlaps) -> tuple[str, ...]:
    """Return a sentence for each overlap that violates the policy unique or any."""
    if table.policy == "unique":
        sentences = [_overlap(pair, "but only one may: make them exclude each other") for pair in overlaps.pairs]
        return _limited(sentences, overlaps.count, "pairs of rows overlap")
    if table.policy == "any":
        differing = [pair for pair in overlaps.pairs if not pair.same_outputs]
        sentences = [_overlap(pair, "with different outputs: make these equal") for pair in differing]
        return _limited(sentences, overlaps.differing_count, _DIFFERING)
    return ()


def overlap_warnings(table: DecisionTable, overlaps: Overlaps, order: OrderWording) -> tuple[str, ...]:
    """Return a sentence for each partial overlap in which only the order of the rows decides.

    A row that is an exception to another one is not reported: it overlaps on purpose.
    """
    if table.policy != "first":
        return ()
    partial = overlaps.pairs[: overlaps.partial_count]
    return _limited(
        [_overlap(pair, _first_row_decides(pair, order)) for pair in partial], overlaps.partial_count, _DIFFERING
    )


_DIFFERING = "pairs of rows overlap with different outputs"


def _first_row_decides(overlap: Overlap, order: OrderWording) -> str:
    return f"with different outputs, and {overlap.rows[0]} decides because {order.decides}"


def _overlap(overlap: Overlap, consequence: str) -> str:
    return f"rows {overlap.rows[0]} and {overlap.rows[1]} both match where {overlap.where}, {consequence}"


def gap_warnings(table: DecisionTable, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Return a sentence for each gap, in which nothing is decided."""
    if table.default is not None or table.policy.startswith(_MULTIPLE_HIT_POLICIES):
        return ()
    consequence = "and there is no default row: add a row or a default"
    return _limited([f"no row matches where {gap.where}, {consequence}" for gap in gaps], len(gaps), "gaps were found")


def gap_notes(table: DecisionTable, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Return a sentence for each gap that the default row or an empty collection decides."""
    if table.default is not None:
        return _limited([f"the default row decides where {gap.where}" for gap in gaps], len(gaps), "gaps were found")
    if table.policy.startswith(_MULTIPLE_HIT_POLICIES):
        return _limited([f"nothing is collected where {gap.where}" for gap in gaps], len(gaps), "gaps were found")
    return ()


def unchecked_sentence(unindexed: Sequence[str], unknown: Sequence[str], steps: int) -> str:
    """Return a sentence about what was not checked.

    `steps` is the number of steps after which the search for gaps ended, 0 if it was complete.
    """
    parts = []
    if steps:
        parts.append(f"the search for gaps ended after {steps:,} steps, so there may be more")
    if unknown:
        parts.append(f"whether {_rows_in_words(unknown)} can be reached would take too long to find out")
    if unindexed:
        parts.append(
            f"what {_rows_in_words(unindexed)} takes depends on other inputs, so overlaps and gaps there are not found"
        )
    return f"not fully checked: {'; '.join(parts)}" if parts else ""


def _limited(sentences: list[str], count: int, noun: str) -> tuple[str, ...]:
    """Return the first sentences, and one with the number of the others."""
    shown = sentences[:_MAX_SENTENCES]
    more = count - len(shown)
    return (*shown, f"{more} more {noun}") if more > 0 else tuple(shown)


def _rows_in_words(ids: Sequence[str]) -> str:
    return f"row{'s' * (len(ids) > 1)} {_ids_in_words(ids)}"


def _ids_in_words(ids: Sequence[str]) -> str:
    shown, more = ids[:_MAX_ROWS], len(ids) - _MAX_ROWS
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
