"""The roles of a process, with the topics that each reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from schemas.topics import TopicNames


class Role(StrEnum):
    """The roles of a process. `southbound.service.composition.role_builders` builds each."""

    ROUTING = "routing"
    DISPATCH = "dispatch"
    INBOUND = "inbound"
    LISTENER = "listener"
    POLLER = "poller"
    HUB = "hub"
    API = "api"
    WRITEBACK = "writeback"
    INGRESS = "ingress"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicScope:
    """What the topics of a role depend on: names, the served spokes, and what is on a topic."""

    names: TopicNames
    spokes: Sequence[str]
    published_tables: bool = False
    specifications: bool = False
    service_test_requests: bool = False

    @property
    def dispatch(self) -> set[str]:
        """The dispatch topics of the served spokes."""
        return {self.names.dispatch(spoke) for spoke in self.spokes}

    @property
    def published(self) -> set[str]:
        """The topics that every consumer of runs publishes to."""
        return {self.names.inflight, self.names.results, self.names.dlq}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDescription:
    """One row of the table of roles; `meaning` continues a sentence that begins with the role's name."""

    meaning: str
    topics: Callable[[TopicScope], set[str]]


ROLES: Mapping[Role, RoleDescription] = MappingProxyType(
    {
        Role.ROUTING: RoleDescription(
            meaning="decides which parts of a run are sent, and to which system",
            topics=lambda scope: (
                {scope.names.lifecycle, scope.names.store}
                | scope.dispatch
                | scope.published
                | ({scope.names.tables} if scope.published_tables else set())
                | ({scope.names.specifications} if scope.specifications else set())
            ),
        ),
        Role.DISPATCH: RoleDescription(
            meaning="sends runs, changes and cancellations to the external systems",
            topics=lambda scope: {scope.names.store} | scope.dispatch | scope.published,
        ),
        Role.LISTENER: RoleDescription(
            meaning="receives callbacks",
            topics=lambda scope: {scope.names.inbound},
        ),
        Role.POLLER: RoleDescription(
            meaning="polls systems that do not call back",
            topics=lambda scope: {scope.names.inbound, scope.names.store},
        ),
        Role.INBOUND: RoleDescription(
            meaning="interprets what the listener and the poller received, asks systems for what a run lacks, and ends"
            " runs whose time is over",
            topics=lambda scope: {scope.names.inbound, scope.names.store} | scope.dispatch | scope.published,
        ),
        Role.HUB: RoleDescription(
            meaning="notifies subscribers of what happens to runs, only if it is named or `hub.enabled` is set",
            topics=lambda scope: {scope.names.store} | scope.published,
        ),
        Role.API: RoleDescription(
            meaning="takes orders of runs over HTTP (TMF653), only if it is named or `api.enabled` is set",
            topics=lambda scope: (
                {scope.names.lifecycle, scope.names.store, scope.names.specifications}
                | ({scope.names.results, scope.names.inflight} if scope.service_test_requests else set())
            ),
        ),
        Role.WRITEBACK: RoleDescription(
            meaning="writes results and updates to the targets of `writeback.targets`, if there are any",
            topics=lambda scope: {scope.names.store} | scope.published,
        ),
        Role.INGRESS: RoleDescription(
            meaning="takes orders from topics of other clusters, if `streams.sources` has any",
            topics=lambda scope: {
                scope.names.ingress,
                scope.names.lifecycle,
                scope.names.dlq,
                scope.names.store,
            },
        ),
        Role.EGRESS: RoleDescription(
            meaning="copies results and updates to topics of other clusters, if `streams.destinations` has any",
            topics=lambda scope: {scope.names.store} | scope.published,
        ),
    }
)
# What runs if no role is named; a setting adds the others.
DEFAULT_ROLES = tuple(role for role in Role if role not in {Role.API, Role.HUB, Role.INGRESS, Role.EGRESS})


def topics_for_roles(roles: Iterable[Role], scope: TopicScope) -> set[str]:
    """Return the names, with prefix, of the topics that these roles read and write."""
    return set().union(*(ROLES[role].topics(scope) for role in roles))


@dataclass(frozen=True, slots=True, order=True)
class ConsumedTopic:
    """A topic that a consumer group reads, with the role that names the group."""

    topic: str
    role: str


def readers_of_events(roles: Iterable[str], names: TopicNames) -> list[ConsumedTopic]:
    """Return the topics of published events that each of these roles reads: of the hub, and of the write-back."""
    topics = {"inflight": names.inflight, "results": names.results}
    found: list[ConsumedTopic] = []
    for role in sorted(roles):
        kind, _, rest = role.partition(".")
        if kind == Role.HUB.value and rest in topics:
            found.append(ConsumedTopic(topics[rest], role))
        elif kind == Role.WRITEBACK.value and rest:
            found += [ConsumedTopic(topic, role) for topic in topics.values()]
    return found


def consumers_of_topics(known: Iterable[str], names: TopicNames) -> dict[str, str]:
    """Return the topics that consumer groups read, of those that Kafka has, each with the role that names its group."""
    topics = set(known)
    dispatch = {topic: f"{Role.DISPATCH.value}.{spoke}" for topic in sorted(topics) if (spoke := names.spoke_of(topic))}
    roles = {names.lifecycle: Role.ROUTING.value, **dispatch, names.inbound: Role.INBOUND.value}
    return {topic: role for topic, role in roles.items() if topic in topics}
