"""Find what a name or a path such as `applicant.age` means among values by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Protocol, TypeVar

Key = TypeVar("Key")
Key_contra = TypeVar("Key_contra", contravariant=True)


class Holder(Protocol[Key_contra]):
    """Holds values, by name or by place."""

    def __getitem__(self, key: Key_contra, /) -> object:
        """Give one of them."""


def all_of(names: Sequence[Key]) -> Callable[[Holder[Key]], tuple[object, ...]]:
    """Make the function that takes the values of all names at once; it raises `KeyError` where one is missing."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda inputs: tuple([inputs[name] for name in names])


def value_at(inputs: Mapping[str, object], path: str) -> object:
    """Take the value of a name, or follow a path into nested mappings; None where there is none.

    A name may itself have dots. A list on the way gives the list of what its elements have (DMN 1.5 §10.3.2.5).
    """
    if path in inputs:
        return inputs[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in inputs:
            return _inside(inputs[head], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _inside(value: object, path: str) -> object:
    match value:
        case Mapping():
            return value_at(value, path)
        case list() | tuple():
            return [_inside(item, path) for item in value]
        case _:
            return None
