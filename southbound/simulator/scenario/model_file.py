"""Read a file that describes simulated systems, and report its mistakes as sentences with their lines."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from schemas.base import Model
from schemas.files.mistakes import sentence_of
from schemas.files.yaml_file import YamlFile, YamlFileError, read_yaml_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=Model)
_MAX_MISTAKES = 1_000  # nobody reads more of them


class ModelFileError(Exception):
    """A file cannot be used; the message has one line per mistake."""


def read_model(model: type[M], file: Path, noun: str, remedy: str, fields: Sequence[str] = ()) -> M:
    """Read a model from YAML; an empty file has no fields. `fields` are the names for "did you mean".

    `noun` is what the file has, and `remedy` what to do if there is no such file.

    Raises:
        ModelFileError: the file cannot be read or has mistakes; all of them are reported at once.
    """
    try:
        document = read_yaml_file(file)
    except YamlFileError as error:
        raise ModelFileError(f"{error}{'' if file.is_file() else f': {remedy}'}") from None
    try:
        return model.model_validate(document.value or {})
    except ValidationError as error:
        raise ModelFileError("\n".join(_mistakes(file, document, error, noun, fields))) from None


def _mistakes(
    file: Path, document: YamlFile, error: ValidationError, noun: str, fields: Sequence[str]
) -> Iterator[str]:
    for mistake in error.errors(include_url=False, include_input=False)[:_MAX_MISTAKES]:
        # The kind of credentials is part of the location, and not of the file.
        line, field = document.locate(mistake["loc"])
        place = f"field '{field}'" if field else f"the whole {noun}"
        yield f"{file}:{line}: {place}: {_sentence(mistake, field, fields)}"


def _sentence(mistake: ErrorDetails, field: str, fields: Sequence[str]) -> str:
    if mistake["type"] == "extra_forbidden":
        close = get_close_matches(field.rpartition(".")[2], fields, n=1)
        return f"no such field: {f'did you mean {close[0]!r}?' if close else 'remove it or correct its name'}"
    if mistake["type"] == "missing":
        return "is missing: add it"
    if mistake["type"] in ("model_type", "dict_type"):
        return "must be fields with values, such as {busy_times: 1}"
    if mistake["type"].startswith("union_tag"):
        return "needs a 'kind' that says which"
    return sentence_of(mistake)
