"""A topic of specifications in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.specifications.published_specifications import PublishedSpecifications
from consumers.table_topic.port import PlanOutdatedError, TableTopicError

if TYPE_CHECKING:
    from consumers.table_topic.port import Entry
    from consumers.table_topic.publish_plan import PublishPlan


@dataclass
class InMemorySpecificationTopic:
    """A topic whose log the test can read. `quicker` are records that another process writes before the next write."""

    name: str = "testrun.specifications"
    log: list[Entry] = field(default_factory=list)
    quicker: list[Entry] = field(default_factory=list)
    problem: str = ""
    writes: int = 0

    async def read(self) -> PublishedSpecifications:
        """Return what the log says."""
        await asyncio.sleep(0)
        if self.problem:
            raise TableTopicError(self.problem)
        return PublishedSpecifications().with_records(self.log)

    async def write(self, plan: PublishPlan) -> None:
        """Write all records of a plan, or none."""
        self.log += self.quicker
        self.quicker = []
        if not plan.is_current(await self.read()):
            raise PlanOutdatedError
        self.log += [(key.encode(), value) for key, value in plan.records.items()]
        self.writes += 1
