"""Rebuild a lost run store by folding the topics into an empty one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from consumers.routing.commands import build_send_command
from consumers.routing.give_up import timer_event
from consumers.run_updates.announce import Announcer
from consumers.runtime.kafka.group_state import count_members, read_committed_offsets
from consumers.runtime.kafka.partition_reader import PartitionReader, PartitionReadError
from consumers.runtime.kafka.readiness import KafkaNotReadyError
from consumers.store.bulk_load import AcceptedGateway, RebuiltRows, StoreNotEmptyError
from consumers.store.migrate import SchemaError
from consumers.store.port import StoreUnavailableError, UnstorableError
from producers.publisher import PublishError
from router.recovery.fold import fold_hierarchy
from router.recovery.rebuilt_uses import RebuiltUses
from router.runs.transitions import COMMANDED_PHASES
from router.store_continuity import TopicEnds
from schemas.text.counts import count_noun
from schemas.topics import TopicNames
from southbound.exit_codes import CommandFailedError, ExitCode, invalid_input, unreachable
from southbound.operations.console import print_status, print_text
from southbound.operations.kafka import make_envelope, open_publisher, wait_until_reachable
from southbound.operations.progress import show_progress
from southbound.operations.replay.dry_run import load_tables
from southbound.operations.replay.event_spool import open_spool
from southbound.operations.replay.read_topics import read_into, topics_of_runs
from southbound.operations.why.groups import known_roles
from southbound.service.kafka_settings import standalone_consumer_settings
from southbound.service.open_resources import open_run_store
from southbound.service.roles import Role, consumers_of_topics
from southbound.service.store_check import StoreMarker, read_gateway_history, read_topic_ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consumers.runtime.kafka.offset_range import OffsetRange
    from consumers.store.sql_store import SqlRunStore
    from producers.event_publisher import EventPublisher
    from router.recovery.fold import FoldedHierarchy
    from router.runs.run import RequestRow, RunRow
    from schemas.codec.envelope import Envelope
    from schemas.results import RequestResult
    from southbound.operations.replay.event_spool import EventSpool
    from southbound.operations.replay.read_topics import TopicCounts
    from southbound.settings.settings import Settings

SOURCE = "/southbound/replay"
MAX_MEMBER_WAIT = 60.0  # seconds; a killed process is a member until its session has expired
MAX_NAMED = 20  # runs in one sentence
NOT_REBUILT = (
    "not rebuilt, because no topic has it: timelines, explanations of decisions, which reports were processed, attempts"
    " at commands that wait, and which updates were published last; created_at is when its request was recorded"
)
ROWS_PER_BATCH = 500
PUBLISH_BATCH = 500  # events


@dataclass(slots=True)
class RebuildTally:
    """What was folded. The lists hold what has to be published, or named, after the store is written."""

    hierarchies: int = 0
    runs: int = 0
    in_doubt: int = 0
    ended: int = 0
    uncommanded: list[RunRow] = field(default_factory=list)
    unpublished: list[RequestResult] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)

    def add(self, folded: FoldedHierarchy) -> None:
        """Count the rows of one root run."""
        self.hierarchies += 1
        self.runs += len(folded.runs)
        self.in_doubt += sum(row.phase in COMMANDED_PHASES for row in folded.runs)
        self.ended += sum(row.finished_at is not None for row in folded.runs)
        self.uncommanded += folded.uncommanded
        self.unpublished += folded.unpublished
        self.expired += folded.expired


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySnapshot:
    """The topics of a gateway up to their present ends, without any process that works on them."""

    ranges: Sequence[OffsetRange]
    gateway: AcceptedGateway


def rebuild_store(settings: Settings) -> int:
    """Fold the topics into the empty run store of the settings.

    Raises:
        CommandFailedError: the store has runs, a process still runs, or something cannot be read or written.
    """
    try:
        return asyncio.run(_rebuild(settings))
    except (StoreUnavailableError, PartitionReadError, KafkaNotReadyError) as error:
        raise unreachable(str(error)) from None
    except (SchemaError, UnstorableError) as error:
        raise invalid_input([str(error)]) from None


async def _rebuild(settings: Settings) -> int:
    names = TopicNames(settings.kafka.prefix)
    await wait_until_reachable(settings, [names.lifecycle, names.inbound, names.inflight, names.results, names.store])
    envelope = await make_envelope(settings, SOURCE)
    store = await open_run_store(settings.store)
    try:
        await _check_store(store, names)
        snapshot = await asyncio.to_thread(_take_snapshot, settings, names)
        with open_spool(envelope) as spool:
            counts = await asyncio.to_thread(spool_topics, settings, snapshot.ranges, spool, envelope)
            tally = await _fill(store, spool, snapshot, await _limited_periods(settings))
        _print_tally(store, counts, tally)
        await _publish_missing(settings, store, tally)
    finally:
        await store.close()
    return ExitCode.SUCCESS


async def _check_store(store: SqlRunStore, names: TopicNames) -> None:
    state = await store.identity.state()
    if state.has_runs:
        raise invalid_input([_not_empty(store)])
    if state.bound_to not in {None, names.prefix}:
        owner = f"the gateway of the topics {state.bound_to}testrun.*"
        raise invalid_input([f"run store {store.name} belongs to {owner}: name an empty store in store.url"])


def _not_empty(store: SqlRunStore) -> str:
    return (
        f"run store {store.name} has runs, and --rebuild fills an empty store only: name a new one in store.url, or"
        " compare this one with the topics by `southbound replay --compare`"
    )


def _take_snapshot(settings: Settings, names: TopicNames) -> GatewaySnapshot:
    client = standalone_consumer_settings(settings.kafka)
    with PartitionReader(client) as reader:
        known = reader.topics()
        roles = {*consumers_of_topics(known, names).values(), *known_roles(settings)}
        _wait_until_stopped(client, [settings.kafka.group_of(role) for role in sorted(roles)])
        ranges = [found for topic in topics_of_runs(known, names) for found in reader.present_ranges(topic)]
    routed = read_committed_offsets(client, settings.kafka.group_of(Role.ROUTING.value), names.lifecycle)
    ends = read_topic_ends(client, names.lifecycle)
    mark = read_gateway_history(client, names).mark
    gateway = AcceptedGateway(names.prefix, mark, _may_repeat_below(ends, routed))
    return GatewaySnapshot(ranges=ranges, gateway=gateway)


def _may_repeat_below(ends: TopicEnds, committed: Mapping[int, int]) -> TopicEnds:
    """Return below which offsets an event may have led to a run that the topics do not have any more.

    What is not committed is read again; its commands, if it had led to any, cannot have expired before it.
    """
    below = {partition: min(end, committed.get(partition, end)) for partition, end in ends.ends.items()}
    return TopicEnds(topic=ends.topic, topic_id=ends.topic_id, ends=below)


def _wait_until_stopped(client: Mapping[str, object], groups: Sequence[str]) -> None:
    deadline = time.monotonic() + MAX_MEMBER_WAIT
    while members := _groups_with_members(client, groups):
        named = ", ".join(f"{group} ({count})" for group, count in members.items())
        if time.monotonic() > deadline:
            raise invalid_input(
                [f"processes still work for the gateway, as members of {named}: stop all of them, then rebuild"]
            )
        print_status(f"waiting: {named} still has members; a killed process is one until its session expires")
        time.sleep(2)


def _groups_with_members(client: Mapping[str, object], groups: Sequence[str]) -> dict[str, int]:
    counts = {group: count_members(client, group) for group in groups}
    return {group: count for group, count in counts.items() if count}


def spool_topics(
    settings: Settings, ranges: Sequence[OffsetRange], spool: EventSpool, envelope: Envelope
) -> TopicCounts:
    """Read offset ranges into the spool, with progress.

    Raises:
        PartitionReadError: Kafka cannot be read up to the ends.
    """
    names, total = TopicNames(settings.kafka.prefix), sum(each.length for each in ranges)
    with (
        PartitionReader(standalone_consumer_settings(settings.kafka)) as reader,
        show_progress("reading the topics", total) as on_progress,
    ):
        return read_into(
            spool,
            reader,
            ranges,
            envelope,
            lifecycle=names.lifecycle,
            committed=_committed_commands(settings, {each.topic for each in ranges}),
            on_progress=on_progress,
        )


def _committed_commands(settings: Settings, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Return, by dispatch topic and partition, the offset below which every command is done."""
    names, client = TopicNames(settings.kafka.prefix), standalone_consumer_settings(settings.kafka)
    committed = {
        topic: read_committed_offsets(client, settings.kafka.group_of(role), topic)
        for topic, role in consumers_of_topics(topics, names).items()
        if names.spoke_of(topic)
    }
    return {(topic, number): offset for topic, found in committed.items() for number, offset in found.items()}


async def _limited_periods(settings: Settings) -> dict[str, timedelta]:
    """Return the periods of the definitions with a threshold; none, with a word about it, if no tables can be read."""
    try:
        selector = (await load_tables(settings)).selector
    except CommandFailedError as error:
        print_text(f"The uses of thresholds are not counted, because the tables cannot be read: {error}")
        return {}
    return {f"{selector.table.id}#{row}": threshold.period for row, threshold in selector.thresholds.items()}


async def _fill(
    store: SqlRunStore, spool: EventSpool, snapshot: GatewaySnapshot, periods: Mapping[str, timedelta]
) -> RebuildTally:
    at, tally = datetime.now(UTC), RebuildTally()
    with show_progress("rebuilding root runs", await asyncio.to_thread(spool.count_roots)) as on_progress:

        def batches() -> Iterator[RebuiltRows]:
            nonlocal tally
            tally = RebuildTally()
            for batch in _batches(spool, RebuiltUses(periods=periods, at=at), tally):
                on_progress(tally.hierarchies)
                yield batch

        try:
            await store.fill(batches, snapshot.gateway)
        except StoreNotEmptyError:
            raise invalid_input([_not_empty(store)]) from None
    return tally


def _batches(spool: EventSpool, uses: RebuiltUses, tally: RebuildTally) -> Iterator[RebuiltRows]:
    runs: list[RunRow] = []
    requests: list[RequestRow] = []
    for root_run_id, events in spool.hierarchies():
        folded = fold_hierarchy(root_run_id, events, uses.at)
        tally.add(folded)
        uses.add(folded)
        runs += folded.runs
        requests += folded.requests
        if len(runs) >= ROWS_PER_BATCH:
            yield RebuiltRows(runs, requests)
            runs, requests = [], []
    yield RebuiltRows(runs, requests, [*uses.counts()])


def _print_tally(store: SqlRunStore, counts: TopicCounts, tally: RebuildTally) -> None:
    go_on = tally.runs - tally.ended
    print_text(
        f"{store.name} has {count_noun(tally.runs, 'run')} of {count_noun(tally.hierarchies, 'root run')}, from"
        f" {count_noun(counts.total, 'record')}: {tally.ended:,} ended, {go_on:,} go on, of which"
        f" {tally.in_doubt:,} are looked up at their systems before anything is sent"
    )
    print_text(NOT_REBUILT)
    if counts.skipped:
        print_text(
            f"{count_noun(counts.skipped, 'record')} could not be decoded and were left out, as by the gateway, which"
            " made dead letters of them: `southbound dlq stats --class undecodable` counts those that are still open"
        )
    if tally.expired:
        named = ", ".join(tally.expired[:MAX_NAMED])
        more = f" and {len(tally.expired) - MAX_NAMED:,} more" if tally.expired[MAX_NAMED:] else ""
        print_text(
            f"{count_noun(len(tally.expired), 'run')} could not be rebuilt, because what the topics had of"
            f" them has expired: {named}{more}"
        )


async def _publish_missing(settings: Settings, store: SqlRunStore, tally: RebuildTally) -> None:
    """Publish commands and results that a process had stored and not published when it ended, and claim the store."""
    async with open_publisher(settings, SOURCE) as publisher:
        marker = StoreMarker(
            identity=store.identity, store=store.name, topics=publisher.topics, publisher=publisher.publisher
        )
        try:
            await _publish_commands(publisher, tally.uncommanded)
            await _publish_results(publisher, store, tally.unpublished)
            await marker.advance()
        except PublishError as error:
            raise unreachable(
                f"The store is rebuilt, but {error}: start `southbound run`; it publishes commands again within a day"
            ) from None


async def _publish_commands(publisher: EventPublisher, rows: Sequence[RunRow]) -> None:
    announcer = Announcer(events=publisher, now=lambda: datetime.now(UTC))
    for row in rows:
        await announcer.publish(timer_event(row, "rebuilt"), [build_send_command(row)], decision=row.decision)
    if rows:
        print_status(f"{count_noun(len(rows), 'command')} that had not been published yet: published")


async def _publish_results(publisher: EventPublisher, store: SqlRunStore, results: Sequence[RequestResult]) -> None:
    announcer = Announcer(events=publisher, now=lambda: datetime.now(UTC))
    for result in results:
        row = await store.run(result.root_run_id)
        if row is not None:
            await announcer.publish(timer_event(row, "rebuilt"), [result], decision=row.decision)
    if results:
        print_status(f"{count_noun(len(results), 'result')} of requests that had not been published yet: published")
