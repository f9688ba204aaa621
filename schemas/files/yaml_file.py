"""Read a file with one YAML document, such as settings or a spoke profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.files.located_tree import Tree, locate, plain_data
from schemas.files.located_yaml import LocatedYaml, LocatedYamlError, YamlLimitError, YamlProblemKind, read_located_yaml
from schemas.files.text_file import TextFileError, read_text_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MAX_BYTES = 1_000_000
_MAX_VALUES = 100_000


class YamlFileError(Exception):
    """The file cannot be read. The message names the file, the line and a remedy."""


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The plain values of a file, and the tree that has their lines. An empty file has the value None and no tree."""

    value: object
    tree: Tree | None

    def locate(self, path: Sequence[int | str]) -> tuple[int, str]:
        """Return the line and the dotted name of a field; if it is missing, the line of what should contain it."""
        return locate(self.tree, path) if self.tree else (1, ".".join(map(str, path[-1:])))


def read_yaml_file(path: Path) -> YamlFile:
    """Read the document of a file.

    Raises:
        YamlFileError: it cannot be opened, is not one YAML document, or exceeds a limit.
    """
    try:
        read = read_located_yaml(read_text_file(path, _MAX_BYTES), max_values=_MAX_VALUES)
    except (TextFileError, YamlLimitError) as error:
        raise YamlFileError(f"{path}:{error.line}: {error.problem}") from None
    except LocatedYamlError as error:
        raise YamlFileError(f"{path}:{error.line}: not valid YAML here ({error.problem})") from None
    if problem := _problem(read):
        line, sentence = problem
        raise YamlFileError(f"{path}:{line}: {sentence}")
    tree = read.documents[0].root if read.documents else None
    return YamlFile(plain_data(tree) if tree else None, tree)


def _problem(read: LocatedYaml) -> tuple[int, str] | None:
    for problem in read.problems:
        # The key itself is not shown: it may be a secret in the wrong place.
        is_duplicate = problem.kind is YamlProblemKind.DUPLICATE_KEY
        return problem.line, "a field is written twice: remove one" if is_duplicate else problem.sentence
    for problem in read.invisible:
        return problem.line, problem.sentence
    if len(read.documents) > 1:
        return read.documents[1].line, "a second YAML document begins here: remove it"
    return None
