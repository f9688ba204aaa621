"""Read the fields of one part of a table file, and report missing, unknown or malformed ones."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING

from schemas.files.located_tree import Block, Listing, Scalar

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from router.tables.diagnostics import Diagnostics
    from schemas.files.located_tree import Tree


_PATH = "path"  # names what is compared; ids and types have letters of their own, and notes decide nothing
_NO_HINTS: Mapping[str, str] = MappingProxyType({})


class BlockReader:
    """The fields of one block of a file. `context`, such as `row R10`, starts every sentence about the block."""

    def __init__(self, block: Block, context: str, diagnostics: Diagnostics) -> None:
        self._block = block
        self._diagnostics = diagnostics
        self.context = context
        self.line = block.line

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the block, in file order."""
        return tuple(self._block.entries)

    def report(self, problem: str, line: int | None = None) -> None:
        """Add a problem of the block; without `line`, at the block's own line."""
        start = f"{self.context}: " if self.context else ""
        self._diagnostics.add(line or self.line, start + problem)

    def place_name(self, line: int) -> str:
        """Return the name of a line, to refer to it in a sentence about another line."""
        return self._diagnostics.places.short_name(line)

    def named(self, context: str) -> BlockReader:
        """Return a reader of the same block with another name in its sentences."""
        return BlockReader(self._block, context, self._diagnostics)

    def check_keys(self, known: Collection[str], foreign_keys: Mapping[str, str] = _NO_HINTS) -> None:
        """Report every key that is not in `known`. `foreign_keys` are hints for keys that other kinds of file have."""
        for key in self._block.entries:
            if key not in known:
                hint = foreign_keys.get(key) or _hint(key, known)
                self.report(f"unknown key '{key}'; {hint}", self._block.lines[key])

    def line_of(self, key: str) -> int:
        """Return the line of a key; the line of the block if the key is missing."""
        return self._block.lines.get(key, self.line)

    def tree(self, key: str) -> Tree | None:
        """Return the value of a key; None if it is missing."""
        return self._block.entries.get(key)

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return the text of a key. If it is missing, return `default`, or report it and return an empty text."""
        tree = self.tree(key)
        if tree is None and default is not None:
            return default
        if isinstance(tree, Scalar) and tree.text.strip() and tree.value is not None:
            if tree.unseen and key == _PATH:
                self.report(f"'{key}': {invisible_problem(tree)}", self.line_of(key))
            return tree.text.strip()
        problem = "is missing" if tree is None else "must be a text"
        self.report(f"'{key}' {problem}", self.line_of(key))
        return ""

    def block(self, key: str, context: str) -> BlockReader:
        """Return the block under a key. If it is missing, report it and return an empty block."""
        tree = self.tree(key)
        if isinstance(tree, Block):
            return BlockReader(tree, context, self._diagnostics)
        self.report(f"'{key}' {_shape_problem(tree)} {{name: value}}", self.line_of(key))
        return BlockReader(Block({}, {}, self.line_of(key)), context, self._diagnostics)

    def blocks(self, key: str, context: str) -> list[BlockReader]:
        """Return the list of blocks under a key. If it is missing, report it and return an empty list."""
        tree = self.tree(key)
        if not isinstance(tree, Listing):
            self.report(f"'{key}' {_shape_problem(tree)} a list of {context}s", self.line_of(key))
            return []
        return [fields for item in tree.items if (fields := self._listed_block(item, context))]

    def _listed_block(self, item: Tree, context: str) -> BlockReader | None:
        if isinstance(item, Block):
            return BlockReader(item, context, self._diagnostics)
        self._diagnostics.add(item.line, f"{context}: must be {{name: value}}")
        return None


def invisible_problem(scalar: Scalar) -> str:
    """Return the sentence about a text that has a character which nobody sees."""
    code = f"U+{ord(scalar.unseen):04X}"
    remedy = "type the text again, or write it as an escape in double quotes (YAML) if it belongs to it"
    return f"the text contains the character {code}, which nobody sees, or which could not be read: {remedy}"


def _shape_problem(tree: Tree | None) -> str:
    return "is missing; write it as" if tree is None else "must be"


def _hint(key: str, known: Collection[str]) -> str:
    matches = difflib.get_close_matches(key, known, n=1)
    return f"did you mean '{matches[0]}'?" if matches else f"known are {', '.join(known)}"
