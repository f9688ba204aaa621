"""Write a box of values in words, such as `type="aborted", region=any, priority<0`, and give an example of it."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

from router.tables.analysis.space import runs
from router.tables.explain.wording import value_in_words
from router.tables.feel.values import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.tables.analysis.axes import Axis, Classes, ValueClass
    from router.tables.analysis.space import Box, Space

_MOST_PARTS = 6  # of one input; more than that nobody reads


def box_in_words(space: Space, box: Box) -> str:
    """Name what each input may be; an input that no row asks for is left out."""
    told = [_in_words(axis, classes) for axis, classes in zip(space.axes, box, strict=True) if _matters(axis)]
    return ", ".join(told) or "whatever the inputs are"


def _matters(axis: Axis) -> bool:
    return any(one != axis.all for one in axis.of_row) or bool(axis.doubtful)


def example_of(space: Space, box: Box) -> dict[str, object]:
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


def _parts_of_kind(axis: Axis, kind: Kind, some: Classes) -> Iterator[str]:
    between = axis.between[kind]
    if kind is Kind.NULL:
        yield "missing"
    elif kind is Kind.OTHER:
        yield "=any" if axis.expected & some else "of another type"
    elif between and not between & ~some:
        # All that no cell names is in the set, so it is best told by what is not.
        yield _rest_in_words(axis, kind, axis.of_kind[kind] & ~some)
    else:
        yield from _stretches_in_words(axis, kind, some)


def _rest_in_words(axis: Axis, kind: Kind, named: Classes) -> str:
    count = named.bit_count()
    places = (place for first, end in runs(named) for place in range(first, end))
    shown = ", ".join(_word(axis.classes[place].sample) for place in islice(places, _MOST_PARTS))
    more = f" and {count - _MOST_PARTS} more" if count > _MOST_PARTS else ""
    return f"=anything but {shown}{more}" if named else f"={kind.value}"


def _stretches_in_words(axis: Axis, kind: Kind, some: Classes) -> Iterator[str]:
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
