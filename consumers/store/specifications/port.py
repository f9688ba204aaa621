"""The specifications in the store, which can be listed without reading the topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.published_tables import SpecificationRecord


class SpecificationChanges(NamedTuple):
    """Records to store, and ids to delete, each with the revision that was deleted."""

    written: Sequence[SpecificationRecord] = ()
    deleted: Mapping[str, int] = {}


class SpecificationStore(Protocol):
    """A copy of the topic. Every method raises StoreUnavailableError during an outage."""

    async def get(self, spec_id: str) -> SpecificationRecord | None:
        """Return one specification."""

    async def last_revision(self, spec_id: str) -> int:
        """Return the revision of a specification, also of one that is deleted; 0 if there never was one."""

    async def page(self, after: str, limit: int) -> Sequence[SpecificationRecord]:
        """Return specifications with ids above `after`, in order."""

    async def revisions(self) -> Mapping[str, int]:
        """Return the revision of every specification, by id."""

    async def save(self, changes: SpecificationChanges) -> None:
        """Store changes together. An older revision than the stored one changes nothing."""
