"""The values of a file as a tree in which every value has its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: its text as written, without quotes, and the null, boolean, number or text that it stands for.

    `unseen` is the first character of it that nobody sees in the file, which one that is written as an escape is not.
    """

    text: str
    value: object
    line: int
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of values."""

    items: tuple[Tree, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """Values by key. `lines` has the line of each key."""

    entries: dict[str, Tree]
    lines: dict[str, int]
    line: int


Tree = Scalar | Listing | Block


def block_of(entries: dict[str, Tree], line: int) -> Block:
    """Return a block in which every key is on the line of its value."""
    return Block(entries, {key: tree.line for key, tree in entries.items()}, line)


def locate(tree: Tree, path: Sequence[int | str]) -> tuple[int, str]:
    """Return the line and the dotted name of a field; if it is missing, the line of what should contain it.

    A step that is not in the tree is skipped, because pydantic adds the names of union members to its paths.
    """
    line, found = tree.line, []
    for place, step in enumerate(path):
        below = _step(tree, step)
        if below is not None:
            line, tree = below
        if below is not None or place == len(path) - 1:
            found.append(str(step))
    return line, ".".join(found)


def _step(tree: Tree, step: int | str) -> tuple[int, Tree] | None:
    if isinstance(tree, Block) and str(step) in tree.entries:
        return tree.lines[str(step)], tree.entries[str(step)]
    if isinstance(tree, Listing) and isinstance(step, int) and step < len(tree.items):
        return tree.items[step].line, tree.items[step]
    return None


def plain_data(tree: Tree) -> object:
    """Return the tree without lines: dicts, lists and plain values."""
    match tree:
        case Block():
            return {key: plain_data(value) for key, value in tree.entries.items()}
        case Listing():
            return [plain_data(item) for item in tree.items]
        case Scalar():
            return tree.value


def has_more_values(value: object, limit: int) -> bool:
    """Return whether plain data has more values than allowed; a list or a block is a value, a key is not."""
    to_visit, values = [value], 0
    while to_visit and values <= limit:
        found = to_visit.pop()
        values += 1
        if isinstance(found, dict | list):
            to_visit += found.values() if isinstance(found, dict) else found
    return values > limit
