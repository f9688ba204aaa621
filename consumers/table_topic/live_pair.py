"""Provide decisions with the policy and the selector that are live on the tables topic.

They are replaced as one pair, so no decision sees two tables that were never live together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.table_topic.live_table import LiveTable
from consumers.table_topic.published_tables import PublishedTables
from router.selection.load import RoutingTables
from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import SpokeSelector
from schemas.published_tables import TableKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from consumers.table_topic.live_table import TableObserver
    from consumers.table_topic.port import TableTopicRead

BEING_READ = "the tables topic is being read"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTableIds:
    """Decide by what is live on the tables topic under these two ids."""

    policy: str
    selector: str


class LivePair:
    """The pair for decisions: call it to get the one of this moment. One task processes the records of the topic."""

    def __init__(self, table_ids: PublishedTableIds, spokes: Collection[str], observer: TableObserver) -> None:
        def live_table(table: str, kind: TableKind) -> LiveTable:
            return LiveTable(table=table, kind=kind, spokes=spokes, observer=observer)

        self._policy = live_table(table_ids.policy, TableKind.POLICY)
        self._selector = live_table(table_ids.selector, TableKind.SELECTOR)
        self._observer = observer
        self._published = PublishedTables()
        self._read_to_the_end = False
        self._pair: RoutingTables | None = None
        self._problem = ""

    def current(self) -> RoutingTables:
        """Return the policy and the selector to decide by now."""
        if self._pair is None:
            raise TypeError("Nothing may be decided before the tables topic was read to its end.")
        return self._pair

    @property
    def missing(self) -> str | None:
        """What is missing before anything can be decided; None if nothing is."""
        if self._pair is not None:
            return None
        if not self._read_to_the_end:
            return self._problem or BEING_READ
        return "; ".join(table.refused or _why_unusable(table) for table in self._both if table.used is None)

    @property
    def warnings(self) -> Mapping[str, str]:
        """For each table that is not what is live on the topic, the reason."""
        topic = {"tables topic": self._problem} if self._problem else {}
        return topic | {table.table: _kept_version(table) for table in self._both if table.refused}

    async def process(self, read: TableTopicRead) -> None:
        """Process records of the topic."""
        self._published = self._published.with_records(read.entries)
        if read.problem and read.problem != self._problem:
            self._observer.follow_failed(read.problem)
        self._problem = read.problem
        self._read_to_the_end = self._read_to_the_end or read.at_end
        # Before the end, what is read may have been replaced long ago.
        if self._read_to_the_end:
            for table in self._both:
                await table.follow(self._published)
            self._exchange()

    async def process_all(self, reads: AsyncIterator[TableTopicRead]) -> None:
        """Follow the topic for the life of the process."""
        async for read in reads:
            await self.process(read)

    @property
    def _both(self) -> tuple[LiveTable, LiveTable]:
        return self._policy, self._selector

    def _exchange(self) -> None:
        policy, selector = self._policy.used, self._selector.used
        if isinstance(policy, OutboundPolicy) and isinstance(selector, SpokeSelector):
            self._pair = RoutingTables(policy=policy, selector=selector)


def _why_unusable(table: LiveTable) -> str:
    return f"no {table.kind} {table.table} is live: publish one with `southbound tables publish FILE`"


def _kept_version(table: LiveTable) -> str:
    return f"still decided by {table.table}@{table.version}: {table.refused}"
