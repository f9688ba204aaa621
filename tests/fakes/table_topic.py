"""An in-memory tables topic: a list of records."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.table_topic.port import PlanOutdatedError, TableTopicRead
from consumers.table_topic.published_tables import PublishedTables
from southbound.operations import kafka
from southbound.operations.tables import lookup as table_shelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from consumers.table_topic.port import Entry
    from consumers.table_topic.publish_plan import PublishPlan
    from southbound.settings.settings import Settings


@dataclass(slots=True)
class InMemoryTableTopic:
    """A `TableTopic` whose log the test can read and write."""

    log: list[Entry] = field(default_factory=list)
    name: str = "testrun.tables"
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> PublishedTables:
        """Return what is published."""
        await asyncio.sleep(0)
        return PublishedTables().with_records(self.log)

    async def write(self, plan: PublishPlan) -> None:
        """Write all records of a plan, or none."""
        await asyncio.sleep(0)
        if not plan.is_current(PublishedTables().with_records(self.log)):
            raise PlanOutdatedError
        self.put(*[(key.encode(), value) for key, value in plan.records.items()])

    def put(self, *entries: Entry) -> None:
        """Append any records to the log."""
        self.log += entries
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[AsyncIterator[TableTopicRead]]:
        """Yield every record, present and future."""
        yield self._changes()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Replace Kafka's topic with this one in the table commands."""

        async def check_topics(_: Settings, topics: list[str]) -> None:
            assert topics == [self.name]

        patch.setattr(kafka, "wait_until_reachable", check_topics)
        patch.setattr(table_shelf, "table_topic", lambda _: self)

    async def _changes(self) -> AsyncIterator[TableTopicRead]:
        read = 0
        while True:
            entries = tuple(self.log[read:])
            read += len(entries)
            yield TableTopicRead(entries=entries, at_end=True)
            while len(self.log) == read:
                await self._grown.wait()
