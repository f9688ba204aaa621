"""Run the Kafka consumer on one thread: no other thread calls it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import threading
import time
from typing import TYPE_CHECKING, cast

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.runtime.commits.finished_offsets import (
    MAX_METADATA,
    NOTHING_FINISHED,
    UnreadableMetadataError,
    is_unsigned,
    read_metadata,
    write_metadata,
)
from consumers.runtime.commits.offsets import Commit
from consumers.runtime.consumer_port import (
    Assigned,
    Closed,
    Committed,
    ConsumerFailed,
    EndReached,
    Lost,
    RecordsReceived,
    Revoked,
    Warned,
)
from consumers.runtime.faults import internal_problem
from consumers.runtime.handler import Partition, Record
from consumers.runtime.kafka.log_watch import LogWatch, another_log_problem, watermarks
from consumers.runtime.kafka.membership import (
    Membership,
    read_fetch_positions,
    read_last_answer,
    read_sample,
    statistics_interval,
)
from producers.kafka_errors import code_of, sentence_for
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from consumers.runtime.backpressure import FlowControl
    from consumers.runtime.commits.finished_offsets import FinishedOffsets
    from consumers.runtime.consumer_port import ConsumerEvent
    from consumers.runtime.kafka.log_watch import TopicAndNumber

_POLL_TIMEOUT = 0.05  # seconds; also how long a command may wait for an idle poll
_COMMITTED_TIMEOUT = 5.0  # seconds for the committed offsets of new partitions; the consumer is not polled meanwhile
_IDLE_TIMEOUT = 0.5  # seconds to wait for a command when no records are wanted
_MAX_UNREAD = 10_000  # messages that are dropped before a client is closed; callbacks are served with them
_GRACE = 5.0  # seconds on top of the revoke timeout: the worker answers first, unless it hangs
_IGNORED_ERRORS = {KafkaError._PARTITION_EOF, KafkaError._NO_OFFSET}  # noqa: SLF001 - librdkafka's spelling


class KafkaGroupConsumer:
    """A `GroupConsumer` over confluent-kafka.

    Rebalance callbacks run inside `poll`, on the thread. A revocation serves commands from within its callback until
    the worker releases the partitions, so nothing that the worker needs waits for the callback.
    """

    def __init__(
        self,
        settings: Mapping[str, object],
        topics: Sequence[str],
        *,
        session_timeout: float,
        revoke_timeout: float,
        batch: int = 500,
    ) -> None:
        self._settings = settings
        self._topics = list(topics)
        self._statistics_interval = statistics_interval(session_timeout)
        self._membership = Membership(float("-inf"))
        self._answered_at = float("-inf")
        self._releasing = False
        self._log_watch = LogWatch()
        self._restarting = False
        self._read_again: dict[TopicAndNumber, int] = {}  # from these offsets, by the next client
        self._unsigned: set[tuple[str, int, int]] = set()  # committed offsets of other programs that were reported
        self._read_before: dict[TopicAndNumber, int] = {}  # up to these offsets, in ownerships that have ended
        self._clock_difference = float("inf")  # of Python's monotonic clock and librdkafka's
        self._revoke_timeout = revoke_timeout + _GRACE
        self._batch = batch
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._epochs = itertools.count(1)
        self._ownerships: dict[TopicAndNumber, Partition] = {}
        self._next_offsets: dict[TopicAndNumber, int] = {}
        self._paused: set[TopicAndNumber] = set()  # confluent-kafka cannot tell what is paused, so it is tracked here
        self._committing: Mapping[Partition, Commit] = {}
        self._max_metadata = MAX_METADATA
        self._batches_wanted = 0
        self._released = False
        self._closing = False
        self._commit_sent_at = 0.0

    def start(self, on_event: Callable[[ConsumerEvent], None]) -> None:
        """Join the group and start to report events."""
        loop = asyncio.get_running_loop()
        self._answered_at = time.monotonic()  # a broker has as long to respond first as later

        def post(event: ConsumerEvent) -> None:
            try:
                loop.call_soon_threadsafe(on_event, event)
            except RuntimeError:  # the loop is closed: no worker is left, so leave the group
                self._closing = True

        self._post = post
        threading.Thread(target=self._run, name="kafka-consumer", daemon=True).start()

    def control_flow(self, flow: FlowControl) -> None:
        """Pause and resume partitions; request one more batch."""
        self._commands.put(lambda: self._control_flow(flow))

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        """Commit; `Committed` answers. One at a time."""
        self._commands.put(lambda: self._commit(commits))

    def release(self, commits: Mapping[Partition, Commit]) -> None:
        """Answer `Revoked`: commit this, wait for the broker, and release the partitions."""
        self._commands.put(lambda: self._release(commits))

    def membership_proven_at(self) -> float:
        """The last time (monotonic clock) at which this process was certainly a live member of the group."""
        return self._membership.proven_at

    def broker_answered_at(self) -> float:
        """The last time (monotonic clock) at which a broker responded to anything."""
        # No statistics come while a revocation waits for the worker, which is bounded.
        return time.monotonic() if self._releasing else self._answered_at

    def close(self) -> None:
        """Leave the group without committing; `Closed` follows."""
        self._closing = True
        self._commands.put(lambda: None)

    def _run(self) -> None:
        try:
            self._consume(time.monotonic())
            while self._restarting:
                self._restarting = False
                self._consume(float("-inf"))
        except KafkaException as exception:
            self._fail(exception.args[0])
        except Exception as exception:  # noqa: BLE001 - the edge of the thread: the loop must hear of it
            self._post(ConsumerFailed(internal_problem("KAFKA_CLIENT_FAILED", "The Kafka client broke", exception)))
        self._post(Closed())

    def _consume(self, member_since: float) -> None:
        """Consume with one client of librdkafka, until `close` or until another client is needed."""
        self._consumer = Consumer(
            {
                **self._settings,
                "statistics.interval.ms": int(self._statistics_interval * 1000),
                "stats_cb": self._on_statistics,
                "error_cb": self._on_error,
                "on_commit": self._on_commit,
            },
        )
        self._membership = Membership(member_since)
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        try:
            while not (self._closing or self._restarting):
                self._run_commands(0 if self._batches_wanted else _IDLE_TIMEOUT)
                if self._batches_wanted and not self._closing:
                    self._poll()
                    self._restart_if_unread()
            if self._restarting:
                self._give_up_client()
        finally:
            self._closing = self._closing or not self._restarting
            self._close_client()
        if self._restarting and self._committing:
            self._committing = {}
            self._post(Committed({}))

    def _close_client(self) -> None:
        # An assignment that arrived since the last poll is served now. During `close` librdkafka may never answer it
        # (its issue 4884), and confluent-kafka waits for that answer with the GIL: the whole process would stand still.
        with contextlib.suppress(KafkaException):
            self._consumer.consume(_MAX_UNREAD, 0)
        self._consumer.close()

    def _run_commands(self, wait: float) -> None:
        """Carry out the commands of the worker; wait for the first command, not for more."""
        try:
            command = self._commands.get(block=wait > 0, timeout=wait or None)
            while True:
                command()
                command = self._commands.get_nowait()
        except queue.Empty:
            return

    def _poll(self) -> None:
        # consume() with a timeout waits until its batch is full: block for the first message only.
        first = self._consumer.poll(_POLL_TIMEOUT)
        self._membership.polled(time.monotonic(), drained=first is None)
        if first is not None:
            self._process([first, *self._consumer.consume(self._batch - 1, 0)])

    def _restart_if_unread(self) -> None:
        """Start a new client if a partition that is owned is not read."""
        now = time.monotonic()
        if not self._log_watch.is_due(now, self._answered_at):
            return
        active = self._ownerships.keys() - self._paused
        unread = self._log_watch.find_unread(self._consumer, self._next_offsets, active, now)
        if unread is None:
            return
        self._restarting = True
        self._post(Warned(unread.problem(self._settings.get("group.id"))))
        if unread.is_another_log:
            self._read_again[unread.topic_partition] = unread.low
            self._post(Warned(another_log_problem(unread.topic_partition, unread.low)))

    def _reads_again(self, topic_partition: TopicAndNumber, offset: int) -> bool:
        """Let the next client read a partition from its beginning, if offsets went back to its middle."""
        # 0 if not known: records that are read twice are harmless, and records that are skipped are lost.
        low, _ = watermarks(self._consumer, topic_partition) or (0, 0)
        if low >= offset:
            return False
        self._post(Warned(another_log_problem(topic_partition, low)))
        self._read_again[topic_partition] = low
        self._restarting = True
        return True

    def _give_up_client(self) -> None:
        # librdkafka keeps the leader epochs that it has seen, and ignores a topic whose epoch is lower: it was deleted
        # and made anew. Only another client fetches it.
        owned = tuple(self._ownerships.values())
        self._commit_beginnings()
        self._post(Lost(owned))
        self._end_ownership(owned)
        self._log_watch.begin_anew()

    def _commit_beginnings(self) -> None:
        """Commit where the next client has to begin, for partitions that are owned; what fails is tried again by it."""
        commits = {self._ownerships[p]: Commit(low) for p, low in self._read_again.items() if p in self._ownerships}
        if commits and self._commit_now(commits):
            for partition in commits:
                del self._read_again[_topic_and_number(partition)]

    def _process(self, messages: Iterable[Message]) -> None:
        records: list[Record] = []
        ends: dict[Partition, int] = {}
        for message in messages:
            if (error := message.error()) is not None:
                self._warn(error)
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's spelling
                    self._note_end(message, ends)
                continue
            topic_partition, offset = _topic_number_offset(message)
            if topic_partition not in self._ownerships:
                continue  # released while it was in this process; its next owner reads it again
            if offset < self._next_offsets.get(topic_partition, 0):
                self._report_records(records)
                records = []
                if offset > 0 and self._reads_again(topic_partition, offset):
                    return  # the other records are read again, too
                self._post(Warned(another_log_problem(topic_partition, offset)))
                self._restart_ownership(topic_partition)
            self._next_offsets[topic_partition] = offset + 1
            records.append(_to_record(self._ownerships[topic_partition], offset, message))
        if records:
            self._batches_wanted -= 1
            self._report_records(records)
        if ends:
            self._post(EndReached(ends))

    def _note_end(self, message: Message, ends: dict[Partition, int]) -> None:
        """Record the end of a partition, if it is further than the records: all of them were delivered before it."""
        topic_partition, offset = _topic_number_offset(message)
        if topic_partition in self._ownerships and offset > self._next_offsets.get(topic_partition, 0):
            self._next_offsets[topic_partition] = offset
            ends[self._ownerships[topic_partition]] = offset

    def _report_records(self, records: list[Record]) -> None:
        if records:
            self._post(RecordsReceived(records))

    def _restart_ownership(self, topic_partition: TopicAndNumber) -> None:
        """Start a new ownership where offsets went back: the log was truncated, or the topic recreated."""
        self._post(Lost((self._ownerships[topic_partition],)))
        self._post(Assigned((self._new_ownership(*topic_partition),)))

    def _new_ownership(self, topic: str, number: int) -> Partition:
        partition = Partition(topic=topic, number=number, epoch=next(self._epochs))
        self._ownerships[topic, number] = partition
        self._next_offsets.pop((topic, number), None)
        return partition

    def _control_flow(self, flow: FlowControl) -> None:
        self._pause({_topic_and_number(p) for p in flow.pause if self._is_current(p)} - self._paused)
        self._resume({_topic_and_number(p) for p in flow.resume if self._is_current(p)} & self._paused)
        self._batches_wanted = 1 if flow.poll else self._batches_wanted

    def _is_current(self, partition: Partition) -> bool:
        return self._ownerships.get(_topic_and_number(partition)) == partition

    def _pause(self, topic_partitions: set[TopicAndNumber]) -> None:
        if topic_partitions:
            self._consumer.pause([TopicPartition(*topic_partition) for topic_partition in topic_partitions])
            self._paused |= topic_partitions
            for topic_partition in topic_partitions:
                self._log_watch.forget(topic_partition)

    def _resume(self, topic_partitions: set[TopicAndNumber]) -> None:
        if topic_partitions:
            self._consumer.resume([TopicPartition(*topic_partition) for topic_partition in topic_partitions])
            self._paused -= topic_partitions

    def _commit(self, commits: Mapping[Partition, Commit]) -> None:
        commits = {partition: commit for partition, commit in commits.items() if self._is_current(partition)}
        if not commits:
            self._post(Committed({}))
            return
        self._committing, self._commit_sent_at = commits, time.monotonic()
        try:
            self._consumer.commit(offsets=_positions(commits, self._max_metadata), asynchronous=True)
        except KafkaException as exception:
            self._on_commit(exception.args[0], ())

    def _on_commit(self, error: KafkaError | None, positions: Sequence[TopicPartition]) -> None:
        requested, self._committing = self._committing, {}
        errors = [e for e in (error, *(position.error for position in positions)) if e is not None]
        for commit_error in errors:
            self._limit_metadata(commit_error)
        committed = {(p.topic, p.partition, p.offset) for p in positions if error is None and p.error is None}
        accepted = {p: commit for p, commit in requested.items() if (p.topic, p.number, commit.offset) in committed}
        if accepted:
            self._membership.committed(self._commit_sent_at)
        self._post(Committed(accepted, self._problem(errors[0]) if errors else None))

    def _release(self, commits: Mapping[Partition, Commit]) -> None:
        self._released = True
        if commits:
            self._commit_now(commits)

    def _commit_now(self, commits: Mapping[Partition, Commit]) -> bool:
        """Commit and wait for the broker; return whether it accepted all of it."""
        try:
            positions = self._consumer.commit(offsets=_positions(commits, self._max_metadata), asynchronous=False)
        except KafkaException as exception:
            self._note_commit_error(exception.args[0])
            return False
        errors = [position.error for position in positions if position.error is not None]
        for error in errors:
            self._note_commit_error(error)
        return not errors

    def _note_commit_error(self, error: KafkaError) -> None:
        self._limit_metadata(error)
        self._warn(error)

    def _limit_metadata(self, error: KafkaError) -> None:
        # `offset.metadata.max.bytes` of this broker is smaller; records that it has no room for are processed again.
        if error.code() == KafkaError.OFFSET_METADATA_TOO_LARGE:
            self._max_metadata //= 2

    def _on_assign(self, _consumer: Consumer, positions: Sequence[TopicPartition]) -> None:
        self._membership.assigned()
        if positions:
            for position in positions:
                self._new_ownership(position.topic, position.partition)
            self._commit_beginnings()  # before the client asks for the committed offsets
            owned = self._owned(positions)
            # A client that is closing gets no response, and would wait for it before it leaves the group.
            self._post(Assigned(owned, {} if self._closing else self._read_finished(owned)))

    def _read_finished(self, partitions: Sequence[Partition]) -> dict[Partition, FinishedOffsets]:
        """Return what the owners before have finished above their last commits, if that can be used."""
        asked = [TopicPartition(partition.topic, partition.number) for partition in partitions]
        try:
            committed = self._consumer.committed(asked, _COMMITTED_TIMEOUT)
        except KafkaException as exception:
            self._warn(exception.args[0])  # then what is finished is processed again
            return {}
        for position in committed:
            self._report_another_log(position)
        found = [self._finished_above(position) for position in committed]
        return {partition: finished for partition, finished in zip(partitions, found, strict=True) if finished.ranges}

    def _report_another_log(self, position: TopicPartition) -> None:
        """Report a partition that this process has read before, if its records or its committed offset are gone."""
        topic_partition = position.topic, position.partition
        if not self._read_before.pop(topic_partition, 0) or position.error is not None:
            return
        low, high = watermarks(self._consumer, topic_partition) or (0, position.offset)
        if position.offset < 0 or position.offset > high:
            self._post(Warned(another_log_problem(topic_partition, low)))

    def _finished_above(self, position: TopicPartition) -> FinishedOffsets:
        if position.error is not None or position.offset < 0:
            return NOTHING_FINISHED
        self._report_unsigned(position)
        topic_partition = position.topic, position.partition
        try:
            finished = read_metadata(position.metadata, position.offset)
            if finished.ranges and finished.end > (watermarks(self._consumer, topic_partition) or (0, 0))[1]:
                raise UnreadableMetadataError("of records that the topic does not have")  # noqa: TRY301 - one sentence for all
        except UnreadableMetadataError as error:
            self._post(Warned(_metadata_problem(position, self._settings.get("group.id"), error)))
            return NOTHING_FINISHED
        return finished

    def _report_unsigned(self, position: TopicPartition) -> None:
        """Report, once, a committed offset that another program wrote: if it was moved up, records are not read."""
        place = position.topic, position.partition, position.offset
        if position.offset > 0 and is_unsigned(position.metadata) and place not in self._unsigned:
            self._unsigned.add(place)
            self._post(Warned(_unsigned_problem(position, self._settings.get("group.id"))))

    def _on_revoke(self, _consumer: Consumer, positions: Sequence[TopicPartition]) -> None:
        partitions = self._owned(positions)
        if partitions and not self._closing:
            self._post(Revoked(partitions))
            self._wait_for_release()
        self._end_ownership(partitions)

    def _wait_for_release(self) -> None:
        deadline = time.monotonic() + self._revoke_timeout
        self._released, self._releasing = False, True
        while not (self._released or self._closing) and (remaining := deadline - time.monotonic()) > 0:
            self._run_commands(min(remaining, _IDLE_TIMEOUT))
        self._answered_at = time.monotonic()  # as of now nothing else is known
        self._releasing = False

    def _on_lost(self, _consumer: Consumer, positions: Sequence[TopicPartition]) -> None:
        self._membership.lost()
        partitions = self._owned(positions)
        self._post(Lost(partitions))
        self._end_ownership(partitions)

    def _owned(self, positions: Sequence[TopicPartition]) -> tuple[Partition, ...]:
        topic_partitions = [(p.topic, p.partition) for p in positions]
        return tuple(
            self._ownerships[topic_partition]
            for topic_partition in topic_partitions
            if topic_partition in self._ownerships
        )

    def _end_ownership(self, partitions: tuple[Partition, ...]) -> None:
        topic_partitions = {_topic_and_number(partition) for partition in partitions}
        # A pause outlives the assignment, and resuming next to an assignment can leave a partition stuck.
        self._resume(topic_partitions & self._paused)
        for topic_partition in topic_partitions:
            del self._ownerships[topic_partition]
            if (offset := self._next_offsets.pop(topic_partition, 0)) > 0:
                self._read_before[topic_partition] = offset
            self._log_watch.forget(topic_partition)

    def _on_statistics(self, text: str) -> None:
        statistics = orjson.loads(text)
        made_at = statistics["ts"] / 1e6  # it may have waited for a poll
        self._clock_difference = min(self._clock_difference, time.monotonic() - made_at)
        at = made_at + self._clock_difference
        self._membership.sampled(read_sample(statistics, at))
        self._answered_at = max(self._answered_at, read_last_answer(statistics, at) or self._answered_at)
        self._log_watch.sampled(read_fetch_positions(statistics), at)

    def _on_error(self, error: KafkaError) -> None:
        self._warn(error)

    def _warn(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}:  # noqa: SLF001 - as above
            self._fail(error)
            return
        if error.code() not in _IGNORED_ERRORS:
            self._post(Warned(self._problem(error)))

    def _fail(self, error: KafkaError) -> None:
        self._closing = True
        self._post(ConsumerFailed(self._problem(error)))

    def _problem(self, error: KafkaError) -> Problem:
        resource = f"group {self._settings.get('group.id')} on {', '.join(self._topics)}"
        return Problem(code=code_of(error), sentence=sentence_for(error, resource))


def _metadata_problem(position: TopicPartition, group: object, error: UnreadableMetadataError) -> Problem:
    sentence = (
        f"The metadata of offset {position.offset}, which group {group} has committed for partition"
        f" {position.partition} of topic {position.topic}, is {error}: it is ignored, and records above that offset"
        " which were finished before are processed again"
    )
    return Problem(code="COMMIT_METADATA_IGNORED", sentence=sentence)


def _unsigned_problem(position: TopicPartition, group: object) -> Problem:
    sentence = (
        f"Offset {position.offset}, which group {group} has committed for partition {position.partition} of topic"
        f" {position.topic}, was committed by another program, or by an older version of this one. If another program"
        " moved it up, the records below it that were not finished are not read: `southbound replay` publishes them"
        " again"
    )
    return Problem(code="COMMIT_OF_ANOTHER_PROGRAM", sentence=sentence)


def _topic_number_offset(message: Message) -> tuple[TopicAndNumber, int]:
    # The type stubs allow None because of error messages, which never arrive here.
    return cast("tuple[TopicAndNumber, int]", ((message.topic(), message.partition()), message.offset()))


def _to_record(partition: Partition, offset: int, message: Message) -> Record:
    headers = cast("list[tuple[str, bytes | None]] | None", message.headers())
    return Record(
        partition,
        offset,
        message.key(),
        message.value(),
        tuple(headers) if headers else (),
        message.timestamp()[1],
    )


def _positions(commits: Mapping[Partition, Commit], max_metadata: int) -> list[TopicPartition]:
    return [
        TopicPartition(p.topic, p.number, offset, write_metadata(offset, finished.ranges, max_metadata))
        for p, (offset, finished) in commits.items()
    ]


def _topic_and_number(partition: Partition) -> TopicAndNumber:
    return partition.topic, partition.number
