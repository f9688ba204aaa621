"""Read a file of test specifications: one, a list of them, or several YAML documents."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from schemas.files.located_json import LocatedJsonError, read_located_json
from schemas.files.located_tree import plain_data
from schemas.files.located_yaml import LocatedYamlError, read_located_yaml
from southbound.exit_codes import invalid_input
from southbound.operations.input_file import read_input

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_specification_file(file: str) -> list[Mapping[str, object]]:
    """Return the documents of a file, `-` for standard input.

    Raises:
        CommandFailedError: with everything that is wrong with it.
    """
    text, name = read_input(file, "a file of test specifications")
    values = _read_json(text, name) if _is_json(text, name) else _read_yaml(text, name)
    documents: list[Mapping[str, object]] = []
    mistakes: list[str] = []
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            documents.append(value)
        else:
            mistakes.append(f"{name}: value {number} is no test specification: write an object with id and name")
    if mistakes or not documents:
        raise invalid_input(mistakes or [f"{name}: has no test specification"])
    return documents


def _is_json(text: str, name: str) -> bool:
    suffix = PurePath(name).suffix.lower()
    return suffix == ".json" or (suffix not in {".yaml", ".yml"} and text.lstrip()[:1] in {"{", "["})


def _read_json(text: str, name: str) -> list[object]:
    try:
        value = read_located_json(text)
    except LocatedJsonError as error:
        raise invalid_input([f"{name}:{error.line}: {error.problem}"]) from None
    return value if isinstance(value, list) else [value]


def _read_yaml(text: str, name: str) -> list[object]:
    try:
        read = read_located_yaml(text)
    except LocatedYamlError as error:
        raise invalid_input([f"{name}:{error.line}: not valid YAML here ({error.problem[:160]})"]) from None
    if read.problems:
        raise invalid_input([f"{name}:{problem.line}: {problem.sentence}" for problem in read.problems])
    values = [plain_data(document.root) for document in read.documents]
    return [item for value in values for item in (value if isinstance(value, list) else [value])]
