"""Show what a replay would publish, and what the gateway would decide and send because of it."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from consumers.metrics import Metrics
from consumers.routing.decide import Decider
from router.runs.hierarchy import HierarchyError, expand_hierarchy
from router.runs.hierarchy_limits import HierarchyLimits
from router.runs.ids import event_id_at
from schemas.codec.errors import UndecodableError
from schemas.codec.printable import printable
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunRequested
from schemas.partition_keys import root_run_key, topic_of
from schemas.topics import TopicNames
from southbound.exit_codes import invalid_input, unreachable
from southbound.operations.console import print_json, print_text
from southbound.operations.kafka import MAX_WAIT
from southbound.operations.replay.forecast import Effect, Forecast, forecast, run_of
from southbound.operations.replay.record_items import headers_of
from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.service.roles import Role
from southbound.service.startup_status import StartupStatus
from southbound.service.table_sources import NoLiveTablesError, open_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from confluent_kafka import Message as ConsumedRecord

    from consumers.routing.decide import AllDefinitionsUsedUp, Route
    from router.runs.run import RunRow
    from router.selection.load import RoutingTables
    from schemas.codec.envelope import Envelope, Event
    from schemas.problem import Problem
    from schemas.run_document import RunDocument
    from southbound.operations.replay.store_reader import StoreReader
    from southbound.settings.settings import Settings

BATCH_SIZE = 500  # records whose runs are read together
MAX_REQUESTED = 100_000  # runs that were requested earlier in the same replay, of which it is remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRecord:
    """A record, and what it would lead to."""

    position: str
    type: str
    forecast: Forecast

    def as_line(self) -> str:
        """Return it as one line."""
        found = self.forecast
        to = " ".join(filter(None, (found.command, f"to {found.spoke}" if found.spoke else "")))
        by = f" by {found.decision}" if found.decision else ""
        parts = (self.position, self.type, found.run or "-", f"{found.effect}:", f"{to}{by}" if to else "")
        return printable(f"{'  '.join(filter(None, parts))}  ({found.sentence})")

    def as_json(self) -> str:
        """Return it as one JSON object."""
        content = {"record": self.position, "type": self.type, **asdict(self.forecast)}
        return json.dumps({name: value for name, value in content.items() if value != ""})


@dataclass(kw_only=True)
class Forecaster:
    """Says what records would lead to, in their order, by the tables and the run store as they are now."""

    reader: StoreReader
    envelope: Envelope
    decider: Decider
    limits: HierarchyLimits
    names: TopicNames
    _requested: dict[str, None] = field(default_factory=dict, init=False)

    def forecast_all(self, records: Iterable[ConsumedRecord]) -> Iterator[ForecastRecord]:
        """Yield each record with what it would lead to."""
        batch: list[ConsumedRecord] = []
        for record in records:
            batch.append(record)
            if len(batch) == BATCH_SIZE:
                yield from self.reader.wait_for(self._forecast_batch(batch))
                batch = []
        yield from self.reader.wait_for(self._forecast_batch(batch))

    async def _forecast_batch(self, records: Sequence[ConsumedRecord]) -> list[ForecastRecord]:
        return [await self._forecast(record) for record in records]

    async def _forecast(self, record: ConsumedRecord) -> ForecastRecord:
        topic, partition, offset = record.topic() or "", record.partition() or 0, record.offset() or 0
        position = f"{topic}-{partition}-{offset}"
        try:
            event = self.envelope.decode(
                record.value(), headers_of(record), fallback_id=event_id_at(topic, partition, offset)
            )
        except UndecodableError as error:
            found = Forecast(run="", effect=Effect.DEAD_LETTER, sentence=f"{error.code}: {error.sentence}")
            return ForecastRecord(position=position, type="-", forecast=found)
        name = type(event.data).__name__
        if topic_of(self.names, event.data) != topic:
            found = Forecast(run="", effect=Effect.DEAD_LETTER, sentence="WRONG_TOPIC: it belongs on another topic")
            return ForecastRecord(position=position, type=name, forecast=found)
        before = run_of(event) in self._requested
        row = await self._row(event)
        root = None if row else await self._root(event)
        found = forecast(event, row, self._decide, root=root, is_requested_before=before)
        self._note(event, found)
        return ForecastRecord(position=position, type=name, forecast=found)

    async def _row(self, event: Event) -> RunRow | None:
        store = self.reader.store
        if isinstance(event.data, InboundReceived):
            return await store.run_by_external_id(event.data.spoke, event.data.external_id)
        return await store.run(run_of(event))

    async def _root(self, event: Event) -> RunRow | None:
        """Return the root of an unknown run: if it is pending, its children have no rows yet."""
        root = root_run_key(event.data)
        return await self.reader.store.run(root) if root else None

    def _decide(self, document: RunDocument) -> Route | AllDefinitionsUsedUp | Problem:
        try:
            expand_hierarchy(document, self.limits)
        except HierarchyError as error:
            return error.problem
        return self.decider.decide(document)

    def _note(self, event: Event, found: Forecast) -> None:
        if isinstance(event.data, RunRequested) and found.effect in {Effect.SEND, Effect.WAIT}:
            self._requested |= dict.fromkeys([found.run, *(child.run_id for child in event.data.run.children)])
            while len(self._requested) > MAX_REQUESTED:
                del self._requested[next(iter(self._requested))]


def make_forecaster(settings: Settings, reader: StoreReader, envelope: Envelope) -> Forecaster:
    """Return a forecaster that decides by the tables of the settings: those of files, or those that are live.

    Raises:
        CommandFailedError: tables or profiles are wrong, or no tables are live.
    """
    tables = reader.wait_for(load_tables(settings))
    routing = settings.routing
    limits = HierarchyLimits(max_runs=routing.max_runs, max_depth=routing.max_depth)
    return Forecaster(
        reader=reader,
        envelope=envelope,
        decider=Decider(tables=lambda: tables),
        limits=limits,
        names=TopicNames(settings.kafka.prefix),
    )


async def load_tables(settings: Settings) -> RoutingTables:
    """Load the tables of the settings: those of files, or those that are live.

    Raises:
        CommandFailedError: tables or profiles are wrong, or no tables are live.
    """
    patience = min(settings.kafka.start_timeout, MAX_WAIT)
    hurried = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"start_timeout": patience})})
    try:
        rules = load_rules(settings.routing)
        async with AsyncExitStack() as stack:
            source = await open_tables(stack, hurried, rules, [Role.ROUTING], Metrics(), StartupStatus())
            return source.current()
    except InvalidConfigurationError as error:
        raise invalid_input(error.mistakes) from None
    except NoLiveTablesError as error:
        raise unreachable(str(error)) from None


def print_forecasts(records: Iterable[ForecastRecord], *, as_json: bool) -> Counter[Effect]:
    """Print what records would lead to, and return how often each effect was found."""
    counts: Counter[Effect] = Counter()
    for record in records:
        counts[record.forecast.effect] += 1
        if as_json:
            print_json(record.as_json())
        else:
            print_text(record.as_line())
    return counts
