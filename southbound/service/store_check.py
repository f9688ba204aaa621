"""Refuse to start with a run store that was lost, restored or exchanged, and mark commits so that it is noticed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from consumers.routing.commands import build_send_commands
from consumers.routing.give_up import timer_event
from consumers.runtime.kafka.committed_offsets import read_committed, read_end_offsets
from consumers.store.port import StoreUnavailableError
from router.store_continuity import (
    Discontinuity,
    GroupHistory,
    StoreMark,
    commit_metadata,
    find_discontinuity,
    highest_marks,
    read_commit_metadata,
)
from schemas.vocabulary import Phase
from southbound.service.kafka_settings import standalone_consumer_settings
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from consumers.routing.commands import CommandPublisher
    from consumers.runtime.handler import Record
    from consumers.store.identity import Gateway, Recorded, StoreIdentity
    from consumers.store.port import RunStore
    from schemas.topics import TopicNames
    from southbound.settings.settings import KafkaSettings

log = structlog.get_logger()
MARK_INTERVAL = 10.0  # seconds; a backup that is older than this is noticed when it is restored
PAGE_SIZE = 200  # requests
WHAT_IS_WRONG = {
    Discontinuity.EMPTY: "run store {store} is empty, but the gateway {gateway} has processed events before. Its runs"
    " would be unknown, or sent again: name the right store in store.url, or restore its last backup",
    Discontinuity.OLDER: "run store {store} is older than the committed offsets of the gateway {gateway}: it was"
    " restored from a backup, or lost what it stored last. Runs sent since then would be unknown, or sent again:"
    " restore a newer backup",
    Discontinuity.OTHER: "run store {store} is not the one that the gateway {gateway} has worked with. Its runs would"
    " be unknown, or sent again: name the right store in store.url",
}
WHAT_TO_DO = (
    ". If there is none, start `southbound run --accept-empty-store` once, with the role routing: every run that may"
    " have been sent is then looked up at its system before it is sent"
)


class StoreDiscontinuedError(Exception):
    """The run store does not continue what the consumer groups did; the sentence says what to do."""


@dataclass(slots=True)
class StoreMarker:
    """Counts the mark of the store up, and writes it into the metadata of commits."""

    identity: StoreIdentity
    store: str  # its name, for people
    gateway: Gateway
    interval: float = MARK_INTERVAL
    _mark: StoreMark | None = field(default=None, init=False)

    def metadata(self) -> str:
        """Return the metadata of a commit that is made now."""
        return commit_metadata(self._mark) if self._mark else ""

    async def advance(self) -> None:
        """Store the next mark, and use it from now on.

        Raises:
            StoreDiscontinuedError: the store was exchanged or restored while this process worked with it.
        """
        last, mark = self._mark, await self.identity.next_mark()
        if last is not None and (mark.store_id != last.store_id or mark.mark <= last.mark):
            kind = Discontinuity.OLDER if mark.store_id == last.store_id else Discontinuity.OTHER
            raise StoreDiscontinuedError(_sentence(kind, self.store, self.gateway))
        self._mark = mark

    async def run(self) -> None:
        """Count up until cancelled."""
        while True:
            await asyncio.sleep(self.interval)
            try:
                await self.advance()
            except StoreUnavailableError as error:
                log.warning("the mark of the store was not advanced; retrying", problem=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuityCheck:
    """Compares what Kafka knows of this gateway with what its store knows."""

    kafka: KafkaSettings
    topics: TopicNames
    spokes: Collection[str]
    marker: StoreMarker

    async def find(self) -> tuple[Discontinuity | None, GroupHistory]:
        """Return why the store does not continue what the groups did, and what Kafka knows.

        Raises:
            KafkaNotReadyError: Kafka does not answer.
            StoreUnavailableError: the store does not.
        """
        # Kafka first: other processes count the store's mark up before they commit it.
        history = await asyncio.to_thread(self._read_history)
        state = await self.marker.identity.state(self.marker.gateway)
        return find_discontinuity(state, history), history

    async def recorded(self) -> Recorded:
        """Return below which offsets lifecycle events are recorded by now."""
        topic = self.topics.lifecycle
        ends = await asyncio.to_thread(read_end_offsets, self._settings, topic)
        return {topic: {str(number): end for number, end in ends.items()}}

    def refusal(self, kind: Discontinuity) -> StoreDiscontinuedError:
        """Return the error that ends the start."""
        return StoreDiscontinuedError(_sentence(kind, self.marker.store, self.marker.gateway))

    @property
    def _settings(self) -> Mapping[str, object]:
        return standalone_consumer_settings(self.kafka)

    def _read_history(self) -> GroupHistory:
        topics = {"routing": self.topics.lifecycle, "inbound": self.topics.inbound}
        topics |= {f"dispatch.{spoke}": self.topics.dispatch(spoke) for spoke in self.spokes}
        commits = [
            read_commit_metadata(commit.metadata)
            for role, topic in topics.items()
            for commit in read_committed(self._settings, f"{self.kafka.group}.{role}", topic)
        ]
        published = any(
            end > 0
            for topic in (self.topics.inflight, self.topics.results)
            for end in read_end_offsets(self._settings, topic).values()
        )
        return GroupHistory(commits=tuple(commits), has_published=published)


def _sentence(kind: Discontinuity, store: str, gateway: Gateway) -> str:
    name = f"{gateway.group} (topics {gateway.prefix}testrun.*)"
    return WHAT_IS_WRONG[kind].format(store=store, gateway=name) + WHAT_TO_DO


async def establish_continuity(
    check: ContinuityCheck,
    roles: Sequence[str],
    *,
    accept: bool,
    store: RunStore,
    commands: CommandPublisher,
    now: Callable[[], datetime],
) -> None:
    """Check the store, and bind it to this gateway; with `accept`, doubt what it has instead of a refusal.

    Raises:
        StoreDiscontinuedError: the store does not continue what the consumer groups did.
    """
    identity, gateway = check.marker.identity, check.marker.gateway
    kind, history = await check.find()
    if kind is None:
        await identity.bind(gateway)
        if accept:
            log.info("the store continues what the groups did; --accept-empty-store has no effect")
    elif not (accept and Role.ROUTING in roles):
        raise check.refusal(kind)
    else:
        # In this order, so that a crash in between leaves a store that is refused.
        recorded = await check.recorded()
        marked = await identity.mark_in_doubt(now())
        await _command_doubtful(identity, store, commands)
        await identity.accept(gateway, highest_marks(history.commits), recorded)
        log.warning("store accepted", store=check.marker.store, reason=kind.value, in_doubt=marked)
    await check.marker.advance()


async def _command_doubtful(identity: StoreIdentity, store: RunStore, commands: CommandPublisher) -> None:
    """Publish the commands of all runs in doubt: those that were published before may have been processed already."""
    after = ""
    while requests := await identity.requests_in_doubt(after, PAGE_SIZE):
        for request_id in requests:
            rows = await store.runs_of_request(request_id)
            in_doubt = [row for row in rows if row.phase is Phase.IN_DOUBT]
            if not in_doubt:  # another process has moved them on
                continue
            # A root with a bundle embeds all its runs; without it, each is sent by itself.
            sent = build_send_commands(rows) if rows[0] in in_doubt else build_send_commands(in_doubt)
            wanted = {row.run_id for row in in_doubt}
            await commands.announcer.publish(
                timer_event(in_doubt[0], "accepted store"),
                [command for command in sent if command.run.run_id in wanted],
                decision=in_doubt[0].decision,
            )
        after = requests[-1]


def recorded_before(recorded: Recorded) -> Callable[[Record], bool]:
    """Return a function that tells whether a record may have led to a run which the store has lost."""

    def is_recorded(record: Record) -> bool:
        ends = recorded.get(record.partition.topic)
        return ends is not None and record.offset < ends.get(str(record.partition.number), 0)

    return is_recorded
