"""Read a YAML file and remember on which line each field stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class YamlMistakeError(Exception):
    """The file cannot be read as YAML; the sentence names file, line and remedy."""


@dataclass(frozen=True, slots=True)
class Positioned:
    """Plain values, and the tree they came from for its positions."""

    value: object
    _tree: object

    def locate(self, path: Sequence[int | str]) -> tuple[int, str]:
        """Give line and dotted name of a field; of its surroundings where it is missing."""
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
