"""Handle the records of a source: copy an event of Southbound, or take the `ServiceTest` that a record is about."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from consumers.event_handler import retry_after, settle_known
from consumers.northbound.streams.problems import record_unreadable, registry_unavailable, source_unknown
from consumers.northbound.streams.profile import StreamFormat
from consumers.northbound.streams.read_record import (
    RecordUnreadableError,
    SourceRecord,
    id_at,
    object_at,
    own_id_of,
)
from consumers.northbound.streams.subject import source_named
from consumers.runtime.backoff import Backoff
from consumers.runtime.handler import DeadLetter, Done, Outcome, RetryLater
from producers.publisher import Message
from router.northbound.arrivals import Arrival, without_results
from router.northbound.servicenow.moments import with_moments
from router.northbound.servicenow.read_body import read_new_run
from router.runs.ids import derive_event_id
from schemas.codec.registered_avro import ForeignAvroError
from schemas.codec.schema_registry import RegistryError, RegistryUnavailableError
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.northbound.streams.profile import StreamSource
    from consumers.northbound.streams.read_run import ChangedRunReader
    from consumers.northbound.streams.take_arrival import ArrivalTaker
    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.runtime.handler import Attempt, Record
    from producers.publisher import Publisher
    from schemas.codec.registered_avro import RegisteredAvroReader

COPIED, SKIPPED = "copied", "skipped"
_DELETED = "delete"
_ASK_AGAIN = Backoff(initial_interval=1.0, max_interval=30.0)  # the schema registry


class OnStreamRecord(Protocol):
    """Observes what a record of a source led to."""

    def __call__(self, source: str, outcome: str) -> None:
        """Observe one record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHandler:
    """Handles the records of one source. `lifecycle` is the topic of the events of Southbound.

    `runs` reads runs for change data; None: the source has another format. `avro` reads values that name a schema of a
    registry; None: there is no registry. `way` is the number of the cluster, from 1;
    0: its records were redriven.
    """

    source: StreamSource
    taker: ArrivalTaker
    publisher: Publisher
    lifecycle: str
    on_record: OnStreamRecord
    runs: ChangedRunReader | None = None
    avro: RegisteredAvroReader | None = None
    way: int = 0
    random: Callable[[], float] = random.random  # jitter, not a secret

    async def handle_record(self, record: Record, attempt: Attempt) -> Outcome:
        """Make one attempt; the record is finished when Kafka has the event that it leads to."""
        read = SourceRecord(source=self.source, record=record)
        try:
            outcome = await settle_known(
                self._handle(read, attempt), lambda error: retry_after(error, attempt, self.random())
            )
        except RecordUnreadableError as error:
            return DeadLetter(record_unreadable(self.source.name, str(error)))
        return DeadLetter(outcome) if isinstance(outcome, Problem) else outcome

    async def _handle(self, read: SourceRecord, attempt: Attempt) -> Outcome:
        copied = self.source.format is StreamFormat.CLOUDEVENTS or (self.runs is None and read.is_event_of_ours)
        if copied:
            self._check_tenant()
            return await self._copy(read)
        try:
            read = await self._decoded(read)
        except RegistryUnavailableError as error:
            return RetryLater(_ASK_AGAIN.delay(attempt.number, self.random()), registry_unavailable(str(error)))
        if self.runs is not None:
            return await self._read_run(read, attempt, self.runs)
        value = read.json()
        body = with_moments(object_at(value, self.source.body), ZoneInfo(self.source.time_zone))
        if body.get("id") is None and own_id_of(body) is None:  # the event itself is the run
            body["id"] = derive_event_id(read.event_id, "run")
        arrival = Arrival(event_id=read.event_id, body=body, way=self.way, at=read.moment(value))
        return await self._take(own_id_of(body), arrival, attempt)

    def _check_tenant(self) -> None:
        """Refuse an event of Southbound from a source that has a tenant: such an event may be about any run.

        Raises:
            RecordUnreadableError: the source has one.
        """
        if self.source.tenant is not None:
            raise RecordUnreadableError(
                "it is an event of Southbound, and the source has a tenant, which such an event does not keep to"
            )

    async def _decoded(self, read: SourceRecord) -> SourceRecord:
        """Return the record with its value, if that is Avro.

        Raises:
            RecordUnreadableError: the value cannot be read.
            RegistryUnavailableError: the registry, which has its schema, does not answer.
        """
        if self.avro is None or not read.is_avro:
            return read
        try:
            return replace(read, decoded=await self.avro.read(read.record.value or b""))
        except RegistryUnavailableError:
            raise
        except (ForeignAvroError, RegistryError) as error:
            raise RecordUnreadableError(str(error)) from None

    async def _read_run(self, read: SourceRecord, attempt: Attempt, runs: ChangedRunReader) -> Outcome:
        run_id = id_at(read.json(), self.source.run_id)
        is_deleted = read.header(self.source.action_header) == _DELETED
        shown = await runs.read(run_id, attempt, read.event_id, is_deleted=is_deleted)
        if isinstance(shown, Outcome):
            return shown
        body = _as_tmf653(shown.body, runs.target)
        arrival = Arrival(event_id=read.event_id, body={**body, "id": shown.run_id}, way=self.way, at=shown.at)
        return await self._take(shown.run_id, arrival, attempt)

    async def _take(self, run_id: str | None, arrival: Arrival, attempt: Attempt) -> Outcome:
        taken = await self.taker.take(run_id, arrival, attempt)
        if isinstance(taken, Outcome):
            return taken
        self.on_record(self.source.name, taken.value)
        return Done()

    async def _copy(self, read: SourceRecord) -> Outcome:
        record = read.record
        # Not from its place: another cluster has another record there.
        named: tuple[tuple[str, bytes], ...] = () if read.header("ce_id") else (("ce_id", read.event_id.encode()),)
        await self.publisher.publish([Message(self.lifecycle, record.key, record.value, (*record.headers, *named))])
        self.on_record(self.source.name, COPIED)
        return Done()


def _as_tmf653(body: Mapping[str, object], target: WritebackTarget) -> Mapping[str, object]:
    """Return a run as TMF653 has it: ServiceNow writes an empty text for what a run does not have."""
    zone = ZoneInfo(target.time_zone)
    if target.form.is_servicenow:
        return object_at(read_new_run(without_results(body), zone), "")
    return with_moments(body, zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivenRecordHandler:
    """Handles records of all sources that were redriven: each says which source it is of."""

    sources: Mapping[str, SourceHandler]

    async def handle_record(self, record: Record, attempt: Attempt) -> Outcome:
        """Pass a record to the handler of its source."""
        name = source_named(record)
        handler = self.sources.get(name)
        return await handler.handle_record(record, attempt) if handler else DeadLetter(source_unknown(name))
