"""The source of a process's tables: files, the topic of published tables, or none if it does not route."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import structlog

from consumers.metrics import TABLE_LIVE, TABLE_REFUSED
from consumers.table_topic.kafka_table_reader import reader_settings
from consumers.table_topic.kafka_table_topic import KafkaTableTopic
from consumers.table_topic.live_pair import BEING_READ, LivePair, PublishedTableIds
from schemas.topics import TopicNames
from southbound.service.kafka_settings import client_settings, consumer_overrides
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AsyncExitStack

    from consumers.metrics import Metrics
    from consumers.table_topic.port import TableTopic, TableTopicRead
    from router.selection.load import RoutingTables
    from southbound.service.load_rules import RoutingRules
    from southbound.service.startup_status import StartupStatus
    from southbound.settings.settings import KafkaSettings, Settings

log = structlog.get_logger()
NO_WARNINGS: Mapping[str, str] = MappingProxyType({})


class NoLiveTablesError(Exception):
    """There are no live tables yet; the message says what is missing and what to do."""


class TableSource(Protocol):
    """A source of the tables that decisions use."""

    def current(self) -> RoutingTables:
        """Return the outbound policy and the spoke selector to decide with now."""

    def warnings(self) -> Mapping[str, str]:
        """Return, by table id, why its newest version is not in use."""

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Yield the tasks that must run as long as the process runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTables:
    """Tables that are read from files at the start and do not change."""

    tables: RoutingTables

    def current(self) -> RoutingTables:
        """Return the tables of the files."""
        return self.tables

    def warnings(self) -> Mapping[str, str]:
        """Return no warnings."""
        return NO_WARNINGS

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Return no tasks."""
        return iter(())


@dataclass(frozen=True, slots=True)
class NoTables:
    """The source of a process without the role `routing`, which has no tables."""

    def current(self) -> RoutingTables:
        """Raise a TypeError: this process never decides."""
        raise TypeError("This process does not have the role routing, so it has no tables.")

    def warnings(self) -> Mapping[str, str]:
        """Return no warnings."""
        return NO_WARNINGS

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Return no tasks."""
        return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicTables:
    """Tables that follow the topic of published tables."""

    live: LivePair
    changes: AsyncIterator[TableTopicRead]

    def current(self) -> RoutingTables:
        """Return the live tables."""
        return self.live.current()

    def warnings(self) -> Mapping[str, str]:
        """Return, by table id, why a published version cannot be used."""
        return self.live.warnings

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Yield the task that follows the topic."""
        yield self.live.process_all(self.changes)


def table_topic(kafka: KafkaSettings) -> KafkaTableTopic:
    """Return a client of the topic of published tables."""
    return KafkaTableTopic(
        name=TopicNames(kafka.prefix).tables,
        reading=reader_settings(kafka.servers, consumer_overrides(kafka)),
        writing=client_settings(kafka),
    )


async def open_tables(
    stack: AsyncExitStack,
    settings: Settings,
    rules: RoutingRules,
    roles: Sequence[Role],
    metrics: Metrics,
    status: StartupStatus,
) -> TableSource:
    """Open the source of tables for these roles; `stack` stops following the topic.

    Raises:
        NoLiveTablesError: no usable tables are live within `kafka.start_timeout`.
    """
    if not isinstance(rules.tables, PublishedTableIds):
        return FileTables(tables=rules.tables)
    if Role.ROUTING not in roles:
        return NoTables()
    spokes = [profile.name for profile in rules.profiles]
    live = LivePair(rules.tables, spokes, TableMonitor(metrics))
    return await _follow_until_live(stack, table_topic(settings.kafka), live, settings.kafka.start_timeout, status)


async def _follow_until_live(
    stack: AsyncExitStack, topic: TableTopic, live: LivePair, seconds: float, status: StartupStatus
) -> TopicTables:
    changes = await follow_until_complete(stack, topic, live, seconds, status, being_read=BEING_READ)
    return TopicTables(live=live, changes=changes)


class FollowedTopic(Protocol):
    """A topic that has a follower."""

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[TableTopicRead]]:
        """Yield every record from the beginning, and then those that arrive, until the block ends."""


class TopicFollower(Protocol):
    """What is made of the records of a topic."""

    @property
    def missing(self) -> str | None:
        """What is missing before it can be used; None if nothing is."""

    async def process(self, read: TableTopicRead) -> None:
        """Process records of the topic."""


async def follow_until_complete(
    stack: AsyncExitStack,
    topic: FollowedTopic,
    follower: TopicFollower,
    seconds: float,
    status: StartupStatus,
    *,
    being_read: str,
) -> AsyncIterator[TableTopicRead]:
    """Follow a topic until nothing is missing, and return what arrives after that; `stack` stops following it.

    Raises:
        NoLiveTablesError: something is missing for that long.
    """
    changes = await stack.enter_async_context(topic.follow())
    try:
        async with asyncio.timeout(seconds):
            while reason := follower.missing:
                if reason != being_read:
                    status.wait_for(reason)
                await follower.process(await anext(changes))
    except TimeoutError:
        raise NoLiveTablesError(follower.missing) from None
    return changes


class TableMonitor:
    """Logs which version of a table is live, and sets the metrics for it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def version_live(self, table: str, version: str, previous_version: str | None) -> None:
        """Record that a version is live from now on."""
        if previous_version is not None:
            self._metrics.remove_gauge(TABLE_LIVE, table, previous_version)
        self._metrics.set(TABLE_LIVE, 1, table, version)
        log.info("table is live", table=table, version=version, previous_version=previous_version)

    def version_refused(self, table: str, reason: str, active_version: str | None) -> None:
        """Record that the live version of a table cannot be used; `kept` is the version that stays in use."""
        self._metrics.set(TABLE_REFUSED, 1, table)
        log.error(
            "the live table cannot be used: roll it back", table=table, reason=reason, active_version=active_version
        )

    def version_accepted(self, table: str) -> None:
        """Record that the live version of a table can be used."""
        self._metrics.set(TABLE_REFUSED, 0, table)

    def follow_failed(self, reason: str) -> None:
        """Log that the topic of published tables cannot be read."""
        log.error("published tables cannot be read", reason=reason)
