"""Read what Southbound publishes, on a thread of its own, and hand it to the oracle on the event loop."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.results import RunResult, RunUpdate
from tests.chaos.conductor.desk import SPELLINGS, PublishedEnd
from tests.chaos.conductor.oracle import Breach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

    from schemas.topics import TopicNames
    from tests.chaos.conductor.oracle import Oracle

CLOSE_TIMEOUT = 30.0  # seconds
MAX_REMEMBERED_IDS = 200_000  # of updates, to recognize one that was published twice


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """The parts of a record that are judged."""

    topic: str
    partition: int
    offset: int
    key: str
    kind: str
    event_id: str
    subject: str
    code: str  # of a dead letter
    revision: int  # of an update; -1 for everything else
    end: PublishedEnd | None = None  # of a result, if they are read


class PublishedRecords:
    """Reads topics from their beginning, through outages of the broker."""

    def __init__(
        self, bootstrap: str, names: TopicNames, spokes: Sequence[str], partitions: int, *, with_ends: bool = False
    ) -> None:
        self._with_ends = with_ends
        self._topics = [names.results, names.inflight, names.dlq, *map(names.dispatch, spokes)]
        self._names, self._partitions = names, partitions
        self._settings: dict[str, str | int] = {
            "bootstrap.servers": bootstrap,
            "group.id": "conductor",
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
        self._envelope = Envelope(Codec())
        self._found: deque[ReadRecord] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="published records", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT)  # a daemon: it does not keep the process

    def check(self) -> None:
        """Raise an error if nothing is read any more.

        Raises:
            RuntimeError: the thread ended; its cause was printed.
        """
        if not self._thread.is_alive():
            raise RuntimeError("the thread that reads published records ended")

    def take(self) -> list[ReadRecord]:
        """Return what was read since the last call."""
        found = []
        while self._found:
            found.append(self._found.popleft())
        return found

    def _read(self) -> None:
        with closing(Consumer(self._settings)) as consumer:
            consumer.assign([TopicPartition(t, n, 0) for t in self._topics for n in range(self._partitions)])
            while not self._closing.is_set():
                first = consumer.poll(0.1)
                for record in [] if first is None else [first, *consumer.consume(500, 0)]:
                    if record.error() is None:
                        self._found.append(self._parts(record))

    def _parts(self, record: Message) -> ReadRecord:
        listed: Any = record.headers() or ()  # a list of pairs, when it was consumed
        pairs = [(name, value.encode() if isinstance(value, str) else value) for name, value in listed]
        headers = {name: (value or b"").decode(errors="replace") for name, value in pairs}
        revision = -1
        if record.topic() == self._names.inflight and headers.get("ce_type") == "southbound.RunUpdate":
            update = self._envelope.decode(record.value(), pairs, fallback_id="none").data
            revision = update.revision if isinstance(update, RunUpdate) else -1
        return ReadRecord(
            topic=str(record.topic()),
            partition=record.partition() or 0,
            offset=record.offset() or 0,
            key=(record.key() or b"").decode(errors="replace"),
            kind=headers.get("ce_type", ""),
            event_id=headers.get("ce_id", ""),
            subject=headers.get("ce_subject", ""),
            code=headers.get("southbound-dlq-code", ""),
            revision=revision,
            end=self._end(record, pairs) if self._with_ends and record.topic() == self._names.results else None,
        )

    def _end(self, record: Message, pairs: list[tuple[str, bytes | None]]) -> PublishedEnd | None:
        result = self._envelope.decode(record.value(), pairs, fallback_id="none").data
        if not isinstance(result, RunResult):
            return None
        state = result.state.value
        return PublishedEnd(SPELLINGS.get(state, state), frozenset([measure.id for measure in result.test_measure]))


@dataclass(slots=True, kw_only=True)
class TopicJudge:
    """Reports records to the oracle, and compares committed offsets with what the systems received."""

    oracle: Oracle
    names: TopicNames
    letters: list[ReadRecord] = field(default_factory=list)
    ends: dict[str, PublishedEnd] = field(default_factory=dict)  # by run, if they are read
    moved: dict[tuple[str, int], int] = field(default_factory=dict)  # offsets that the conductor itself moved up
    _unsent: dict[tuple[str, int], dict[int, str]] = field(default_factory=dict)
    _update_ids: dict[str, None] = field(default_factory=dict)

    def report(self, records: Sequence[ReadRecord]) -> None:
        """Report records in their order."""
        for record in records:
            if record.kind == "southbound.RunResult" and record.topic == self.names.results:
                self.oracle.result(record.subject, record.event_id)
                if record.end is not None:
                    self.ends[record.subject] = record.end
            elif record.kind == "southbound.RequestResult" and record.topic == self.names.results:
                self.oracle.request_result(record.key, record.event_id)
            elif record.topic == self.names.dlq:
                self.letters.append(record)
            elif record.revision >= 0:
                self._report_update(record)
            elif record.kind == "southbound.SendRun":
                self._unsent.setdefault((record.topic, record.partition), {})[record.offset] = record.subject

    def _report_update(self, record: ReadRecord) -> None:
        repeated = record.event_id in self._update_ids
        self._update_ids[record.event_id] = None
        if len(self._update_ids) > MAX_REMEMBERED_IDS:
            del self._update_ids[next(iter(self._update_ids))]
        self.oracle.updated(record.subject, record.revision, repeated=repeated)

    def compare(self, committed: Mapping[tuple[str, int], int]) -> None:
        """Record a violation for each command below a committed offset whose run no system received."""
        for place, offset in committed.items():
            unsent = self._unsent.get(place, {})
            for number in [number for number in unsent if number < offset]:
                run = unsent.pop(number)
                if number < self.moved.get(place, 0):
                    continue
                if run not in self.oracle.runs and run not in self.oracle.results and not self._is_dead(run):
                    words = f"{run}: offset {number} of {place}, committed {offset}"
                    self.oracle.breach(Breach.COMMITTED_TOO_FAR, words)
        self.oracle.counts["commit samples"] += 1

    def _is_dead(self, run: str) -> bool:
        return any(run in (letter.key, letter.subject) for letter in self.letters)


def read_committed(
    bootstrap: str, groups: Mapping[str, str], partitions: int, *, timeout: float = 3.0
) -> dict[tuple[str, int], int]:
    """Return the committed offsets by topic and partition; nothing while the broker does not answer."""
    found: dict[tuple[str, int], int] = {}
    for group, topic in groups.items():
        with closing(_asking_consumer(bootstrap, group)) as consumer:
            try:
                places = consumer.committed([TopicPartition(topic, n) for n in range(partitions)], timeout=timeout)
            except KafkaException:
                continue
            found |= {(topic, place.partition): place.offset for place in places if place.offset >= 0}
    return found


def read_lag(bootstrap: str, groups: Mapping[str, str], partitions: int) -> dict[str, int]:
    """Return the number of uncommitted records of each topic that has some."""
    committed = read_committed(bootstrap, groups, partitions, timeout=10.0)
    lags: dict[str, int] = {}
    with closing(_asking_consumer(bootstrap)) as consumer:
        for topic in groups.values():
            for number in range(partitions):
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10.0)
                if (lag := high - max(committed.get((topic, number), low), low)) > 0:
                    lags[topic] = lags.get(topic, 0) + lag
    return lags


def count_records(bootstrap: str) -> int:
    """Return how many records were published to all topics but Kafka's own; 0 if no broker answers."""
    with closing(_asking_consumer(bootstrap)) as consumer:
        try:
            topics = consumer.list_topics(timeout=10.0).topics
            places = [TopicPartition(name, n) for name in topics if name[:2] != "__" for n in topics[name].partitions]
            return sum(consumer.get_watermark_offsets(place, timeout=10.0)[1] for place in places)
        except KafkaException:
            return 0


def _asking_consumer(bootstrap: str, group: str = "conductor") -> Consumer:
    """Return a consumer that only asks: it is assigned nothing, and joins no group."""
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})
