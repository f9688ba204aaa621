"""Find the events in a file that people wrote, and the line of each of their fields."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


Loc = tuple[int | str, ...]

Written = Any  # whatever stands in the file; the models judge it

Node = Any  # ruamel's nodes are not typed

_LINES = frozenset({".jsonl", ".ndjson"})

_YAML = frozenset({".yaml", ".yml"})


class NotAFileError(ValueError):
    """The text is neither JSON nor YAML; `line` says where it stops to be."""

    def __init__(self, sentence: str, line: int) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True, slots=True)
class WrittenEvent:
    """One event as it was written. `line_of` gives the line of a field, or of the nearest thing around it."""

    content: Written | NotAFileError
    line_of: Callable[[Loc], int]


def written_events(text: str, file: str) -> list[WrittenEvent]:
    """Take the file apart.

    Raises:
        NotAFileError: it is not of the format that its name says, or of none.
    """
    suffix = PurePath(file).suffix.lower()
    if suffix in _LINES or (suffix not in _YAML and _is_json_lines(text)):
        return _from_lines(text)
    if suffix == ".json" or (suffix not in _YAML and _is_json(text)):
        return _from_json(text)
    return _from_yaml(text)


def _is_json_lines(text: str) -> bool:
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) > 1 and lines[0].startswith("{") and _is_json(lines[0])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _from_lines(text: str) -> list[WrittenEvent]:
    lines = enumerate(text.split("\n"), start=1)
    return [WrittenEvent(_json_or_not(line, number), _always(number)) for number, line in lines if line.strip()]


def _json_or_not(line: str, number: int) -> Written | NotAFileError:
    # One broken line must not hide the mistakes in the others.
    try:
        return _json(line, number)
    except NotAFileError as wrong:
        return wrong


def _always(line: int) -> Callable[[Loc], int]:
    return lambda _loc: line


def _from_json(text: str) -> list[WrittenEvent]:
    content = _json(text, 1)
    if not isinstance(content, list):
        return [WrittenEvent(content, lambda loc: _line_in_json(text, loc))]
    return [WrittenEvent(one, partial(_line_of_item, text, place)) for place, one in enumerate(content)]


def _line_of_item(text: str, place: int, loc: Loc) -> int:
    return _line_in_json(text, (place, *loc))


def _line_in_json(text: str, loc: Loc) -> int:
    # JSON is YAML, but for its tabs; slow to read, so only for files with mistakes.
    return _line(_composed_json(text.replace("\t", " ")), loc)


@lru_cache(maxsize=1)
def _composed_json(text: str) -> Node:
    return YAML(typ="safe", pure=True).compose(text)


def _json(text: str, line: int) -> Written:
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        raise NotAFileError(f"not JSON: {wrong.msg}, column {wrong.colno}", line + wrong.lineno - 1) from None
    except (ValueError, RecursionError) as wrong:
        raise NotAFileError(f"not JSON: {wrong}", line) from None


def _from_yaml(text: str) -> list[WrittenEvent]:
    yaml = YAML(typ="safe", pure=True)
    try:
        return [_written(yaml, node) for root in yaml.compose_all(text) for node in _events_in(root)]
    except MarkedYAMLError as wrong:
        line = wrong.problem_mark.line + 1 if wrong.problem_mark else 1
        raise NotAFileError(f"not YAML: {wrong.problem or wrong.context}", line) from None
    except (YAMLError, RecursionError, TypeError, ValueError) as wrong:
        raise NotAFileError(f"neither JSON nor YAML: {str(wrong)[:160]}", 1) from None


def _events_in(root: Node) -> list[Node]:
    if root is None:
        return []
    return list(root.value) if isinstance(root, SequenceNode) else [root]


def _written(yaml: YAML, node: Node) -> WrittenEvent:
    content = yaml.constructor.construct_object(node, deep=True)
    # The models read JSON and nothing else, so a date in YAML is a text from here on.
    return WrittenEvent(json.loads(json.dumps(content, default=_as_text)), partial(_line, node))


def _as_text(value: object) -> str:
    return b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _line(node: Node, loc: Loc) -> int:
    line = int(node.start_mark.line) + 1
    for step in loc:
        key, node = _step(node, step)
        if node is None:
            break
        line = int(key.start_mark.line) + 1
    return line


def _step(node: Node, step: int | str) -> tuple[Node, Node]:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), (None, None))
    if isinstance(node, SequenceNode) and isinstance(step, int):
        return node.value[step], node.value[step]
    return None, None


class YamlMistakeError(Exception):
    """The file cannot be read as YAML; the sentence names file, line and remedy."""


@dataclass(frozen=True, slots=True)
class Positioned:
    """Plain values, and the tree they came from for its positions."""

    value: object
    _tree: object

    def locate(self, path: Sequence[int | str]) -> tuple[int, str]:
        """Return line and dotted name of a field, or of its surroundings if it is missing."""
        node, line, found = self._tree, 1, []
        for place, step in enumerate(path):
            here = _line_of(node, step)
            if here is not None:
                line, node = here, _below(node, step)
            # A step that is not in the file is the name of a union's member, or the missing field at the end.
            if here is not None or place == len(path) - 1:
                found.append(str(step))
        return line, ".".join(found)


def _line_of(node: object, step: int | str) -> int | None:
    if isinstance(node, CommentedMap) and step in node:
        return int(node.lc.key(step)[0]) + 1
    if isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
        return int(node.lc.item(step)[0]) + 1
    return None


def _below(node: object, step: int | str) -> object:
    return node[step] if isinstance(node, (CommentedMap, CommentedSeq)) else None


def read_yaml(path: Path) -> Positioned:
    """Read one document.

    Raises:
        YamlMistakeError: it is not there, not text, or not YAML.
    """
    try:
        tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise YamlMistakeError(f"{path}:1: cannot be read as text: {type(error).__name__}") from error
    except YAMLError as error:
        raise YamlMistakeError(f"{path}:{_mark(error)}: {_problem(error)}") from None
    return Positioned(_plain(tree), tree)


def _mark(error: YAMLError) -> int:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return mark.line + 1 if mark else 1


def _problem(error: YAMLError) -> str:
    if isinstance(error, DuplicateKeyError):
        # Its own text repeats both values, and one may be a secret.
        return "a field is written twice: remove one"
    problem = error.problem if isinstance(error, MarkedYAMLError) else None
    return f"not valid YAML here ({problem or 'it cannot be parsed'})"


def _plain(node: object) -> object:
    if isinstance(node, CommentedMap):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    return node
