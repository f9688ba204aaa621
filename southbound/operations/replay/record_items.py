"""Choose records of topics for a replay."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from producers.publisher import Message
from router.runs.ids import event_id_at
from schemas.codec.cloudevents import REPLAY_HEADER, REPLAY_ID_PREFIX
from southbound.operations.events.record_view import read_record
from southbound.operations.replay.replay_note import COPY_OF, ReplayMark, is_mark
from southbound.operations.replay.replay_writer import ReplayItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from confluent_kafka import Message as ConsumedRecord

    from consumers.runtime.kafka.offset_range import OffsetRange
    from consumers.runtime.kafka.partition_reader import PartitionReader
    from schemas.codec.cloudevents import KafkaHeaders
    from schemas.codec.envelope import Envelope
    from schemas.topics import TopicNames
    from southbound.operations.replay.replay_note import ReplayNote
    from southbound.operations.replay.selection import Selection
    from southbound.operations.replay.store_reader import StoreReader

_EVENT_ID = "ce_id"
_PLAIN = re.compile(r"[\w.:-]+", re.ASCII)
BATCH_SIZE = 500  # records that are kept in memory


@dataclass(kw_only=True)  # without slots: cached properties are kept in the instance's dictionary
class RecordChooser:
    """Chooses records, and counts those that an earlier replay published: their originals are chosen instead.

    `report_keys` are the keys of reports about the chosen runs, which do not name them.
    """

    selection: Selection
    envelope: Envelope
    names: TopicNames
    report_keys: frozenset[bytes] = frozenset()
    copies: int = field(default=0, init=False)

    def accepts(self, record: ConsumedRecord) -> bool:
        """Return whether a record is chosen."""
        if not (self._has_time(record) and self._has_key(record) and self._has_run(record)):
            return False
        copy = is_copy(record)
        self.copies += copy
        return not copy

    def _has_time(self, record: ConsumedRecord) -> bool:
        since, until = self._period
        return since <= record.timestamp()[1] < until

    def _has_key(self, record: ConsumedRecord) -> bool:
        return not self._keys or record.key() in self._keys

    def _has_run(self, record: ConsumedRecord) -> bool:
        if not self.selection.runs or record.key() in self.report_keys:
            return True
        if self._any_run is not None:
            # Decoding takes much longer than a search in the bytes.
            text = (record.key() or b"") + b" " + (record.value() or b"")
            if not self._any_run.search(text):
                return False
        view = read_record(record, self.envelope, self.names)
        return any(view.mentions(run) for run in self.selection.runs)

    @cached_property
    def _any_run(self) -> re.Pattern[bytes] | None:
        """What finds the ids in bytes; None if JSON may have one of them in another spelling."""
        if not all(map(_PLAIN.fullmatch, self.selection.runs)):
            return None
        return re.compile(b"|".join([re.escape(run.encode()) for run in self.selection.runs]))

    @cached_property
    def _keys(self) -> frozenset[bytes]:
        return frozenset([key.encode() for key in self.selection.keys])

    @cached_property
    def _period(self) -> tuple[float, float]:
        since, until = self.selection.since, self.selection.until
        return (
            since.timestamp() * 1000 if since else float("-inf"),
            until.timestamp() * 1000 if until else float("inf"),
        )


def records_of(reader: PartitionReader, ranges: Sequence[OffsetRange]) -> Iterator[ConsumedRecord]:
    """Yield the records of ranges, one topic after the other.

    Raises:
        PartitionReadError: Kafka cannot be read.
    """
    for topic in dict.fromkeys(one.topic for one in ranges):
        yield from reader.records([one for one in ranges if one.topic == topic], limit=BATCH_SIZE)


def record_items(reader: PartitionReader, note: ReplayNote, chooser: RecordChooser) -> Iterator[ReplayItem]:
    """Yield an item for each record that is left, with what is published if it is chosen.

    Raises:
        PartitionReadError: Kafka cannot be read.
    """
    mark = ReplayMark.of(note)
    for record in records_of(reader, note.ranges):
        topic, partition, offset = record.topic() or "", record.partition() or 0, record.offset() or 0
        yield ReplayItem(
            origin=f"{topic}-{partition}-{offset}",
            place=(topic, partition),
            offset=offset,
            messages=(replayed_message(record, mark),) if chooser.accepts(record) else (),
            # Producers of other languages choose partitions in other ways: where the key was, its later records are.
            partition=partition,
        )


def report_keys_of(runs: Sequence[str], reader: StoreReader) -> frozenset[bytes]:
    """Return the keys of reports about runs, and about those below a root among them."""

    async def read() -> frozenset[bytes]:
        keys: set[bytes] = set()
        for run_id in runs:
            row = await reader.store.run(run_id)
            if row is None:
                continue
            is_root = row.run_id == row.root_run_id
            rows = [row, *(await reader.store.runs_of_request(row.request_id) if is_root else ())]
            keys |= {f"{one.spoke}:{one.external_id}".encode() for one in rows if one.external_id}
        return frozenset(keys)

    return reader.wait_for(read())


def replayed_message(record: ConsumedRecord, mark: ReplayMark) -> Message:
    """Return a record as it was, with the mark. An event without an id gets the one that it had by its place."""
    topic, partition, offset = record.topic() or "", record.partition() or 0, record.offset() or 0
    headers = headers_of(record)
    if not any(name.lower() == _EVENT_ID and value for name, value in headers):
        headers = (*headers, (_EVENT_ID, event_id_at(topic, partition, offset).encode()))
    return mark.on(Message(topic, record.key(), record.value(), headers), f"{topic}-{partition}-{offset}")


def is_copy(record: ConsumedRecord) -> bool:
    """Return whether a replay published the record. What followed from such a record is no copy."""
    found = {name: value or b"" for name, value in headers_of(record) if is_mark(name)}
    return COPY_OF in found and found.get(REPLAY_HEADER, b"").startswith(REPLAY_ID_PREFIX.encode())


def headers_of(record: ConsumedRecord) -> KafkaHeaders:
    """Return the headers of a consumed record."""
    return tuple(record.headers() or ())  # type: ignore[arg-type] # a consumed record has pairs
