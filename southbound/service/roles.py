"""The table of roles: what each role of a process reads, calls and publishes, and which setting starts it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from schemas.topics import TopicNames
    from southbound.settings.settings import Settings


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
    def events(self) -> set[str]:
        """The topics of published events."""
        return _events(self.names)

    @property
    def published(self) -> set[str]:
        """The topics that every consumer of runs publishes to."""
        return {*self.events, self.names.dlq}


def _events(names: TopicNames) -> set[str]:
    return {names.inflight, names.results}


def _one_group(scope: TopicScope) -> Sequence[str]:  # noqa: ARG001 - one signature for every role
    return ("",)


def _nothing(scope: TopicScope) -> set[str]:  # noqa: ARG001 - one signature for every role
    return set()


def _nothing_by_part(names: TopicNames, part: str) -> set[str]:  # noqa: ARG001 - one signature for every role
    return set()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDescription:
    """One row of the table of roles.

    `meaning` continues a sentence that begins with the role's name. A role without `enabled_by` runs if no role is
    named; another one only if that setting has a value.

    The consumer groups of a role are `<role>.<part>`, or `<role>` if the part is empty: `parts` lists them, `<name>`
    standing for the names of profiles, and `reads` returns the topics that the group of a part reads. `follows` are
    topics that each process reads without a group, `sources` is what a role reads besides topics.
    """

    meaning: str
    publishes: Callable[[TopicScope], set[str]]
    reads: Callable[[TopicNames, str], set[str]] = _nothing_by_part
    parts: Callable[[TopicScope], Sequence[str]] = _one_group
    reads_all: bool = True  # false: a profile may choose some of the topics
    follows: Callable[[TopicScope], set[str]] = _nothing
    sources: str = ""
    calls: str = ""
    enabled_by: str | None = None

    def consumed(self, scope: TopicScope) -> set[str]:
        """Return the topics that the consumer groups of the role read."""
        return set().union(*(self.reads(scope.names, part) for part in self.parts(scope)))

    def topics(self, scope: TopicScope) -> set[str]:
        """Return the topics that the role reads or writes."""
        return self.consumed(scope) | self.follows(scope) | self.publishes(scope)


ROLES: Mapping[Role, RoleDescription] = MappingProxyType(
    {
        Role.ROUTING: RoleDescription(
            meaning="decides which parts of a run are sent, and to which system",
            reads=lambda names, part: set() if part else {names.lifecycle},
            follows=lambda scope: (
                ({scope.names.tables} if scope.published_tables else set())
                | ({scope.names.specifications} if scope.specifications else set())
            ),
            sources="the run store",
            publishes=lambda scope: {scope.names.store} | scope.dispatch | scope.published,
        ),
        Role.DISPATCH: RoleDescription(
            meaning="sends runs, changes and cancellations to the external systems",
            reads=lambda names, part: {names.dispatch(part)} if part else set(),
            parts=lambda scope: scope.spokes,
            sources="the run store",
            calls="external systems (POST, PATCH, DELETE, GET)",
            publishes=lambda scope: {scope.names.store} | scope.dispatch | scope.published,
        ),
        Role.LISTENER: RoleDescription(
            meaning="receives callbacks",
            sources="callbacks over HTTP",
            publishes=lambda scope: {scope.names.inbound},
        ),
        Role.POLLER: RoleDescription(
            meaning="polls systems that do not call back",
            sources="the run store",
            calls="external systems (GET)",
            publishes=lambda scope: {scope.names.inbound, scope.names.store},
        ),
        Role.INBOUND: RoleDescription(
            meaning="interprets what the listener and the poller received, asks systems for what a run lacks, and ends"
            " runs whose time is over",
            reads=lambda names, part: set() if part else {names.inbound},
            sources="the run store",
            calls="external systems (GET)",
            publishes=lambda scope: {scope.names.inbound, scope.names.store} | scope.dispatch | scope.published,
        ),
        Role.HUB: RoleDescription(
            meaning="notifies subscribers of what happens to runs",
            # Each topic has a group of its own, so that one that stands still does not delay the other.
            reads=lambda names, part: {"inflight": {names.inflight}, "results": {names.results}}.get(part, set()),
            parts=lambda _: ("inflight", "results"),
            sources="the run store",
            calls="subscribers (POST)",
            publishes=lambda scope: {scope.names.dlq, scope.names.store},
            enabled_by="hub.enabled",
        ),
        Role.API: RoleDescription(
            meaning="takes orders of runs over HTTP (TMF653)",
            follows=lambda scope: (
                {scope.names.specifications} | (scope.events if scope.service_test_requests else set())
            ),
            sources="orders over HTTP, the run store",
            publishes=lambda scope: {scope.names.lifecycle, scope.names.specifications, scope.names.store},
            enabled_by="api.enabled",
        ),
        Role.WRITEBACK: RoleDescription(
            meaning="writes results and updates to targets",
            reads=lambda names, part: _events(names) if part else set(),
            parts=lambda _: ("<target>",),
            sources="the run store",
            calls="targets (PATCH, POST, GET)",
            publishes=lambda scope: {scope.names.dlq, scope.names.store},
            enabled_by="writeback.targets",
        ),
        Role.INGRESS: RoleDescription(
            meaning="takes orders from topics of other clusters",
            # The group of a source reads another cluster; the one without a name reads what was redriven.
            reads=lambda names, part: set() if part else {names.ingress},
            parts=lambda _: ("", "<source>"),
            sources="topics of other clusters, the run store",
            calls="targets (GET)",
            publishes=lambda scope: {scope.names.lifecycle, scope.names.dlq, scope.names.store},
            enabled_by="streams.sources",
        ),
        Role.EGRESS: RoleDescription(
            meaning="copies results and updates to topics of other clusters",
            reads=lambda names, part: _events(names) if part else set(),
            parts=lambda _: ("<destination>",),
            reads_all=False,
            calls="topics of other clusters",
            publishes=lambda scope: {scope.names.dlq, scope.names.store},
            enabled_by="streams.destinations",
        ),
    }
)


_READ_ALL = {role.value for role, row in ROLES.items() if row.reads_all}


def default_roles(settings: Settings) -> tuple[Role, ...]:
    """Return the roles of a process that names none: those that need no setting, or whose setting has a value."""
    return tuple(role for role, row in ROLES.items() if row.enabled_by is None or attrgetter(row.enabled_by)(settings))


def topics_for_roles(roles: Iterable[Role], scope: TopicScope) -> set[str]:
    """Return the names, with prefix, of the topics that these roles read and write."""
    return set().union(*(ROLES[role].topics(scope) for role in roles))


@dataclass(frozen=True, slots=True, order=True)
class ConsumedTopic:
    """A topic that a consumer group reads, with the role that names the group."""

    topic: str
    role: str


def topics_of_group(role: str, names: TopicNames) -> list[ConsumedTopic]:
    """Return the topics that the consumer group of `role` reads, such as `writeback.desk`, ordered by name."""
    kind, _, part = role.partition(".")
    if kind not in {*Role}:
        return []
    return [ConsumedTopic(topic, role) for topic in sorted(ROLES[Role(kind)].reads(names, part))]


def readers_of_events(roles: Iterable[str], names: TopicNames) -> list[ConsumedTopic]:
    """Return the topics of published events that the consumer groups of these roles read.

    Groups whose profile chooses among the topics are left out: only the profile says which they read.
    """
    events = _events(names)
    whole = [role for role in sorted(roles) if role.partition(".")[0] in _READ_ALL]
    return [each for role in whole for each in topics_of_group(role, names) if each.topic in events]


def consumers_of_topics(known: Iterable[str], names: TopicNames) -> dict[str, str]:
    """Return the topics that one consumer group reads, of those that Kafka has, each with the role that names it.

    The topics of published events are read by any number of groups: `readers_of_events`.
    """
    topics = set(known)
    dispatch = [f"{Role.DISPATCH}.{spoke}" for topic in sorted(topics) if (spoke := names.spoke_of(topic))]
    found = [each for role in (*Role, *dispatch) for each in topics_of_group(role, names)]
    return {each.topic: each.role for each in found if each.topic in topics}
