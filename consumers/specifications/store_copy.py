"""Copy what is on the topic of specifications into the store, as long as a process runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from consumers.store.specifications.port import SpecificationChanges

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.periodic import ReportSentence
    from consumers.specifications.published_specifications import PublishedSpecifications
    from consumers.store.specifications.port import SpecificationStore

COPY_INTERVAL = 1.0  # seconds
# Another process may have stored a specification that this process has not read yet; revisions contain the time.
MIN_AGE_OF_UNKNOWN = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class SpecificationCopier:
    """Copies each new state of the topic. Several processes may do so: an older revision changes nothing."""

    published: Callable[[], PublishedSpecifications | None]  # None until the topic was read to its end
    store: SpecificationStore
    now: Callable[[], datetime]
    warn: ReportSentence
    _copied: PublishedSpecifications | None = field(default=None, init=False)

    async def run(self) -> None:
        """Copy until cancelled."""
        await repeat(
            self.copy,
            every=COPY_INTERVAL,
            warn=self.warn,
            failure="Specifications could not be copied into the store",
        )

    async def copy(self) -> None:
        """Copy what has changed since the last time; the first time, what differs from the store."""
        published = self.published()
        if published is None or published is self._copied:
            return
        changes = (
            await self._differences(published) if self._copied is None else _changes_between(self._copied, published)
        )
        if changes.written or changes.deleted:
            await self.store.save(changes)
        self._copied = published

    async def _differences(self, published: PublishedSpecifications) -> SpecificationChanges:
        stored = await self.store.revisions()
        before = int((self.now() - MIN_AGE_OF_UNKNOWN).timestamp() * 1000)
        return SpecificationChanges(
            written=[
                one.record
                for spec_id, one in published.readable.items()
                if one.record.revision > stored.get(spec_id, -1)
            ],
            deleted={
                spec_id: revision
                for spec_id, revision in stored.items()
                if spec_id not in published.records
                and (revision < before or revision <= published.deleted.get(spec_id, -1))
            },
        )


def _changes_between(old: PublishedSpecifications, new: PublishedSpecifications) -> SpecificationChanges:
    known = old.readable
    return SpecificationChanges(
        written=[one.record for spec_id, one in new.readable.items() if known.get(spec_id) is not one],
        deleted={
            spec_id: revision for spec_id, revision in new.deleted.items() if old.deleted.get(spec_id) != revision
        },
    )
