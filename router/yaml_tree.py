"""Read YAML as a tree in which every value knows its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from router.complaints import TableErrors
from router.literals import joined

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node as RawNode

    from router.complaints import Complaints

_DEEPEST = 20


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


def read_yaml(text: str, source: str, complaints: Complaints) -> Tree:
    """Read one YAML document; keys that stand twice become complaints.

    Raises:
        TableErrors: the text is not YAML; one sentence with its line.
    """
    try:
        reader = YAML(typ="safe", pure=True)
        reader.composer.warn_double_anchors = False  # aliases are refused with a line below
        root = reader.compose(text)
    except (YAMLError, RecursionError, ValueError) as error:
        raise TableErrors([_not_yaml(source, error)]) from None
    if root is None:
        raise TableErrors([f"{source}:1: the file is empty"])
    return _Grower(complaints).grow(root, _DEEPEST)


def _not_yaml(source: str, error: Exception) -> str:
    match error:
        case MarkedYAMLError(problem_mark=mark, problem=str(problem)) if mark is not None:
            problem = problem.splitlines()[0].split("  in ")[0].strip()
            return f"{source}:{mark.line + 1}: not valid YAML: {problem} (column {mark.column + 1})"
        case RecursionError():
            return f"{source}:1: not a table: the YAML is nested too deep"
        case _:
            return f"{source}:1: not valid YAML: {str(error).splitlines()[0]}"


class _Grower:
    """Turns YAML nodes into a tree; refuses aliases, which would hide where a value stands."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._seen: set[int] = set()

    def grow(self, node: RawNode, depth: int) -> Tree:
        line = node.start_mark.line + 1
        if id(node) in self._seen:
            self._complaints.add(line, "aliases (*name) are not taken: write the value out")
            return Scalar("", None, line)
        self._seen.add(id(node))
        if depth == 0:
            self._complaints.add(line, "nested too deep")
            return Scalar("", None, line)
        return self._grown(node, line, depth - 1)

    def _grown(self, node: RawNode, line: int, depth: int) -> Tree:
        match node:
            case MappingNode():
                return self._block(node, line, depth)
            case SequenceNode():
                return Listing(tuple(self.grow(item, depth) for item in node.value), line)
            case ScalarNode():
                text = self._text(node.value, line)
                return Scalar(text, _plain(node.tag, text), line)
        raise TypeError(f"YAML has no other node than these: {node!r}")

    def _text(self, written: str, line: int) -> str:
        text = joined(written)
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            self._complaints.add(line, "half a character stands here (an escape such as \\ud800): write the whole one")
        return text

    def _block(self, node: MappingNode, line: int, depth: int) -> Block:
        entries: dict[str, Tree] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, place = str(key.value), key.start_mark.line + 1
            if name in entries:
                first = self._complaints.places.within(lines[name])
                self._complaints.add(place, f"'{name}' stands twice, first in {first}")
                continue
            lines[name] = place
            entries[name] = self.grow(value, depth)
        return Block(entries, lines, line)


def _plain(tag: str | None, text: str) -> object:
    match (tag or "").rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" | "float":
            return _number(text)
        case _:
            return text


def _number(text: str) -> object:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def plain_data(tree: Tree) -> object:
    """Forget the lines: dicts, lists and plain values."""
    match tree:
        case Block():
            return {key: plain_data(value) for key, value in tree.entries.items()}
        case Listing():
            return [plain_data(item) for item in tree.items]
        case Scalar():
            return tree.value
