"""The part of a query that a database decides; what passes is checked again by the whole query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The paths that a database decides, with the fields of the run document.
DOCUMENT_PATHS: Mapping[str, tuple[str, ...]] = {
    "name": ("name",),
    "description": ("description",),
    "relatedService.id": ("related_service", "id"),
    "relatedService.name": ("related_service", "name"),
    "testSpecification.id": ("test_specification", "id"),
    "testSpecification.name": ("test_specification", "name"),
    "testSpecification.version": ("test_specification", "version"),
}


@dataclass(frozen=True, slots=True)
class FieldIsOneOf:
    """A text inside of a run's document has one of these values; `path` names its fields as the document does."""

    path: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushdown:
    """Conditions that all hold. `is_complete`: nothing else has to be checked of a run that passes them."""

    run_ids: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None  # of `RunState`, as they are shown
    fields: tuple[FieldIsOneOf, ...] = ()
    is_complete: bool = True
