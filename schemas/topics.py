"""Every topic, what it carries and how long it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.catalogue import event_names_on

if TYPE_CHECKING:
    from collections.abc import Iterable

_DAY_MS = 24 * 60 * 60 * 1000
_DEFAULT_MAX_MESSAGE_BYTES = 1_048_588  # Kafka's own default, explicit so that the next limit stays above it
# A dead letter is the original and the reason; the original may have been compressed better than ours.
_MAX_DEAD_LETTER_BYTES = 8 * 2**20

_MAX_STREAM_BYTES = 2 * 2**20  # as large as a message of Hermes, the Kafka of ServiceNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `name` is the full name, prefix included; `retention_ms` is None if nothing expires.

    `cleanup` is `delete` or `compact`, and Kafka's own value for a topic that was created by others.
    `max_message_bytes` is what Kafka accepts, after compression, with key and headers.
    """

    name: str
    key: str
    partitions: int
    cleanup: str
    retention_ms: int | None
    max_message_bytes: int = _DEFAULT_MAX_MESSAGE_BYTES
    carries: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The full names of the topics, prefix included."""

    prefix: str = ""

    @property
    def lifecycle(self) -> str:
        """What other services request for test runs."""
        return f"{self.prefix}testrun.lifecycle"

    @property
    def inbound(self) -> str:
        """Reports of external systems, raw."""
        return f"{self.prefix}testrun.inbound"

    @property
    def inflight(self) -> str:
        """Updates about runs in flight."""
        return f"{self.prefix}testrun.inflight"

    @property
    def results(self) -> str:
        """Results of runs and requests."""
        return f"{self.prefix}testrun.results"

    @property
    def dlq(self) -> str:
        """Dead letters."""
        return f"{self.prefix}testrun.dlq"

    @property
    def dlq_status(self) -> str:
        """Which dead letters were redriven or dropped."""
        return f"{self.prefix}testrun.dlq.status"

    @property
    def replay(self) -> str:
        """Which replays there were, and how far they are."""
        return f"{self.prefix}testrun.replay"

    @property
    def tables(self) -> str:
        """Decision tables and selectors."""
        return f"{self.prefix}testrun.tables"

    @property
    def specifications(self) -> str:
        """Test specifications."""
        return f"{self.prefix}testrun.specifications"

    @property
    def ingress(self) -> str:
        """Records of other clusters that were redriven."""
        return f"{self.prefix}testrun.ingress"

    @property
    def store(self) -> str:
        """Which run store this gateway works with."""
        return f"{self.prefix}testrun.store"

    def dispatch(self, spoke: str) -> str:
        """Commands for this spoke."""
        return f"{self.prefix}testrun.dispatch.{spoke}"

    def spoke_of(self, topic: str) -> str | None:
        """Return the spoke of a dispatch topic."""
        start = self.dispatch("")
        return topic.removeprefix(start) if topic.startswith(start) else None


def all_topics(prefix: str = "", spokes: Iterable[str] = ()) -> tuple[Topic, ...]:
    """List every topic that Southbound needs for these spokes."""
    names = TopicNames(prefix)
    return (
        _lifecycle(names),
        *(_dispatch(names, spoke) for spoke in spokes),
        _inbound(names),
        _inflight(names),
        _results(names),
        _dlq(names),
        _dlq_status(names),
        _replay(names),
        _tables(names),
        _specifications(names),
        _store(names),
        _ingress(names),
    )


def _lifecycle(names: TopicNames) -> Topic:
    return Topic(
        name=names.lifecycle,
        key="root run id",
        partitions=12,
        cleanup="delete",
        retention_ms=7 * _DAY_MS,
        carries=event_names_on("lifecycle"),
        meaning="Requests, changes and cancellations of test runs, published by other services.",
    )


def _dispatch(names: TopicNames, spoke: str) -> Topic:
    return Topic(
        name=names.dispatch(spoke),
        key="root run id",
        partitions=6,
        cleanup="delete",
        retention_ms=7 * _DAY_MS,
        carries=event_names_on("dispatch"),
        meaning=f"Commands for {spoke}. One topic per spoke, so that a system that is down delays only its own runs.",
    )


def _inbound(names: TopicNames) -> Topic:
    return Topic(
        name=names.inbound,
        key="<spoke>:<external id>",
        partitions=12,
        cleanup="delete",
        retention_ms=7 * _DAY_MS,
        carries=event_names_on("inbound"),
        meaning="Notifications and polled responses of external systems, as they arrived.",
    )


def _inflight(names: TopicNames) -> Topic:
    return Topic(
        name=names.inflight,
        key="root run id",
        partitions=6,
        cleanup="delete",
        retention_ms=7 * _DAY_MS,
        carries=event_names_on("inflight"),
        meaning="Updates of runs in progress.",
    )


def _results(names: TopicNames) -> Topic:
    return Topic(
        name=names.results,
        key="root run id",
        partitions=6,
        cleanup="delete",
        retention_ms=14 * _DAY_MS,
        carries=event_names_on("results"),
        meaning="The result of each run and of each request.",
    )


def _dlq(names: TopicNames) -> Topic:
    return Topic(
        name=names.dlq,
        key="original key",
        partitions=3,
        cleanup="delete",
        retention_ms=90 * _DAY_MS,  # longer than anyone's holiday: a dead letter waits for a person
        max_message_bytes=_MAX_DEAD_LETTER_BYTES,  # a dead letter that did not fit would block its key for ever
        carries=(),
        meaning="Key, value and headers of the original record, unchanged, and the reason (southbound-dlq-* headers).",
    )


def _dlq_status(names: TopicNames) -> Topic:
    return Topic(
        name=names.dlq_status,
        key="<partition>-<offset> of the dead letter",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        carries=(),
        meaning="What became of dead letters that are not open any more: redriven or dropped, by whom, when.",
    )


def _replay(names: TopicNames) -> Topic:
    return Topic(
        name=names.replay,
        key="replay id",
        partitions=1,
        cleanup="compact",
        retention_ms=None,
        carries=(),
        meaning="Each replay as JSON: who started it, when, what was chosen, and how far it is.",
    )


def _tables(names: TopicNames) -> Topic:
    return Topic(
        name=names.tables,
        key="<table>, <table>@<version> or <table>@draft",
        partitions=1,  # one order over all tables
        cleanup="compact",
        retention_ms=None,
        carries=(),
        meaning="Decision tables and spoke selectors as JSON: the live version, every version, and drafts.",
    )


def _specifications(names: TopicNames) -> Topic:
    return Topic(
        name=names.specifications,
        key="specification id",
        partitions=1,  # one order over all specifications
        cleanup="compact",
        retention_ms=None,
        carries=(),
        meaning="Test specifications (TMF653 `ServiceTestSpecification`) as JSON, each with its author and revision.",
    )


def _store(names: TopicNames) -> Topic:
    return Topic(
        name=names.store,
        key="store",
        partitions=1,  # one order over the claims of all processes
        cleanup="compact",
        retention_ms=None,
        carries=(),
        meaning="The run store that the gateway works with, as JSON, so that a store that was lost is noticed.",
    )


def _ingress(names: TopicNames) -> Topic:
    return Topic(
        name=names.ingress,
        key="original key",
        partitions=6,
        cleanup="delete",
        retention_ms=7 * _DAY_MS,
        max_message_bytes=_MAX_STREAM_BYTES,
        carries=(),
        meaning="Records of streams that became dead letters and were redriven, with the name of their source.",
    )
