"""Write a box of values in words, such as `type="aborted", region=any, priority<0`, and give an example of it."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

from router.tables.analysis.space import runs
from router.tables.explain.wording import value_in_words
from router.tables.feel.values import ValueKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.tables.analysis.axes import Axis, Classes, ValueClass
    from router.tables.analysis.findings import Gap, Overlap, Overlaps, Unreachable
    from router.tables.analysis.space import Box, ValueSpace
    from router.tables.table import DecisionTable


_MOST_PARTS = 6  # of one input; more than that nobody reads


def box_in_words(space: ValueSpace, box: Box) -> str:
    """Name what each input may be; an input that no row asks for is left out."""
    told = [_in_words(axis, classes) for axis, classes in zip(space.axes, box, strict=True) if _matters(axis)]
    return ", ".join(told) or "whatever the inputs are"


def _matters(axis: Axis) -> bool:
    return any(one != axis.all for one in axis.of_row) or bool(axis.doubtful)


def example_of(space: ValueSpace, box: Box) -> dict[str, object]:
    """Give one value for each input that lies in the box."""
    return {axis.input.name: _example(axis, classes) for axis, classes in zip(space.axes, box, strict=True)}


def _example(axis: Axis, classes: Classes) -> object:
    some = classes & axis.expected or classes
    return axis.classes[_lowest(some & axis.easy or some)].sample


def _lowest(classes: Classes) -> int:
    return (classes & -classes).bit_length() - 1


def _in_words(axis: Axis, classes: Classes) -> str:
    name = axis.input.name
    if axis.expected & ~classes == 0:
        return f"{name}=any"
    parts = list(_parts(axis, classes))
    more = len(parts) - _MOST_PARTS
    words = _joined(parts[:_MOST_PARTS], more) if more > 1 else _joined(parts, 0)
    return f"{name}{words}" if words[0] in "=<>" else f"{name} {words}"


def _joined(parts: list[str], more: int) -> str:
    """Join with `or`; several values that are equal to need one sign only."""
    told = [one.removeprefix("=") if before[0] == "=" else one for before, one in pairwise(parts)]
    return " or ".join([parts[0], *told, *([f"{more} more"] if more else [])])


def _parts(axis: Axis, classes: Classes) -> Iterator[str]:
    for kind, of_kind in axis.of_kind.items():
        some = classes & of_kind
        if some:
            yield from _parts_of_kind(axis, kind, some)


def _parts_of_kind(axis: Axis, kind: ValueKind, some: Classes) -> Iterator[str]:
    between = axis.between[kind]
    if kind is ValueKind.NULL:
        yield "missing"
    elif kind is ValueKind.OTHER:
        yield "=any" if axis.expected & some else "of another type"
    elif between and not between & ~some:
        # All that no cell names is in the set, so it is best told by what is not.
        yield _rest_in_words(axis, kind, axis.of_kind[kind] & ~some)
    else:
        yield from _stretches_in_words(axis, kind, some)


def _rest_in_words(axis: Axis, kind: ValueKind, named: Classes) -> str:
    count = named.bit_count()
    places = (place for first, end in runs(named) for place in range(first, end))
    shown = ", ".join(_word(axis.classes[place].sample) for place in islice(places, _MOST_PARTS))
    more = f" and {count - _MOST_PARTS} more" if count > _MOST_PARTS else ""
    return f"=anything but {shown}{more}" if named else f"={kind.value}"


def _stretches_in_words(axis: Axis, kind: ValueKind, some: Classes) -> Iterator[str]:
    """Write neighbours as one interval; between two dates that follow each other there is nothing to bridge."""
    of_kind = axis.of_kind[kind]
    whole = (1 << of_kind.bit_length()) - (of_kind & -of_kind)
    points = axis.masks.scales[kind].points
    for first, end in runs(some | whole & ~of_kind):
        inside = some & ((1 << end) - (1 << first))
        if inside:
            yield _interval(points, axis.classes[_lowest(inside)], axis.classes[inside.bit_length() - 1])


def _interval(points: tuple[object, ...], first: ValueClass, last: ValueClass) -> str:
    low = points[(first.place - 1) // 2] if first.place else None
    high = points[last.place // 2] if last.place // 2 < len(points) else None
    low_in, high_in = first.place % 2 == 1, last.place % 2 == 1
    if first.place == last.place and low_in:
        return f"={_word(low)}"
    if low is None or high is None:
        return f">{'=' * low_in}{_word(low)}" if high is None else f"<{'=' * high_in}{_word(high)}"
    return f"in {'[' if low_in else '('}{_word(low)}..{_word(high)}{']' if high_in else ')'}"


def _word(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else value_in_words(value)


_MOST_SENTENCES = 20  # about one thing

_MOST_ROWS = 5  # named in one sentence


# Policies whose result may be made of several rows, or of none.
_GATHERING = ("output-order", "rule-order", "collect")


def unreachable_in_words(rows: Sequence[Unreachable]) -> tuple[str, ...]:
    """Say of each row why nothing reaches it."""
    never = [row for row in rows if not row.except_lists]
    return _few([_unreachable(row) for row in never], len(never), "rows are never reached")


def list_warnings(rows: Sequence[Unreachable]) -> tuple[str, ...]:
    """Say of each row that only a list may reach it."""
    only = [row for row in rows if row.except_lists]
    return _few([_only_lists(row) for row in only], len(only), "rows are reached by lists only")


def _only_lists(found: Unreachable) -> str:
    lists = f"a list in {_named([repr(name) for name in found.except_lists])}"
    covered = f"{_covered(found)} every single value that it takes"
    return f"row {found.row} is reached by {lists} at most: {covered}; move it up unless that is meant"


def _unreachable(found: Unreachable) -> str:
    if not found.covered_by:
        return f"row {found.row} never matches: there is no value that one of its cells takes; correct the cell"
    return f"row {found.row} is never reached: {_covered(found)} everything that it takes; move it up or delete it"


def _covered(found: Unreachable) -> str:
    if len(found.covered_by) == 1:
        return f"row {found.covered_by[0]} above it takes"
    return f"rows {_named(found.covered_by)} above it together take"


def overlap_errors(table: DecisionTable, overlaps: Overlaps) -> tuple[str, ...]:
    """Say which rows break a policy that wants them apart, or equal."""
    if table.policy == "unique":
        sentences = [_overlap(one, "but only one may: make them exclude each other") for one in overlaps.pairs]
        return _few(sentences, overlaps.count, "pairs of rows overlap")
    if table.policy == "any":
        differing = [one for one in overlaps.pairs if not one.same_outputs]
        sentences = [_overlap(one, "with different outputs: make these equal") for one in differing]
        return _few(sentences, overlaps.differing, _DIFFERING)
    return ()


def overlap_warnings(table: DecisionTable, overlaps: Overlaps) -> tuple[str, ...]:
    """Say where only the order of rows decides; a row that is the exception from another is meant to."""
    if table.policy != "first":
        return ()
    partly = overlaps.pairs[: overlaps.partly]
    return _few([_overlap(one, _upper_decides(one)) for one in partly], overlaps.partly, _DIFFERING)


_DIFFERING = "pairs of rows overlap with different outputs"


def _upper_decides(found: Overlap) -> str:
    return f"with different outputs, and {found.rows[0]} decides because it stands above"


def _overlap(found: Overlap, and_so: str) -> str:
    return f"rows {found.rows[0]} and {found.rows[1]} both match where {found.where}, {and_so}"


def gap_warnings(table: DecisionTable, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Say what no row takes, where that leaves a run undecided."""
    if table.default is not None or table.policy.startswith(_GATHERING):
        return ()
    and_so = "and there is no default row: add a row or a default"
    return _few([f"no row matches where {gap.where}, {and_so}" for gap in gaps], len(gaps), "gaps were found")


def gap_notes(table: DecisionTable, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Say what no row takes, where something else decides."""
    if table.default is not None:
        return _few([f"the default row decides where {gap.where}" for gap in gaps], len(gaps), "gaps were found")
    if table.policy.startswith(_GATHERING):
        return _few([f"nothing is collected where {gap.where}" for gap in gaps], len(gaps), "gaps were found")
    return ()


def unchecked_in_words(doubtful: Sequence[str], unknown: Sequence[str], steps: int) -> str:
    """Say what was not checked; `steps`: after how many the search for gaps ended, 0 if it came to its end."""
    parts = []
    if steps:
        parts.append(f"the search for gaps ended after {steps:,} steps, so there may be more")
    if unknown:
        parts.append(f"whether {_rows(unknown)} can be reached was too long to find out")
    if doubtful:
        parts.append(f"what {_rows(doubtful)} takes depends on other inputs, so overlaps and gaps there are not found")
    return f"not fully checked: {'; '.join(parts)}" if parts else ""


def _few(sentences: list[str], count: int, what: str) -> tuple[str, ...]:
    """Keep the first sentences, and say how many more there are."""
    shown = sentences[:_MOST_SENTENCES]
    more = count - len(shown)
    return (*shown, f"{more} more {what}") if more > 0 else tuple(shown)


def _rows(ids: Sequence[str]) -> str:
    return f"row{'s' * (len(ids) > 1)} {_named(ids)}"


def _named(ids: Sequence[str]) -> str:
    shown, more = ids[:_MOST_ROWS], len(ids) - _MOST_ROWS
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
