"""Choose the behaviour for a test by its specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from schemas.base import Model
from schemas.results import Reason
from southbound.simulator.behaviours import (
    Behaviour,
    completes_by_callback,
    completes_immediately,
    rejects,
    stays_pending,
)
from southbound.simulator.scenario.model_file import ModelFileError, read_model

if TYPE_CHECKING:
    from pathlib import Path


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

    version: Annotated[Literal["4.0", "4.1", "4.2", "5.0"], BeforeValidator(_as_text)] = Field(
        default="4.1", description="The version of TMF653, with whose definition requests are checked."
    )
    hub: Literal["standard", "listing", "unsupported"] = Field(
        default="standard",
        description=(
            "The hub at which listeners subscribe. `listing`: a GET of it shows the subscriptions; `unsupported`: it"
            " answers 501."
        ),
    )
    specifications: dict[str, Behaviour] = Field(
        default_factory=dict, description="Behaviours by the id of the test specification."
    )
    children: dict[str, Behaviour] = Field(
        default_factory=dict, description="The same for tests that name a parent; `specifications` comes after it."
    )
    default: Behaviour = Field(
        default_factory=completes_immediately,
        description="The behaviour for all other tests. By default they complete at once.",
    )

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
        return read_model(Script, file, "script", "name a script, or omit --script")
    except ModelFileError as error:
        raise ScriptError(str(error)) from None


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
            "fibre-slow": completes_by_callback(0.3, values={"downstream": 12.5}, violate_threshold=True),
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
