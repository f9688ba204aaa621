"""Specifications in memory, instead of in a database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.store.specifications.port import SpecificationChanges
    from schemas.published_tables import SpecificationRecord


@dataclass(slots=True)
class InMemorySpecifications:
    """A `SpecificationStore`. A deleted specification leaves its revision."""

    rows: dict[str, tuple[int, SpecificationRecord | None]] = field(default_factory=dict)

    async def get(self, spec_id: str) -> SpecificationRecord | None:
        """Return one specification."""
        await asyncio.sleep(0)
        return self.rows.get(spec_id, (0, None))[1]

    async def last_revision(self, spec_id: str) -> int:
        """Return the revision of a specification, also of one that is deleted; 0 if there never was one."""
        await asyncio.sleep(0)
        return self.rows.get(spec_id, (0, None))[0]

    async def page(self, after: str, limit: int) -> Sequence[SpecificationRecord]:
        """Return specifications with ids above `after`, in order."""
        await asyncio.sleep(0)
        records = [record for spec_id, (_, record) in sorted(self.rows.items()) if spec_id > after and record]
        return records[:limit]

    async def revisions(self) -> Mapping[str, int]:
        """Return the revision of every specification, by id."""
        await asyncio.sleep(0)
        return {spec_id: revision for spec_id, (revision, record) in self.rows.items() if record}

    async def save(self, changes: SpecificationChanges) -> None:
        """Store changes together. An older revision than the stored one changes nothing."""
        await asyncio.sleep(0)
        for record in changes.written:
            if record.revision > self.rows.get(record.id, (-1, None))[0]:
                self.rows[record.id] = (record.revision, record)
        for spec_id, revision in changes.deleted.items():
            if spec_id in self.rows and self.rows[spec_id][0] <= revision:
                self.rows[spec_id] = (revision, None)
