"""Hold what a table file says as a tree in which every value knows its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: its text as written (without YAML quotes), and what YAML takes it for."""

    text: str
    value: object
    line: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of values."""

    items: tuple[Tree, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """Values by key; `lines` are those of the keys."""

    entries: dict[str, Tree]
    lines: dict[str, int]
    line: int


Tree = Scalar | Listing | Block


def block_of(entries: dict[str, Tree], line: int) -> Block:
    """Make a block of values each of which stands where its key would."""
    return Block(entries, {key: tree.line for key, tree in entries.items()}, line)


def line_of(tree: Tree, path: Sequence[int | str]) -> int:
    """Return the line of what a path leads to, or of the last that is there on the way."""
    line = tree.line
    for step in path:
        if isinstance(tree, Block) and step in tree.entries:
            line, tree = tree.lines[str(step)], tree.entries[str(step)]
        elif isinstance(tree, Listing) and isinstance(step, int) and step < len(tree.items):
            tree = tree.items[step]
            line = tree.line
        else:
            break
    return line


def plain_data(tree: Tree) -> object:
    """Forget the lines: dicts, lists and plain values."""
    match tree:
        case Block():
            return {key: plain_data(value) for key, value in tree.entries.items()}
        case Listing():
            return [plain_data(item) for item in tree.items]
        case Scalar():
            return tree.value
