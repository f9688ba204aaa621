"""Change specifications on the topic and in the store, so that a client reads its own change at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from consumers.specifications.published_specifications import (
    PublishedSpecification,
    plan_apply,
    plan_delete,
)
from consumers.store.specifications.port import SpecificationChanges
from consumers.table_topic.port import PlanOutdatedError
from consumers.table_topic.publish_plan import Authorship
from router.specifications.checks import check_stored_specification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from consumers.specifications.published_specifications import PublishedSpecifications
    from consumers.store.specifications.port import SpecificationStore
    from consumers.table_topic.publish_plan import PublishPlan
    from schemas.published_tables import SpecificationRecord
    from schemas.text.json_types import JsonMapping


Written = TypeVar("Written")
MAX_ATTEMPTS = 5  # at one change, while other processes change specifications
PAGE_SIZE = 200  # specifications that are read together


class SpecificationTopic(Protocol):
    """The topic of specifications."""

    async def read(self) -> PublishedSpecifications:
        """Return everything up to the present end; raises TableTopicError."""

    async def write(self, plan: PublishPlan) -> None:
        """Write all records of a plan, or none of them; raises PlanOutdatedError and TableTopicError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificationCatalogue:
    """Reads the store and writes the topic first. Changes of one process take turns; those of several are checked.

    Every method raises StoreUnavailableError during an outage of the store, and changes raise TableTopicError during
    one of Kafka.
    """

    topic: SpecificationTopic
    store: SpecificationStore
    now: Callable[[], datetime]
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False, compare=False)

    async def find(self, spec_id: str) -> SpecificationRecord | None:
        """Return one specification."""
        return await self.store.get(spec_id)

    async def all(self) -> AsyncIterator[SpecificationRecord]:
        """Yield every specification, by id."""
        after = ""
        while page := await self.store.page(after, PAGE_SIZE):
            for record in page:
                yield record
            after = page[-1].id
            await asyncio.sleep(0)  # other requests take their turn

    async def change(
        self, spec_id: str, author: str, edit: Callable[[SpecificationRecord | None], JsonMapping]
    ) -> SpecificationRecord:
        """Write what `edit` makes of the present record. It may be called again; what it raises ends the change.

        Raises:
            RefusedSpecificationError: what `edit` returns is no specification, or too large.
            PlanOutdatedError: other processes change the same specification without end.
        """

        def plan(
            published: PublishedSpecifications, known: SpecificationRecord | None
        ) -> tuple[PublishPlan, SpecificationRecord]:
            authorship = Authorship(author=author[:200], at=self.now())
            planned, written = plan_apply(
                published, [edit(known)], authorship, above=last, check=check_stored_specification
            )
            record = written[0] if written else known
            if record is None:
                raise TypeError("a specification that is not on the topic is written")
            return planned, record

        last = await self.store.last_revision(spec_id)
        record = await self._write(spec_id, plan)
        await self.store.save(SpecificationChanges(written=[record]))
        return record

    async def delete(self, spec_id: str, check: Callable[[SpecificationRecord | None], None]) -> None:
        """Delete a specification; what `check` raises ends the change.

        Raises:
            RefusedSpecificationError: there is none.
            PlanOutdatedError: other processes change the same specification without end.
        """

        def plan(published: PublishedSpecifications, known: SpecificationRecord | None) -> tuple[PublishPlan, int]:
            check(known)
            return plan_delete(published, spec_id), known.revision if known is not None else 0

        revision = await self._write(spec_id, plan)
        await self.store.save(SpecificationChanges(deleted={spec_id: revision}))

    async def _write(
        self,
        spec_id: str,
        plan: Callable[[PublishedSpecifications, SpecificationRecord | None], tuple[PublishPlan, Written]],
    ) -> Written:
        async with self._changing:
            for attempt in range(1, MAX_ATTEMPTS + 1):
                published = await self.topic.read()
                known = published.records.get(spec_id)
                record = known.record if isinstance(known, PublishedSpecification) else None
                planned, written = plan(published, record)
                try:
                    if planned.records:
                        await self.topic.write(planned)
                except PlanOutdatedError:
                    if attempt == MAX_ATTEMPTS:
                        raise
                else:
                    return written
        raise PlanOutdatedError
