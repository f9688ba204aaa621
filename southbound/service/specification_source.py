"""The source of a process's test specifications: their topic, or none."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

from consumers.metrics import SPECIFICATIONS_KNOWN, SPECIFICATIONS_UNKNOWN, SPECIFICATIONS_UNREADABLE
from consumers.specifications.live_specifications import BEING_READ, LiveSpecifications
from consumers.specifications.published_specifications import PublishedSpecifications
from consumers.specifications.run_specifications import NO_SPECIFICATIONS, RunSpecifications, UnknownSpecification
from consumers.specifications.store_copy import SpecificationCopier
from consumers.table_topic.kafka_table_reader import reader_settings
from consumers.table_topic.kafka_table_topic import KafkaCompactedTopic
from schemas.topics import TopicNames
from southbound.service.kafka_settings import client_settings, consumer_overrides
from southbound.service.roles import Role
from southbound.service.table_sources import NO_WARNINGS, follow_until_complete

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
    from contextlib import AsyncExitStack
    from datetime import datetime

    from consumers.metrics import Metrics
    from consumers.store.specifications.port import SpecificationStore
    from consumers.table_topic.port import TableTopicRead
    from schemas.run_document import RunDocument
    from southbound.service.startup_status import StartupStatus
    from southbound.settings.settings import KafkaSettings, Settings

log = structlog.get_logger()
MAX_WARNED = 1_000  # ids of unknown specifications that were logged; the metric counts every run


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificationSource:
    """The specifications that runs take from, as they are now. `live` is None if there are none in this process."""

    runs: RunSpecifications = NO_SPECIFICATIONS
    live: LiveSpecifications | None = None
    changes: AsyncIterator[TableTopicRead] | None = None

    def warnings(self) -> Mapping[str, str]:
        """Return, by the key of the record, why a specification cannot be used."""
        published = self.live.published() if self.live else None
        if published is None:
            return NO_WARNINGS
        return MappingProxyType({f"specification {key[:80]}": why for key, why in published.unreadable.items()})

    def background_tasks(
        self, store: SpecificationStore, now: Callable[[], datetime]
    ) -> Iterator[Coroutine[None, None, None]]:
        """Yield the tasks that must run as long as the process runs."""
        if self.live is None or self.changes is None:
            return
        yield self.live.process_all(self.changes)
        copier = SpecificationCopier(
            published=self.live.published,
            store=store,
            now=now,
            warn=lambda sentence: log.warning("copy of specifications failed; retrying", problem=sentence),
        )
        yield copier.run()


NO_SOURCE = SpecificationSource()


def specification_topic(kafka: KafkaSettings) -> KafkaCompactedTopic[PublishedSpecifications]:
    """Return a client of the topic of specifications."""
    return KafkaCompactedTopic(
        name=TopicNames(kafka.prefix).specifications,
        empty=PublishedSpecifications(),
        reading=reader_settings(kafka.servers, {**consumer_overrides(kafka), "client.id": "southbound-specifications"}),
        writing=client_settings(kafka),
    )


async def open_specifications(
    stack: AsyncExitStack, settings: Settings, roles: Sequence[Role], metrics: Metrics, status: StartupStatus
) -> SpecificationSource:
    """Read the topic of specifications to its end if these roles use it; `stack` stops following it.

    The role `api` lists specifications from the store, so it copies them there; it applies none.

    Raises:
        NoLiveTablesError: the topic is not read to its end within `kafka.start_timeout`.
    """
    applies = settings.routing.specifications == "topic" and Role.ROUTING in roles
    if not applies and Role.API not in roles:
        return NO_SOURCE
    live = LiveSpecifications(SpecificationMonitor(metrics))
    changes = await follow_until_complete(
        stack,
        specification_topic(settings.kafka),
        live,
        settings.kafka.start_timeout,
        status,
        being_read=BEING_READ,
    )
    runs = RunSpecifications(
        known=live.known,
        unknown=UnknownSpecification(settings.routing.unknown_specification),
        on_unknown=unknown_specification_counter(metrics),
    )
    return SpecificationSource(runs=runs if applies else NO_SPECIFICATIONS, live=live, changes=changes)


class SpecificationMonitor:
    """Logs how many specifications are known, and sets the metrics for it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._unreadable: Mapping[str, str] = {}

    def specifications_known(self, known: int, unreadable: Mapping[str, str]) -> None:
        """Record how many are known, and which records cannot be read."""
        self._metrics.set(SPECIFICATIONS_KNOWN, known)
        self._metrics.set(SPECIFICATIONS_UNREADABLE, len(unreadable))
        log.info("specifications are known", specifications=known)
        for key, reason in unreadable.items():
            if self._unreadable.get(key) != reason:
                log.error("a specification cannot be used: apply it again", reason=reason)
        self._unreadable = unreadable

    def follow_failed(self, reason: str) -> None:
        """Log that the topic cannot be read."""
        log.error("specifications cannot be read", reason=reason)


def unknown_specification_counter(metrics: Metrics) -> Callable[[RunDocument], None]:
    """Return a function that counts the runs of unknown specifications, and logs the first run of each."""
    warned: dict[str, None] = {}

    def count(run: RunDocument) -> None:
        metrics.count(SPECIFICATIONS_UNKNOWN)
        spec_id = run.test_specification.id
        if spec_id not in warned:
            if len(warned) >= MAX_WARNED:
                warned.clear()
            warned[spec_id] = None
            log.warning(
                "run of an unknown specification: add it with `southbound specs apply`",
                run=run.run_id,
                specification=spec_id,
            )

    return count
