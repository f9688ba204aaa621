"""Check the topics of streams: whether they exist, keep records for long enough, and take records as large as ours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from consumers.runtime.kafka.readiness import KafkaNotReadyError
from consumers.runtime.kafka.topic_limits import read_identity, read_topic_limits
from schemas.topics import TopicNames
from southbound.service.kafka_settings import client_settings
from southbound.service.streams.clients import (
    destination_servers,
    source_clusters,
    stream_client_settings,
    topics_named_as_own,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from consumers.northbound.streams.profile import StreamDestination, StreamSource
    from consumers.runtime.kafka.topic_limits import TopicLimits
    from southbound.service.load_rules import RoutingRules
    from southbound.service.streams.clients import NamedAsOwn
    from southbound.settings.settings import Settings

EVERY = 3_600.0  # seconds
_HOUR_MS = 3_600_000
_MAX_WARNINGS = 100


def stream_warnings(settings: Settings, rules: RoutingRules, environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each topic of a stream that could lose records or stop them. It asks every cluster.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    warnings = loops_by_cluster(settings, rules, environment)
    warnings += _source_warnings(settings, rules.sources, environment)
    if rules.destinations:
        warnings += _destination_warnings(settings, rules.destinations, environment)
    return warnings[:_MAX_WARNINGS]


def loops_by_cluster(settings: Settings, rules: RoutingRules, environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each topic of a stream that is one of Southbound's own, whatever its cluster is called.

    One cluster may have several addresses, so the ids of the clusters and topics are compared. A cluster that does not
    answer is not compared. Only topics with the name of one of Southbound's own are looked at.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    return [
        f"{each.mistake} (the cluster at {each.servers} is the one of kafka.bootstrap)"
        for each in topics_named_as_own(rules, settings.kafka)
        if each.servers != settings.kafka.servers and _is_own(each, settings, environment)
    ]


def _is_own(named: NamedAsOwn, settings: Settings, environment: Mapping[str, str]) -> bool:
    client = stream_client_settings(settings.kafka, named.stream, named.servers, environment)
    try:
        return read_identity(client, named.topic) == read_identity(client_settings(settings.kafka), named.topic)
    except KafkaNotReadyError:
        return False


@dataclass(slots=True, kw_only=True)
class StreamTopicWatch:
    """Reports what is wrong with the topics of streams: at the start, and whenever that changes."""

    check: Callable[[], list[str]]
    warn: Callable[[str], None]
    every: float = EVERY
    _known: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Check the topics periodically, until cancelled."""
        await repeat(self.work, every=self.every, warn=self.warn, failure="Topics of streams could not be checked")

    async def work(self) -> None:
        """Check once."""
        found = await asyncio.to_thread(self.check)
        for sentence in found:
            if sentence not in self._known:
                self.warn(sentence)
        self._known = frozenset(found)


def retention_warning(source: str, topic: str, limits: TopicLimits, longest_outage: float) -> str | None:
    """Return a sentence if a topic keeps records for a shorter time than an outage of `longest_outage` hours."""
    if limits.retention_ms is None or limits.retention_ms >= longest_outage * _HOUR_MS:
        return None
    return (
        f"source {source}: {topic} keeps records for {limits.retention_ms / _HOUR_MS:g} h, and streams.longest_outage "
        f"is {longest_outage:g} h: orders are lost in a longer outage of the role ingress: raise its retention.ms, or "
        "lower streams.longest_outage"
    )


def size_warning(destination: str, topic: str, limits: TopicLimits, ours: TopicLimits) -> str | None:
    """Return a sentence if a topic refuses records that the topic which is copied takes."""
    if limits.max_message_bytes is None or ours.max_message_bytes is None:
        return None
    if limits.max_message_bytes >= ours.max_message_bytes:
        return None
    return (
        f"destination {destination}: {topic} takes records of {limits.max_message_bytes} bytes, and ours has up to "
        f"{ours.max_message_bytes}: one that does not fit becomes a dead letter: raise its max.message.bytes"
    )


def _source_warnings(
    settings: Settings, sources: Sequence[StreamSource], environment: Mapping[str, str]
) -> Iterator[str]:
    for source in sources:
        for servers in source_clusters(settings.kafka, source):
            client = stream_client_settings(settings.kafka, source, servers, environment)
            try:
                found = read_topic_limits(client, [source.topic])
            except KafkaNotReadyError as error:
                yield f"source {source.name}: not checked: {error}"
                continue
            if source.topic not in found:
                yield _missing(f"source {source.name}", servers, source.topic)
            elif warning := retention_warning(
                source.name, source.topic, found[source.topic], settings.streams.longest_outage
            ):
                yield warning


def _destination_warnings(
    settings: Settings, destinations: Sequence[StreamDestination], environment: Mapping[str, str]
) -> Iterator[str]:
    names = TopicNames(settings.kafka.prefix)
    try:
        ours = read_topic_limits(client_settings(settings.kafka), [names.results, names.inflight])
    except KafkaNotReadyError as error:
        yield f"destinations: not checked: {error}"
        return
    for destination in destinations:
        servers = destination_servers(settings.kafka, destination)
        client = stream_client_settings(settings.kafka, destination, servers, environment)
        copied = copied_topics(destination, names)
        try:
            found = read_topic_limits(client, [*copied.values()])
        except KafkaNotReadyError as error:
            yield f"destination {destination.name}: not checked: {error}"
            continue
        for own, topic in copied.items():
            if topic not in found:
                yield _missing(f"destination {destination.name}", servers, topic)
            elif own in ours and (warning := size_warning(destination.name, topic, found[topic], ours[own])):
                yield warning


def copied_topics(destination: StreamDestination, names: TopicNames) -> dict[str, str]:
    """Return the topics of a destination by the topic of ours that is copied there."""
    by_ours = {names.results: destination.results, names.inflight: destination.inflight}
    return {ours: topic for ours, topic in by_ours.items() if topic is not None}


def _missing(stream: str, servers: str, topic: str) -> str:
    return f"{stream}: the cluster at {servers} does not have the topic {topic}: create it there"
