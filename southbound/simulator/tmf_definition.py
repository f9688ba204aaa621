"""Validate requests with the official definition of a version of TMF653, or with its types (v5.0)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import orjson
from jsonschema_rs import Draft4Validator, Draft202012Validator, ValidationError, ValidationErrorKind

from schemas.text.json_pointer import pointer_to

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFINITION_FILE = "TMF653-ServiceTest-v4.1.0.swagger.json"
DEFINITION_FILES: Mapping[str, str] = {
    "4.0": "TMF653-ServiceTest-v4.0.0.swagger.json",
    "4.1": DEFINITION_FILE,
    "4.2": "TMF653_Service_Test_Management_API_v4.2.0_swagger.json",
    "5.0": "TMF653-ServiceTest-v5.0.0.types.json",
}
ResourceType = Literal[
    "ServiceTest",
    "ServiceTest_Create",
    "ServiceTest_Update",
    "ServiceTestSpecification",
    "ServiceTestSpecification_Create",
    "ServiceTestSpecification_Update",
    "EventSubscriptionInput",
    "Error",
    "JsonPatchOperations",
    "CancelServiceTest",
    "CancelServiceTest_Create",
    "Event",
]
SENT_BY_CLIENTS = frozenset({"ServiceTest_Create", "ServiceTest_Update"})
SERVER_OWNED = ("id", "href")


class DefinitionMissingError(Exception):
    """The official definition of TMF653 is not installed; the message says where it was searched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaViolation:
    """One violation of the definition; `pointer` is a JSON pointer (RFC 6901)."""

    pointer: str
    message: str


class TmfDefinition:
    """The official Open API definition of TMF653; each schema is compiled once."""

    def __init__(self, document: bytes) -> None:
        content = orjson.loads(document)
        self._definitions = content.get("definitions") or content["$defs"]
        self._is_swagger = "definitions" in content
        self._validators: dict[str, Draft4Validator | Draft202012Validator] = {}

    def violations(self, kind: ResourceType, body: object) -> tuple[SchemaViolation, ...]:
        """Return all violations of the schema `kind` in `body`."""
        present = set(body) if isinstance(body, dict) and kind in SENT_BY_CLIENTS else set()
        server_owned = [name for name in SERVER_OWNED if name in present]
        return (
            *(SchemaViolation(pointer=f"/{name}", message=f"{name!r} is set by the server") for name in server_owned),
            *map(_violation, self._validator(kind).iter_errors(body)),
        )

    def _validator(self, kind: ResourceType) -> Draft4Validator | Draft202012Validator:
        if kind not in self._validators:
            self._validators[kind] = self._compiled(kind)
        return self._validators[kind]

    def _compiled(self, kind: ResourceType) -> Draft4Validator | Draft202012Validator:
        if self._is_swagger:
            schema = {"$ref": f"#/definitions/{kind}", "definitions": self._definitions}
            return Draft4Validator(schema, validate_formats=True)
        schema = {"$ref": f"#/$defs/{kind}", "$defs": self._definitions}
        return Draft202012Validator(schema, validate_formats=True)


def _violation(error: ValidationError) -> SchemaViolation:
    path = [str(part) for part in error.instance_path]
    if isinstance(error.kind, ValidationErrorKind.Required):
        path.append(error.kind.property)
    return SchemaViolation(pointer=pointer_to(path), message=error.message)


def find_definition(module: Path = Path(__file__), file: str = DEFINITION_FILE) -> Path:
    """Return the path of the definition: beside this module (installed), or with the tests (in a checkout).

    Raises:
        DefinitionMissingError: it is in neither place.
    """
    folder = module.resolve().parent
    places = (folder / file, folder.parents[1] / "tests" / "data" / "tmf653" / file)
    for place in places:
        if place.is_file():
            return place
    raise DefinitionMissingError(
        f"the simulator needs the official definition {file} and found it neither in {places[0].parent} "
        f"nor in {places[1].parent}: install southbound from its wheel or run it from a whole checkout"
    )


@cache
def official_definition(version: str = "4.1") -> TmfDefinition:
    """Read and compile the official definition of a version, once per process."""
    return TmfDefinition(find_definition(file=DEFINITION_FILES[version]).read_bytes())
