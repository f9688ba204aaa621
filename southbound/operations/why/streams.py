"""Read from other clusters how far the consumer groups of streams are, which the role `ingress` reads there."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.northbound.streams.profile import load_destinations, load_sources
from consumers.runtime.kafka.group_members import read_members
from consumers.runtime.kafka.partition_reader import PartitionReadError
from consumers.runtime.kafka.readiness import KafkaNotReadyError, wait_for_kafka
from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.profile_loader import ProfilesWrongError, profile_files
from southbound.operations.why.groups import TopicView, partition_views
from southbound.service.kafka_settings import PRODUCER_ONLY
from southbound.service.roles import ConsumedTopic, Role
from southbound.service.streams.clients import source_clusters, source_role, stream_client_settings
from southbound.service.streams.topic_checks import copied_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeVar

    from consumers.northbound.streams.profile import StreamProfile, StreamSource
    from schemas.topics import TopicNames
    from southbound.settings.settings import Settings

    S = TypeVar("S", bound="StreamProfile")

MAX_WAIT = 1.0  # seconds for a cluster; its last request may take two more


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceGroup:
    """The consumer group of a source on one of its clusters."""

    source: StreamSource
    consumed: ConsumedTopic
    group: str
    servers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTopics:
    """What the roles of streams read. `notes` say why something is not known."""

    sources: tuple[SourceGroup, ...] = ()
    own: tuple[ConsumedTopic, ...] = ()  # on the cluster of Southbound
    notes: tuple[str, ...] = ()


def stream_topics(settings: Settings, roles: Sequence[str], names: TopicNames) -> StreamTopics:
    """Return what the roles of streams read, by their profiles; `roles` are those whose groups Kafka knows."""
    notes: list[str] = []
    sources = _load(settings.streams.sources, load_sources, notes)
    destinations = {each.name: each for each in _load(settings.streams.destinations, load_destinations, notes)}
    own = [ConsumedTopic(names.ingress, role) for role in roles if role == Role.INGRESS]
    for role in sorted(roles):
        kind, _, name = role.partition(".")
        if kind == Role.EGRESS.value and name in destinations:
            own += [ConsumedTopic(topic, role) for topic in copied_topics(destinations[name], names)]
    return StreamTopics(
        sources=tuple([group for source in sources for group in _groups(settings, source)]),
        own=tuple(own),
        notes=tuple(notes),
    )


def read_source_groups(settings: Settings, groups: Sequence[SourceGroup], notes: list[str]) -> list[TopicView]:
    """Read how far these groups are; a cluster that does not answer leads to a note."""
    found: list[TopicView] = []
    for group in groups:
        try:
            found.append(_view(settings, group))
        except (KafkaNotReadyError, PartitionReadError, SecretMissingError) as error:
            where = f"{group.consumed.topic} at {group.servers}"
            notes.append(f"What source {group.source.name} has to read from {where} is not known: {error}")
    return found


def _groups(settings: Settings, source: StreamSource) -> Iterator[SourceGroup]:
    clusters = source_clusters(settings.kafka, source)
    for number, servers in enumerate(clusters, start=1):
        role = source_role(source, number, len(clusters))
        yield SourceGroup(
            source=source,
            consumed=ConsumedTopic(source.topic, role),
            group=source.group_of(settings.kafka.group),
            servers=servers,
        )


def _view(settings: Settings, group: SourceGroup) -> TopicView:
    client = stream_client_settings(settings.kafka, group.source, group.servers, os.environ)
    asyncio.run(wait_for_kafka(client, (), max_wait=MAX_WAIT, on_reason=lambda _: None))
    consumer = {name: value for name, value in client.items() if name not in PRODUCER_ONLY}
    members = read_members(client, [group.group])[group.group]
    return TopicView(
        topic=group.consumed.topic,
        role=group.consumed.role,
        members=members,
        partitions=tuple(partition_views(consumer, group.consumed, members)),
    )


def _load(folder: Path | None, load: Callable[[Sequence[Path]], tuple[S, ...]], notes: list[str]) -> tuple[S, ...]:
    if folder is None:
        return ()
    try:
        return load(profile_files(folder))
    except (ProfilesWrongError, OSError) as error:
        notes.append(f"The profiles of streams in {folder} are not used: {error}")
        return ()
