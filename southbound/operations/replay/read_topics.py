"""Read the events about runs from all topics into a spool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.runs.ids import event_id_at
from schemas.codec.cloudevents import read_headers
from schemas.codec.errors import UndecodableError
from schemas.partition_keys import root_run_key
from southbound.operations.replay.event_spool import SpooledEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from consumers.runtime.kafka.offset_range import OffsetRange
    from consumers.runtime.kafka.partition_reader import PartitionReader
    from schemas.codec.envelope import Envelope
    from schemas.topics import TopicNames
    from southbound.operations.replay.event_spool import EventSpool

BATCH_SIZE = 2_000  # records that are kept in memory


@dataclass(slots=True)
class TopicCounts:
    """What was read: records by topic, and how many of them are no events about runs."""

    records: dict[str, int] = field(default_factory=dict)
    skipped: int = 0

    @property
    def total(self) -> int:
        """The number of records."""
        return sum(self.records.values())


def topics_of_runs(known: Iterable[str], names: TopicNames) -> list[str]:
    """Return the topics whose events are folded, lifecycle events first. Reports of systems are not among them."""
    dispatch = sorted(name for name in known if names.spoke_of(name))
    return [names.lifecycle, *dispatch, names.inflight, names.results]


def read_into(
    spool: EventSpool,
    reader: PartitionReader,
    ranges: Sequence[OffsetRange],
    envelope: Envelope,
    *,
    lifecycle: str,
    committed: Mapping[tuple[str, int], int],
    on_progress: Callable[[int], None],
) -> TopicCounts:
    """Read offset ranges into the spool. `on_progress` is called with the number of records so far.

    `committed`: by topic and partition, the offset below which every record is done.

    Raises:
        PartitionReadError: Kafka cannot be read up to the ends.
    """
    counts, batch = TopicCounts(), list[SpooledEvent]()
    for topic in dict.fromkeys(each.topic for each in ranges):
        counts.records[topic] = 0
        for record in reader.records([each for each in ranges if each.topic == topic], limit=BATCH_SIZE):
            counts.records[topic] += 1
            event = _read(record, envelope, committed, is_ours=topic != lifecycle)
            if event is None:
                counts.skipped += 1
                continue
            batch.append(event)
            if len(batch) >= BATCH_SIZE:
                spool.add(batch)
                batch.clear()
                on_progress(counts.total)
    spool.add(batch)
    on_progress(counts.total)
    return counts


def _read(
    record: Message, envelope: Envelope, committed: Mapping[tuple[str, int], int], *, is_ours: bool
) -> SpooledEvent | None:
    topic, partition, offset = record.topic() or "", record.partition() or 0, record.offset() or 0
    headers, value = record.headers(), record.value()
    position = event_id_at(topic, partition, offset)
    kept = read_headers(headers, fallback_id=position)  # type: ignore[arg-type] # a consumed record has pairs
    root = _root_of(record, envelope, position, is_ours=is_ours)
    is_done = offset < committed.get((topic, partition), 0)
    return None if root is None else SpooledEvent(root, record.timestamp()[1] / 1000, kept, value, is_done)


def _root_of(record: Message, envelope: Envelope, position: str, *, is_ours: bool) -> str | None:
    key = record.key()
    if is_ours and key:  # Southbound writes the id of the root run as the key; others may not
        return key.decode(errors="replace")
    try:
        event = envelope.decode(record.value(), record.headers(), fallback_id=position)  # type: ignore[arg-type]
    except UndecodableError:
        return None
    return root_run_key(event.data)
