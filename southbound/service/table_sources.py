"""The source of this process's tables: files, the topic, or none if it does not decide."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import structlog

from consumers.metrics import TABLE_LIVE, TABLE_REFUSED
from consumers.table_topic.kafka_table_reader import reader_settings
from consumers.table_topic.kafka_table_topic import KafkaTableTopic
from consumers.table_topic.live_tables import BEING_READ, LiveTables, PublishedTableIds
from schemas.topics import TopicNames
from southbound.service.kafka_settings import client_settings, consumer_overrides

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
    from contextlib import AsyncExitStack

    from consumers.metrics import Metrics
    from consumers.table_topic.port import TableTopic, TableTopicRead
    from router.selection.load import RoutingTables
    from southbound.service.load_rules import RoutingRules
    from southbound.service.start_reason import StartReason
    from southbound.settings.settings import KafkaSettings, Settings

log = structlog.get_logger()
NO_WARNINGS: Mapping[str, str] = MappingProxyType({})


class NoLiveTablesError(Exception):
    """Nothing can be decided yet; the sentence says what is missing and what to do."""


class TableSource(Protocol):
    """Call it for the tables of this moment."""

    def current(self) -> RoutingTables:
        """Return the policy and the selector to decide by now."""

    def warnings(self) -> Mapping[str, str]:
        """Return, by table, why it is not the newest version that decides."""

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Return what has to run as long as the process does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTables:
    """Tables that were read at start and stay."""

    tables: RoutingTables

    def current(self) -> RoutingTables:
        """Return them."""
        return self.tables

    def warnings(self) -> Mapping[str, str]:
        """Return no warnings."""
        return NO_WARNINGS

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Do nothing."""
        return iter(())


@dataclass(frozen=True, slots=True)
class NoTables:
    """A process without the role `routing` decides nothing."""

    def current(self) -> RoutingTables:
        """Refuse."""
        raise TypeError("This process has no role that decides.")

    def warnings(self) -> Mapping[str, str]:
        """Return no warnings."""
        return NO_WARNINGS

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Do nothing."""
        return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicTables:
    """Tables that follow what is published."""

    live: LiveTables
    changes: AsyncIterator[TableTopicRead]

    def current(self) -> RoutingTables:
        """Return those that are live."""
        return self.live.current()

    def warnings(self) -> Mapping[str, str]:
        """Return what is published and cannot be used."""
        return self.live.warnings

    def background_tasks(self) -> Iterator[Coroutine[None, None, None]]:
        """Follow the topic."""
        yield self.live.process_all(self.changes)


def table_topic(kafka: KafkaSettings) -> KafkaTableTopic:
    """Return the tables topic of these settings."""
    return KafkaTableTopic(
        name=TopicNames(kafka.prefix).tables,
        reading=reader_settings(kafka.servers, consumer_overrides(kafka)),
        writing=client_settings(kafka),
    )


async def open_tables(
    stack: AsyncExitStack,
    settings: Settings,
    rules: RoutingRules,
    roles: Sequence[str],
    metrics: Metrics,
    status: StartReason,
) -> TableSource:
    """Have the tables at hand that these roles decide by; `stack` ends the following.

    Raises:
        NoLiveTablesError: for longer than `kafka.start_timeout` nothing is live that could decide.
    """
    if not isinstance(rules.tables, PublishedTableIds):
        return FileTables(tables=rules.tables)
    if "routing" not in roles:
        return NoTables()
    spokes = [profile.name for profile in rules.profiles]
    live = LiveTables(rules.tables, spokes, TableMonitor(metrics))
    return await _follow_until_live(stack, table_topic(settings.kafka), live, settings.kafka.start_timeout, status)


async def _follow_until_live(
    stack: AsyncExitStack, topic: TableTopic, live: LiveTables, seconds: float, status: StartReason
) -> TopicTables:
    news = await stack.enter_async_context(topic.follow())
    try:
        async with asyncio.timeout(seconds):
            while reason := live.missing:
                if reason != BEING_READ:
                    status.on(reason)
                await live.process(await anext(news))
    except TimeoutError:
        raise NoLiveTablesError(live.missing) from None
    return TopicTables(live=live, changes=news)


class TableMonitor:
    """Logs and counts which version decides."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def version_live(self, table: str, version: str, previous_version: str | None) -> None:
        """Count and log a version that decides from now on."""
        if previous_version is not None:
            self._metrics.forget(TABLE_LIVE, table, previous_version)
        self._metrics.set(TABLE_LIVE, 1, table, version)
        log.info("table is live", table=table, version=version, previous_version=previous_version)

    def version_refused(self, table: str, reason: str, active_version: str | None) -> None:
        """Raise the alarm."""
        self._metrics.set(TABLE_REFUSED, 1, table)
        log.error(
            "the live table cannot be used: roll it back", table=table, reason=reason, active_version=active_version
        )

    def version_accepted(self, table: str) -> None:
        """End the alarm."""
        self._metrics.set(TABLE_REFUSED, 0, table)

    def follow_failed(self, reason: str) -> None:
        """Log that the topic cannot be followed."""
        log.error("published tables cannot be followed", reason=reason)
