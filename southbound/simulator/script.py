"""Choose the behaviour for a test by its specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError

from schemas.base import Model
from schemas.files.yaml_file import YamlFile, YamlFileError, read_yaml_file
from schemas.results import Reason
from southbound.simulator.behaviours import (
    Behaviour,
    completes_by_callback,
    completes_immediately,
    rejects,
    stays_pending,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails


_MAX_MISTAKES = 1_000  # nobody reads more of them


def _as_text(version: object) -> object:
    # YAML reads 5.0 as a number.
    return str(version) if isinstance(version, float) else version


class ScriptError(Exception):
    """A script cannot be used; the message has one line per mistake."""


class Script(Model):
    """Behaviours by specification id; for a test that names a parent, `children` is searched first.

    A system of `version` 5.0 is strict: what a type of TMF653 v5.0 does not have is refused. `hub: listing` also
    answers GET of `/hub` with the list of subscriptions; `hub: unsupported` answers 501 to everything below it.
    """

    version: Annotated[Literal["4.0", "4.1", "4.2", "5.0"], BeforeValidator(_as_text)] = "4.1"
    hub: Literal["standard", "listing", "unsupported"] = "standard"
    specifications: dict[str, Behaviour] = Field(default_factory=dict)
    children: dict[str, Behaviour] = Field(default_factory=dict)
    default: Behaviour = Field(default_factory=completes_immediately)

    def behaviour_for(self, specification: str, *, child: bool = False) -> Behaviour:
        """Return the behaviour for a test of this specification."""
        behaviour = self.specifications.get(specification, self.default)
        return self.children.get(specification, behaviour) if child else behaviour


def read_script(file: Path) -> Script:
    """Read a script from YAML.

    Raises:
        ScriptError: the file cannot be read or has mistakes; all of them are reported at once.
    """
    try:
        document = read_yaml_file(file)
    except YamlFileError as error:
        remedy = "" if file.is_file() else ": name a script, or omit --script"
        raise ScriptError(f"{error}{remedy}") from None
    try:
        return Script.model_validate(document.value or {})
    except ValidationError as error:
        raise ScriptError("\n".join(_mistakes(file, document, error))) from None


def _mistakes(file: Path, document: YamlFile, error: ValidationError) -> Iterator[str]:
    for mistake in error.errors()[:_MAX_MISTAKES]:
        line, field = document.locate(mistake["loc"])
        place = f"field '{field}'" if field else "the whole script"
        yield f"{file}:{line}: {place}: {_sentence(mistake)}"


def _sentence(mistake: ErrorDetails) -> str:
    if mistake["type"] == "extra_forbidden":
        return "no such field: remove it or correct its name"
    if mistake["type"] == "missing":
        return "is missing: add it"
    if mistake["type"] in ("model_type", "dict_type"):
        return "must be fields with values, such as {busy_times: 1}"
    return mistake["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def demo_script() -> Script:
    """Return the script of the demo: one specification per scenario."""
    refusal = Reason(
        code="referenceNotFound",
        message="no copper pair is known for this service: correct relatedService",
        property_path="/relatedService/id",
    )
    return Script(
        specifications={
            "fibre-quick": completes_immediately(),
            "fibre-line": completes_by_callback(0.3),
            "fibre-tree": completes_by_callback(0.2),
            "fibre-tree-child": completes_by_callback(0.3),
            "fibre-flat": completes_by_callback(0.2),
            "fibre-change": stays_pending(2.0, echo_characteristics=True),
            "fibre-cancel": stays_pending(None),
            "copper-refused": rejects(refusal),
            "copper-busy": completes_immediately(busy_times=2),
            "copper-line": completes_by_callback(0.3),
        }
    )
