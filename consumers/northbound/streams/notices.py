"""Publish updates about each `ServiceTest` on a stream that became a dead letter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from consumers.failed_request import FailedRequest, RequestKind
from consumers.northbound.streams.profile import StreamFormat
from consumers.northbound.streams.read_record import RecordUnreadableError, SourceRecord, object_at, own_id_of
from consumers.northbound.streams.subject import source_named
from router.northbound.arrivals import is_cancelled
from router.northbound.change import next_version
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.codec.registered_avro import ForeignAvroError
from schemas.codec.schema_registry import RegistryError
from schemas.lifecycle import RunCancelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.failure_notices import FailureNotices
    from consumers.northbound.streams.profile import StreamSource
    from consumers.runtime.handler import Record
    from consumers.store.orders.port import OrderStore
    from schemas.codec.registered_avro import RegisteredAvroReader
    from schemas.problem import Problem
    from schemas.text.json_types import JsonMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNotices:
    """Publishes an update about the run of each `ServiceTest` that becomes a dead letter, if its id can be read.

    Records of other formats are not told here: an event of Southbound is told where it is refused, and change data is
    no order. `name` is that of the source; None: each record names its own.
    """

    notices: FailureNotices
    orders: OrderStore
    sources: Mapping[str, StreamSource]
    name: str | None = None
    avro: RegisteredAvroReader | None = None

    async def notify(self, record: Record, problem: Problem) -> Problem | None:
        """Publish the update; return the problem if that has to be repeated."""
        source = self.sources.get(self.name or source_named(record))
        if source is None or source.format is not StreamFormat.TMF653:
            return None
        read = SourceRecord(source=source, record=record)
        return None if read.is_event_of_ours else await self.notices.tell(partial(self._request_in, read), problem)

    async def _request_in(self, read: SourceRecord) -> FailedRequest | None:
        """Return what the record requests; None if it has no id, or that of a run which the source does not see."""
        try:
            body = await self._body_of(read)
        except (RecordUnreadableError, ForeignAvroError, RegistryError):
            return None
        run_id = own_id_of(body)
        if run_id is None:
            return None
        view = await self.orders.view(run_id)
        if view is not None and read.source.tenant not in (None, view.tenant):
            return None
        root_run_id = run_id if view is None else view.document.root_run_id
        change = RequestKind.CANCEL if is_cancelled(body) else RequestKind.CHANGE
        return FailedRequest(
            kind=RequestKind.SEND if view is None else change,
            run_ids=(run_id,),
            root_run_id=root_run_id,
            version=1 if view is None else next_version(view),
            cause=Event(
                headers=EventHeaders(id=read.event_id), data=RunCancelled(run_id=run_id, root_run_id=root_run_id)
            ),
        )

    async def _body_of(self, read: SourceRecord) -> JsonMapping:
        if self.avro is not None and read.is_avro:
            read = replace(read, decoded=await self.avro.read(read.record.value or b""))
        return object_at(read.json(), read.source.body)
