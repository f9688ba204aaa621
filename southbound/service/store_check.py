"""Refuse to start with a run store that was lost, restored or exchanged, and publish marks so that it is noticed."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from consumers.routing.commands import build_send_commands
from consumers.routing.give_up import timer_event
from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from consumers.runtime.kafka.readiness import KafkaNotReadyError
from consumers.runtime.kafka.topic_id import read_topic_id
from consumers.store.port import StoreUnavailableError
from producers.publisher import Message, PublishError
from router.store_continuity import Discontinuity, GatewayHistory, TopicEnds, current_mark, find_discontinuity
from schemas.store_claim import CLAIM_KEY, StoreClaim, read_claim
from schemas.vocabulary import Phase
from southbound.service.kafka_settings import standalone_consumer_settings
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from consumers.routing.commands import CommandPublisher
    from consumers.runtime.handler import Record
    from consumers.runtime.kafka.offset_range import OffsetRange
    from consumers.store.identity import StoreIdentity
    from consumers.store.port import RunStore
    from producers.publisher import Publisher
    from router.store_continuity import StoreState
    from schemas.topics import TopicNames
    from southbound.settings.settings import KafkaSettings

log = structlog.get_logger()
MARK_INTERVAL = 10.0  # seconds; a backup that is older than this is noticed when it is restored
MARKS_PER_CHECK = 6  # a check takes 10 ms of CPU time and a connection
LAST_CLAIMS = 100  # records that are read; far more than there are processes which claim another store at once
PAGE_SIZE = 200  # requests
WHAT_IS_WRONG = {
    Discontinuity.EMPTY: "run store {store} is empty, but the gateway {gateway} has worked with a store before. Its"
    " runs would be unknown, or sent again: name the right store in store.url (where no SQLite file was, this start has"
    " created an empty one), or restore its last backup",
    Discontinuity.OLDER: "run store {store} is older than the committed offsets of the gateway {gateway}: it was"
    " restored from a backup, or lost what it stored last. Runs sent since then would be unknown, or sent again:"
    " restore a newer backup",
    Discontinuity.OTHER: "run store {store} is not the one that the gateway {gateway} has worked with. Its runs would"
    " be unknown, or sent again: name the right store in store.url",
    Discontinuity.TAKEN: "run store {store} is not the one that the gateway {gateway} has worked with: it belongs to"
    " another gateway, {owner}. Two gateways with one store would end each other's runs: name a store of its own in"
    " store.url, or correct kafka.prefix",
}
WHAT_TO_DO = (
    ". If there is none, stop every process and run `southbound replay --rebuild` with {to_fill}: it rebuilds the"
    " runs from the topics. Or start `southbound run --accept-empty-store` once, with the role routing: every run that"
    " may have been sent is then looked up at its system before it is sent"
)
HOW_TO_MOVE = (
    ". To move the other gateway and its runs to these topics, stop all its processes, and start"
    " `southbound run --accept-empty-store` once, with the role routing"
)


class StoreDiscontinuedError(Exception):
    """The run store does not continue what its gateway did; the message says what to do."""

    def __init__(self, kind: Discontinuity, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(slots=True, kw_only=True)
class StoreMarker:
    """Counts the mark of the store up, and publishes it on the topic `testrun.store`."""

    identity: StoreIdentity
    store: str  # its name, for people
    topics: TopicNames
    publisher: Publisher
    _last: StoreState | None = field(default=None, init=False)

    async def advance(self) -> None:
        """Store the next mark, and publish it.

        Raises:
            StoreDiscontinuedError: the store was exchanged or restored while this process worked with it, or was
                given to another gateway.
            PublishError: Kafka did not acknowledge the mark.
        """
        last, state = self._last, await self.identity.next_mark()
        if state is None or (last is not None and state.store_id != last.store_id):
            raise self.refusal(Discontinuity.OTHER)
        if state.bound_to != self.topics.prefix:
            raise self.refusal(Discontinuity.TAKEN, owner=state.bound_to)
        if last is not None and state.mark <= last.mark:
            raise self.refusal(Discontinuity.OLDER)
        self._last = state
        claim = StoreClaim(store_id=state.store_id, mark=state.mark, accepted=tuple(state.accepted))
        value = claim.model_dump_json().encode()
        await self.publisher.publish(
            [Message(self.topics.store, CLAIM_KEY, value, (("content-type", b"application/json"),))]
        )

    def refusal(self, kind: Discontinuity, owner: str | None = None) -> StoreDiscontinuedError:
        """Return the error that ends the process; `owner` is the prefix of the gateway that the store belongs to."""
        to_fill = "this empty store" if kind is Discontinuity.EMPTY else "an empty store in store.url"
        what_to_do = HOW_TO_MOVE if kind is Discontinuity.TAKEN else WHAT_TO_DO.format(to_fill=to_fill)
        wrong = WHAT_IS_WRONG[kind].format(
            store=self.store, gateway=_gateway(self.topics.prefix), owner=_gateway(owner or "")
        )
        return StoreDiscontinuedError(kind, wrong + what_to_do)


def _gateway(prefix: str) -> str:
    return f"of the topics {prefix}testrun.*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuityCheck:
    """Compares what Kafka knows of this gateway with what its store knows."""

    kafka: KafkaSettings
    marker: StoreMarker

    async def run(self) -> None:
        """Publish a mark at each interval, and check again after some of them, until cancelled.

        Raises:
            StoreDiscontinuedError: the gateway works with another store now, or this store was restored or exchanged.
        """
        for number in itertools.count(1):
            await asyncio.sleep(MARK_INTERVAL)
            try:
                await self.marker.advance()
                if number % MARKS_PER_CHECK == 0:
                    await self.confirm()
            except (StoreUnavailableError, PublishError, PartitionReadError) as error:
                log.warning("the mark of the store was not advanced; retrying", problem=str(error))

    async def confirm(self) -> None:
        """Check once.

        Raises:
            StoreDiscontinuedError: the store does not continue what the gateway did.
            PartitionReadError: Kafka does not answer.
            StoreUnavailableError: the store does not.
        """
        refusal, _ = await self.find()
        if refusal is not None:
            raise refusal

    async def find(self) -> tuple[StoreDiscontinuedError | None, GatewayHistory]:
        """Return why the store does not continue what the gateway did, and what Kafka knows.

        Raises:
            PartitionReadError: Kafka does not answer.
            StoreUnavailableError: the store does not.
        """
        # Kafka first: other processes count the store's mark up before they publish it.
        history = await asyncio.to_thread(read_gateway_history, self._settings, self.marker.topics)
        state = await self.marker.identity.state()
        kind = find_discontinuity(state, history)
        return self.marker.refusal(kind, state.bound_to) if kind else None, history

    async def recorded(self) -> TopicEnds:
        """Return below which offsets lifecycle events are recorded by now."""
        return await asyncio.to_thread(read_topic_ends, self._settings, self.marker.topics.lifecycle)

    @property
    def _settings(self) -> Mapping[str, object]:
        return standalone_consumer_settings(self.kafka)


def read_gateway_history(settings: Mapping[str, object], topics: TopicNames) -> GatewayHistory:
    """Return what Kafka knows of the gateway with these topics.

    Raises:
        PartitionReadError: Kafka does not answer.
    """
    with PartitionReader(settings) as reader:
        ranges = [_last_claims(found) for found in reader.present_ranges(topics.store)]
        claims = [claim for record in reader.records(ranges) if (claim := read_claim(record.value()))]
        visible = reader.topics()  # a process may have no right to see the topics of other roles
        published = any(
            found.end > 0
            for topic in (topics.inflight, topics.results)
            if topic in visible
            for found in reader.present_ranges(topic)
        )
    return GatewayHistory(prefix=topics.prefix, mark=current_mark(claims), has_published=published)


def _last_claims(found: OffsetRange) -> OffsetRange:
    return replace(found, start=max(found.start, found.end - LAST_CLAIMS))


def read_topic_ends(settings: Mapping[str, object], topic: str) -> TopicEnds:
    """Return where a topic ends now.

    Raises:
        KafkaNotReadyError: Kafka does not answer, or does not have the topic.
        PartitionReadError: the same.
    """
    with PartitionReader(settings) as reader:
        ends = {found.partition: found.end for found in reader.present_ranges(topic)}
    return TopicEnds(topic=topic, topic_id=read_topic_id(settings, topic), ends=ends)


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
        StoreDiscontinuedError: the store does not continue what the gateway did.
    """
    marker = check.marker
    identity, prefix = marker.identity, marker.topics.prefix
    refusal, history = await check.find()
    if refusal is None:
        await identity.bind(prefix)
        if accept:
            log.info("the store continues what the gateway did; --accept-empty-store has no effect")
    elif not (accept and Role.ROUTING in roles):
        raise refusal
    else:
        # In this order, so that a crash in between leaves a store that is refused.
        recorded = await check.recorded()
        marked = await identity.mark_in_doubt(now())
        await _command_doubtful(identity, store, commands)
        await identity.accept(prefix, history.mark, recorded)
        log.warning("store accepted", store=marker.store, reason=refusal.kind.value, in_doubt=marked)
    await marker.advance()
    # Again, because a process with another store may have started at the same time.
    await check.confirm()


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


class RecordedEvents:
    """Knows which records may have led to a run that the store has lost: those that were there when it was accepted."""

    def __init__(self, recorded: TopicEnds, read_ends: Callable[[], TopicEnds]) -> None:
        """`read_ends` returns where the topic ends now; it is called on a thread, once for each assigned partition."""
        self._recorded = recorded
        self._read_ends = read_ends
        self._same_topic: dict[int, tuple[int, asyncio.Task[bool]]] = {}  # by partition, of its latest assignment

    async def include(self, record: Record) -> bool:
        """Return whether the record was there; not if the topic was made anew since."""
        partition = record.partition
        if not self._recorded.have_passed(partition.topic, partition.number, record.offset):
            return False
        epoch, same = self._same_topic.get(partition.number, (None, None))
        if same is None or epoch != partition.epoch:
            same = asyncio.create_task(self._is_same_topic())
            self._same_topic[partition.number] = partition.epoch, same
        return await asyncio.shield(same)

    async def _is_same_topic(self) -> bool:
        try:
            ends = await asyncio.to_thread(self._read_ends)
        except (KafkaNotReadyError, PartitionReadError) as error:
            log.warning("the id of the topic is not known; its events count as recorded", problem=str(error))
            return True
        return self._recorded.are_followed_by(ends)
