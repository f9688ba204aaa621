"""librdkafka settings of streams: those of their own cluster, or those of `kafka` where they name none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.config import consumer_settings
from consumers.spokes.credentials import SecretMissingError
from producers.kafka_publisher import producer_settings
from southbound.service.kafka_settings import PRODUCER_ONLY, SHORT_SESSION
from southbound.service.roles import Role
from southbound.settings.kafka_check import invalid_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.northbound.streams.profile import StreamDestination, StreamProfile, StreamSource
    from consumers.runtime.config import WorkerConfig
    from southbound.service.load_rules import RoutingRules
    from southbound.settings.settings import KafkaSettings

ClientSettings = dict[str, str | int | float | bool]


def source_clusters(kafka: KafkaSettings, source: StreamSource) -> tuple[str, ...]:
    """Return the bootstrap servers of each cluster that a source is on."""
    return source.bootstrap or (kafka.servers,)


def source_role(source: StreamSource, number: int, clusters: int) -> str:
    """Return the role of the worker that reads a source on one of its clusters, numbered from 1."""
    return f"{Role.INGRESS}.{source.name}" if clusters == 1 else f"{Role.INGRESS}.{source.name}.{number}"


def destination_servers(kafka: KafkaSettings, destination: StreamDestination) -> str:
    """Return the bootstrap servers of the cluster of a destination."""
    return destination.bootstrap or kafka.servers


def stream_overrides(kafka: KafkaSettings, stream: StreamProfile, environment: Mapping[str, str]) -> ClientSettings:
    """Return the settings of an operator for the clients of a stream, with its secrets.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    own = stream.overrides(environment)
    return own if _has_own_cluster(stream) else {**kafka.overrides(), **own}


def source_consumer_settings(
    kafka: KafkaSettings, source: StreamSource, servers: str, config: WorkerConfig, environment: Mapping[str, str]
) -> dict[str, object]:
    """Return the settings of a member of the consumer group of a source, on one of its clusters.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    overrides = stream_overrides(kafka, source, environment)
    return consumer_settings(servers, config, {n: v for n, v in overrides.items() if n not in PRODUCER_ONLY})


def stream_client_settings(
    kafka: KafkaSettings, stream: StreamProfile, servers: str, environment: Mapping[str, str]
) -> dict[str, object]:
    """Return the settings of a producer or an admin client of a stream.

    Raises:
        SecretMissingError: a secret is not where the profile says.
    """
    overrides = stream_overrides(kafka, stream, environment)
    return producer_settings(servers, {n: value for n, value in overrides.items() if not n.startswith("group.")})


def stream_session_timeout(kafka: KafkaSettings, source: StreamSource) -> float:
    """Return the session timeout of the consumer group of a source, in seconds."""
    clients = (source.client,) if source.bootstrap else (source.client, kafka.client)
    stated = next((one["session.timeout.ms"] for one in clients if "session.timeout.ms" in one), None)
    return SHORT_SESSION if stated is None else float(stated) / 1000


def stream_mistakes(rules: RoutingRules, kafka: KafkaSettings, environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each secret that is missing, each setting that librdkafka refuses, and each loop."""
    mistakes = [*_loops(rules, kafka)]
    for stream in (*rules.sources, *rules.destinations):
        named = f"{stream.noun} '{stream.name}'"
        try:
            overrides = stream.overrides(environment)
        except SecretMissingError as error:
            mistakes.append(f"{named}, field 'secrets': {error}")
            continue
        mistakes += [f"{named}, field 'client': {sentence}" for _, sentence in invalid_settings(overrides)]
    return mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAsOwn:
    """A topic of a stream that has the name of one of Southbound's own, with the addresses of its cluster."""

    stream: StreamProfile
    topic: str
    servers: str

    @property
    def mistake(self) -> str:
        """The sentence, if it is on the cluster of Southbound: its records would go round for ever."""
        name = f"{self.stream.noun} '{self.stream.name}'"
        return f"{name}: {self.topic} is a topic of Southbound itself: name the topic of another system"


def topics_named_as_own(rules: RoutingRules, kafka: KafkaSettings) -> Iterator[NamedAsOwn]:
    """Yield the topics of streams that would be Southbound's own, if they were on its cluster."""
    own = f"{kafka.prefix}testrun."
    for source in rules.sources:
        if source.topic.startswith(own):
            for servers in source_clusters(kafka, source):
                yield NamedAsOwn(stream=source, topic=source.topic, servers=servers)
    for destination in rules.destinations:
        for topic in (destination.results, destination.inflight):
            if topic and topic.startswith(own):
                yield NamedAsOwn(stream=destination, topic=topic, servers=destination_servers(kafka, destination))


def _loops(rules: RoutingRules, kafka: KafkaSettings) -> list[str]:
    named = topics_named_as_own(rules, kafka)
    return list(dict.fromkeys(each.mistake for each in named if each.servers == kafka.servers))


def _has_own_cluster(stream: StreamProfile) -> bool:
    return bool(getattr(stream, "bootstrap", None))
