"""The worker on a real broker: no record is lost or out of order, and only disturbances cause repetitions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.handler import DeadLetter, Done
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.kafka.readiness import KafkaNotReadyError, wait_for_kafka
from consumers.runtime.worker import Worker
from producers.kafka_publisher import KafkaPublisher, producer_settings
from schemas.problem import Problem
from schemas.topics import TopicNames, all_topics
from southbound.operations.topic_admin import TopicAdmin
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from confluent_kafka import Message

    from consumers.runtime.handler import Attempt, Handler, Outcome, Record
    from consumers.runtime.monitoring import Observer

ROOT = Path(__file__).parents[3]
KEYS = 40
SESSION_TIMEOUT = 3.0  # seconds, of a process that is killed or frozen
# Of a worker that nothing disturbs: a busy machine must not end its session, after which records are read again.
UNDISTURBED = 45.0
KAFKA_TIMEOUT = 90.0  # seconds until something that must happen is a failure
# The first group of a new broker waits for its coordinator.
NO_COORDINATOR_YET = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
PROTOCOLS: dict[str, Mapping[str, object]] = {
    "cooperative": {"heartbeat.interval.ms": 200},
    "eager": {"heartbeat.interval.ms": 200, "partition.assignment.strategy": "range"},
    "kip-848": {"group.protocol": "consumer"},
}


class RecordingHandler:
    """Records what the handler got, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, int]] = []
        self.starts = 0

    async def __call__(self, record: Record, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port's name
        """Wait a moment, as a call to an external system does."""
        self.starts += 1
        await asyncio.sleep(0.003)
        assert record.key is not None
        assert record.value is not None
        self.seen.append((record.key, int(record.value)))
        return Done()

    def per_key(self) -> dict[bytes, list[int]]:
        return numbers_per_key(self.seen)


def numbers_per_key(seen: Iterable[tuple[bytes, int]]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for key, number in seen:
        found[key].append(number)
    return found


def expected(records: int) -> dict[bytes, list[int]]:
    return numbers_per_key((b"key-%d" % (n % KEYS), n) for n in range(records))


def produce(bootstrap: str, topic: str, records: int, keys: int = KEYS, first: int = 0) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for n in range(first, first + records):
        producer.produce(topic, str(n), b"key-%d" % (n % keys))
    assert producer.flush(KAFKA_TIMEOUT) == 0


def committed(bootstrap: str, group: str, topic: str, partitions: int = 1) -> list[int]:
    return [position.offset for position in committed_positions(bootstrap, group, topic, partitions)]


def committed_positions(bootstrap: str, group: str, topic: str, partitions: int = 1) -> list[TopicPartition]:
    """Return offsets with their metadata, of one request: between two, the group may commit."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    asked = [TopicPartition(topic, number, OFFSET_INVALID) for number in range(partitions)]
    try:
        return reader.committed(asked, timeout=KAFKA_TIMEOUT)
    except KafkaException as error:
        if error.args[0].code() not in NO_COORDINATOR_YET:
            raise
        return asked
    finally:
        reader.close()


def read_all(bootstrap: str, topic: str, count: int) -> list[Message]:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    try:
        reader.assign([TopicPartition(topic, 0, 0)])
        found: list[Message] = []
        while len(found) < count:
            batch = reader.consume(count - len(found), KAFKA_TIMEOUT)
            assert batch, f"only {len(found)} of {count} records came"
            found.extend(batch)
    finally:
        reader.close()
    return found


@pytest.fixture
async def publisher(kafka_bootstrap: str) -> AsyncIterator[KafkaPublisher]:
    publisher = KafkaPublisher(producer_settings(kafka_bootstrap))
    yield publisher
    await publisher.close()


class WorkerGroup:
    """Workers of one consumer group on one topic."""

    def __init__(self, bootstrap: str, topic: str, publisher: KafkaPublisher, dead_letters: str = "none") -> None:
        self.bootstrap, self.topic, self.publisher = bootstrap, topic, publisher
        self.name = f"group-of-{topic}"
        self.policy = WorkerConfig(
            role="test",
            group=self.name,
            dead_letter_topic=dead_letters,
            max_in_flight=16,
            session_timeout=UNDISTURBED,
        )

    def worker(
        self, handler: Handler, overrides: Mapping[str, object] | None = None, observer: Observer | None = None
    ) -> Worker:
        """Return a worker that is one more member of the group."""
        settings = consumer_settings(self.bootstrap, self.policy, overrides or PROTOCOLS["cooperative"])
        client = KafkaGroupConsumer(settings, [self.topic], session_timeout=UNDISTURBED, revoke_timeout=10.0)
        return Worker(consumer=client, handler=handler, publisher=self.publisher, config=self.policy, observer=observer)

    async def run_until(self, handler: Handler, done: Callable[[], object], observer: Observer | None = None) -> None:
        """Run one worker until the condition holds, and check that it stops cleanly."""
        worker = self.worker(handler, observer=observer)
        running = asyncio.create_task(worker.run())
        await wait_until(lambda: done() or running.done(), KAFKA_TIMEOUT)
        worker.stop()
        assert await running is True


class LastingLoad:
    """Produces more records whenever few are left, so that workers have some however long a rebalance takes."""

    def __init__(self, bootstrap: str, topic: str, recorder: RecordingHandler) -> None:
        self.total = 0
        self._topic, self._recorder = topic, recorder
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})

    async def until(self, condition: Callable[[], object]) -> None:
        """Produce until the condition holds."""

        def reached() -> object:
            self._produce()
            return condition()

        await wait_until(reached, KAFKA_TIMEOUT)
        assert self._producer.flush(KAFKA_TIMEOUT) == 0

    def _produce(self) -> None:
        if self.total - len(self._recorder.seen) < 2_000:
            for n in range(self.total, self.total + 500):
                self._producer.produce(self._topic, str(n), b"key-%d" % (n % KEYS))
            self.total += 500
        self._producer.poll(0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_members_come_and_go_under_load_and_every_record_is_handled_once_in_order(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher, protocol: str
) -> None:
    topic, recorder = fresh_topics("lifecycle", partitions=4), RecordingHandler()
    group, load = WorkerGroup(kafka_bootstrap, topic, publisher), LastingLoad(kafka_bootstrap, topic, recorder)
    first, second = (group.worker(recorder, PROTOCOLS[protocol]) for _ in range(2))
    staying = asyncio.create_task(first.run())
    await load.until(lambda: len(recorder.seen) > 100)
    visiting = asyncio.create_task(second.run())
    await load.until(lambda: second.figures().partitions == 2 and second.figures().running)
    before = len(recorder.seen)
    await load.until(lambda: len(recorder.seen) > before + 200)
    second.stop()
    assert await visiting is True
    await wait_until(lambda: len(recorder.seen) >= load.total, KAFKA_TIMEOUT)
    first.stop()
    assert await staying is True
    assert recorder.per_key() == expected(load.total)
    assert sum(committed(kafka_bootstrap, group.name, topic, 4)) == load.total


@contextlib.contextmanager
def killable(bootstrap: str, topic: str, journal: Path, stuck: bytes = b"no key") -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker in its own process; records of the key `stuck` wait."""
    program = [sys.executable, str(Path(__file__).with_name("killable_worker.py"))]
    process = subprocess.Popen(
        [*program, bootstrap, topic, f"group-of-{topic}", str(journal), str(SESSION_TIMEOUT), stuck],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def journal_entries(journal: Path) -> list[tuple[bytes, int]]:
    return [(key, number) for key, number, _ in _journal_lines(journal)]


def entries_per_ownership(journal: Path) -> list[list[tuple[bytes, int]]]:
    """Return the entries of each ownership of a partition: one that was lost is read again from its last commit."""
    found: dict[bytes, list[tuple[bytes, int]]] = defaultdict(list)
    for key, number, ownership in _journal_lines(journal):
        found[ownership].append((key, number))
    return list(found.values())


def _journal_lines(journal: Path) -> list[tuple[bytes, int, bytes]]:
    text = journal.read_bytes() if journal.exists() else b""
    return [(key, int(number), ownership) for key, number, ownership in (line.split() for line in text.splitlines())]


async def test_a_killed_worker_loses_nothing_and_repeats_only_what_it_had_not_committed(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher, tmp_path: Path
) -> None:
    topic, of_each, total = fresh_topics("lifecycle", partitions=2), 1_000, 3_000
    group, recorder = WorkerGroup(kafka_bootstrap, topic, publisher), RecordingHandler()
    lives = [tmp_path / f"life-{number}" for number in (1, 2)]
    for number, journal in enumerate(lives):
        produce(kafka_bootstrap, topic, of_each, first=number * of_each)  # each life finds something to do
        with killable(kafka_bootstrap, topic, journal):
            await wait_until(lambda: len(journal_entries(journal)) > 400, KAFKA_TIMEOUT)  # noqa: B023 - awaited in the same iteration
    produce(kafka_bootstrap, topic, of_each, first=2 * of_each)
    journals = [journal_entries(journal) for journal in lives]
    await group.run_until(recorder, lambda: _all_seen([*journals, recorder.seen], total))
    for seen in (*(part for journal in lives for part in entries_per_ownership(journal)), recorder.seen):
        assert all(numbers == sorted(set(numbers)) for numbers in numbers_per_key(seen).values()), "out of order"
    journals.append(recorder.seen)
    assert sum(committed(kafka_bootstrap, group.name, topic, 2)) == total
    repeated = sum(times - 1 for times in Counter(entry for entries in journals for entry in entries).values())
    # Commits are made every 0.2 s; 8 concurrent records of 2 ms make at most 800 in that time.
    assert repeated <= 2 * 1_000


def _all_seen(journals: list[list[tuple[bytes, int]]], total: int) -> bool:
    return len({entry for entries in journals for entry in entries}) == total


async def test_a_worker_frozen_for_longer_than_its_session_does_not_act_after_it_resumes(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher, tmp_path: Path
) -> None:
    topic, total, journal = fresh_topics("lifecycle", partitions=1), 3_000, tmp_path / "frozen"
    group, recorder = WorkerGroup(kafka_bootstrap, topic, publisher), RecordingHandler()
    produce(kafka_bootstrap, topic, total)
    with killable(kafka_bootstrap, topic, journal) as process:
        await wait_until(lambda: len(journal_entries(journal)) > 300, KAFKA_TIMEOUT)
        process.send_signal(signal.SIGSTOP)
        await wait_until(lambda: _is_frozen(process), KAFKA_TIMEOUT)
        before = len(journal_entries(journal))
        await group.run_until(recorder, lambda: _all_seen([journal_entries(journal), recorder.seen], total))
        process.send_signal(signal.SIGCONT)
        # It joins again, finds everything committed, and must not write the records that it had when it froze.
        await wait_until(lambda: _members(kafka_bootstrap, group.name) == 1, KAFKA_TIMEOUT)
        assert process.poll() is None
        assert len(journal_entries(journal)) == before


@pytest.mark.parametrize("sessions", [0.9, 1.5])
async def test_an_idle_worker_that_was_frozen_may_send_again_without_a_new_record(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], tmp_path: Path, sessions: float
) -> None:
    topic, journal = fresh_topics("lifecycle", partitions=1), tmp_path / "idle"
    may_send = tmp_path / "idle.sure"
    with killable(kafka_bootstrap, topic, journal) as process:
        await wait_until(lambda: _members(kafka_bootstrap, f"group-of-{topic}") == 1, KAFKA_TIMEOUT)
        await wait_until(lambda: any(sure for sure, _ in _answers(may_send)), KAFKA_TIMEOUT)
        process.send_signal(signal.SIGSTOP)
        await wait_until(lambda: _is_frozen(process), KAFKA_TIMEOUT)
        frozen_at, before = time.monotonic(), len(_answers(may_send))
        await wait_until(lambda: time.monotonic() >= frozen_at + sessions * SESSION_TIMEOUT, KAFKA_TIMEOUT)
        process.send_signal(signal.SIGCONT)

        def since() -> list[tuple[bool, float]]:
            return _answers(may_send)[before + 1 :]  # the first one may have been found before it froze

        await wait_until(lambda: any(sure for sure, _ in since()), KAFKA_TIMEOUT)
        # What was proven before is too old: it said "no" until it had a new proof, be it for an instant only.
        assert [proof for sure, proof in since() if sure and proof <= frozen_at] == []
        assert process.poll() is None


def _answers(file: Path) -> list[tuple[bool, float]]:
    """Return whether the worker was sure, and its last proof, each time that it was asked."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [(sure == "yes", float(proof)) for sure, proof in map(str.split, lines)]


def _is_frozen(process: subprocess.Popen[bytes]) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _members(bootstrap: str, group: str) -> int:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    try:
        return len(admin.describe_consumer_groups([group])[group].result(KAFKA_TIMEOUT).members)
    except KafkaException:  # the first group of a new broker waits for its coordinator
        return 0


async def test_a_stop_leaves_committed_what_was_consumed_and_an_empty_group(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher
) -> None:
    topic, recorder = fresh_topics("lifecycle"), RecordingHandler()
    group = WorkerGroup(kafka_bootstrap, topic, publisher)
    produce(kafka_bootstrap, topic, 2_000)
    await group.run_until(recorder, lambda: len(recorder.seen) > 300)
    assert recorder.starts == len(recorder.seen)
    (stopped_at,) = committed(kafka_bootstrap, group.name, topic)
    assert 0 < stopped_at <= len(recorder.seen)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    state = admin.describe_consumer_groups([group.name])[group.name].result(KAFKA_TIMEOUT).state
    assert state is ConsumerGroupState.EMPTY
    await group.run_until(recorder, lambda: _all_seen([recorder.seen], 2_000))
    assert committed(kafka_bootstrap, group.name, topic) == [2_000]


async def test_offsets_with_gaps_from_transactions_are_committed_to_the_end(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher
) -> None:
    topic, recorder = fresh_topics("lifecycle"), RecordingHandler()
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic})
    producer.init_transactions(KAFKA_TIMEOUT)
    for first, ends_well in ((0, True), (10, False), (20, True)):
        producer.begin_transaction()
        for n in range(first, first + 10):
            producer.produce(topic, str(n), b"key-%d" % n)
        assert producer.flush(KAFKA_TIMEOUT) == 0
        (producer.commit_transaction if ends_well else producer.abort_transaction)(KAFKA_TIMEOUT)
    group = WorkerGroup(kafka_bootstrap, topic, publisher)
    await group.run_until(recorder, lambda: len(recorder.seen) == 20)
    assert sorted(n for _, n in recorder.seen) == [*range(10), *range(20, 30)]
    # 0-9, marker, 11-20 aborted, marker, 22-31, marker: whether the worker sees the last one before it stops is open.
    assert committed(kafka_bootstrap, group.name, topic)[0] in {32, 33}


async def test_unusual_records_reach_the_handler_and_the_dead_letters_unchanged(
    kafka_bootstrap: str, fresh_topics: Callable[..., str], publisher: KafkaPublisher
) -> None:
    large = {"max.message.bytes": str(4 * 2**20)}
    topic, dead_letters = fresh_topics("lifecycle", **large), fresh_topics("dlq", **large)
    headers: list[tuple[str, str | bytes | None]] = [("ce_id", b"\x00\xff"), ("empty", None)]
    odd: list[tuple[bytes | None, bytes | None]] = [
        (b"\x00\xff", b"\xc3\x01 rubbish"),
        (None, b"no key"),
        (b"tombstone", None),
        (None, None),
        (b"large", os.urandom(2 * 2**20)),
        (b"", b""),
    ]
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "message.max.bytes": 4 * 2**20})
    for key, value in odd:
        producer.produce(topic, value, key, headers=headers)
    assert producer.flush(KAFKA_TIMEOUT) == 0

    async def refuse(record: Record, attempt: Attempt) -> Outcome:
        return DeadLetter(Problem(code="RUBBISH", sentence="Nobody can read this."))

    group = WorkerGroup(kafka_bootstrap, topic, publisher, dead_letters)
    await group.run_until(refuse, lambda: committed_by(group) == len(odd))
    letters = read_all(kafka_bootstrap, dead_letters, len(odd))
    assert {(m.key(), m.value()) for m in letters} == set(odd)
    for letter in letters:
        letter_headers = letter.headers()
        assert isinstance(letter_headers, list)
        assert letter_headers[:2] == headers
        assert dict(letter_headers)["southbound-dlq-code"] == b"RUBBISH"
        assert dict(letter_headers)["southbound-dlq-topic"] == topic.encode()


def committed_by(group: WorkerGroup) -> int:
    return committed(group.bootstrap, group.name, group.topic)[0]


async def test_the_largest_record_that_fits_its_topic_fits_the_dead_letters_as_well(
    kafka_bootstrap: str, publisher: KafkaPublisher
) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}."
    names, admin = TopicNames(prefix), TopicAdmin({"bootstrap.servers": kafka_bootstrap})
    planned = [replace(topic, partitions=1) for topic in all_topics(prefix) if topic.name in (names.inbound, names.dlq)]
    admin.apply(admin.plan(planned))
    largest = os.urandom(1_048_000)  # of 1,048,588: no additional header fits
    long_story = Problem(code="RUBBISH", sentence="Nobody can read this.", detail="why " * 10_000)

    async def refuse(record: Record, attempt: Attempt) -> Outcome:
        return DeadLetter(long_story)

    producer = Producer({"bootstrap.servers": kafka_bootstrap, "message.max.bytes": 4 * 2**20})
    producer.produce(names.inbound, largest, b"key")
    assert producer.flush(KAFKA_TIMEOUT) == 0
    group = WorkerGroup(kafka_bootstrap, names.inbound, publisher, names.dlq)
    await group.run_until(refuse, lambda: committed_by(group) == 1)
    (letter,) = read_all(kafka_bootstrap, names.dlq, 1)
    assert letter.value() == largest
    assert admin.plan(planned).differences == ()
    admin.delete_topics(planned)


async def test_a_topic_with_another_limit_is_reported_and_not_changed(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    (dead_letters,) = (topic for topic in all_topics() if topic.name.endswith("dlq"))
    small = replace(dead_letters, name=fresh_topics("dlq", partitions=dead_letters.partitions))
    plan = TopicAdmin({"bootstrap.servers": kafka_bootstrap}).plan([small])
    forgets, difference = plan.differences
    assert forgets.startswith(f"{small.name} keeps records for 7 days, not 90 days: ")
    assert (plan.present[0].max_message_bytes, plan.present[0].retention_ms) == (1048588, 7 * 86_400_000)
    assert f"{small.name} has max.message.bytes 1048588, not {dead_letters.max_message_bytes}" in difference


async def test_a_missing_dead_letter_topic_blocks_the_lane_and_its_record_is_not_committed(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("lifecycle")
    impatient = KafkaPublisher(producer_settings(kafka_bootstrap, {"topic.metadata.propagation.max.ms": 300}))
    group = WorkerGroup(kafka_bootstrap, topic, impatient, "no-such-dlq")
    produce(kafka_bootstrap, topic, 1)

    async def refuse(record: Record, attempt: Attempt) -> Outcome:
        return DeadLetter(Problem(code="RUBBISH", sentence="Nobody can read this."))

    worker = group.worker(refuse)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: worker.figures().parked == 1, KAFKA_TIMEOUT)
    (status,) = worker.status()
    assert status.oldest is not None
    assert status.oldest.problem is not None
    assert "no-such-dlq" in status.oldest.problem.sentence
    assert "southbound topics apply" in status.oldest.problem.sentence
    worker.stop()
    assert await running is True
    await impatient.close()
    assert committed(kafka_bootstrap, group.name, topic)[0] <= 0


async def test_waiting_for_kafka_ends_with_a_sentence_that_names_the_missing_topics(kafka_bootstrap: str) -> None:
    sentences: list[str] = []
    with pytest.raises(KafkaNotReadyError, match="topics b-missing, c-missing: run `southbound topics apply`"):
        await wait_for_kafka(
            {"bootstrap.servers": kafka_bootstrap}, ["c-missing", "b-missing"], max_wait=3, on_reason=sentences.append
        )
    assert [sentence for sentence in sentences if "b-missing" in sentence] == sentences[-1:]  # told once


async def test_waiting_for_kafka_returns_as_soon_as_the_topic_is_there(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("there")
    reasons: list[str] = []
    await wait_for_kafka({"bootstrap.servers": kafka_bootstrap}, [topic], max_wait=30, on_reason=reasons.append)
    assert not [reason for reason in reasons if topic in reason]  # a busy broker may have been waited for


async def test_an_unreachable_kafka_is_named_with_what_to_check() -> None:
    with pytest.raises(KafkaNotReadyError, match=r"Kafka does not answer: check that it runs.*127\.0\.0\.1:1"):
        await wait_for_kafka({"bootstrap.servers": "127.0.0.1:1"}, ["any"], max_wait=0.1, on_reason=lambda _: None)
