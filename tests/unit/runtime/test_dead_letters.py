"""A dead letter contains the original bytes and the reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.backoff import Backoff
from consumers.runtime.config import WorkerConfig
from consumers.runtime.dead_letters import (
    MAX_DETAIL_LENGTH,
    MAX_SENTENCE_LENGTH,
    Attempts,
    DeadLetterPublisher,
    DeadLetterSubject,
    build_dead_letter,
    redrive_count,
)
from consumers.runtime.handler import DeadLetter, Partition, Record, RetryLater
from schemas.problem import Problem
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.publisher import Message

POLICY = WorkerConfig(role="routing", group="southbound-routing", dead_letter_topic="testrun.dlq")
NOON = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
PROBLEM = Problem(code="X", sentence="It did not work.")
PARTITION = Partition(topic="testrun.lifecycle", number=3, epoch=9)
ONCE = Attempts(count=1, first_at=NOON, last_at=NOON)
TWICE = Attempts(count=2, first_at=NOON - timedelta(seconds=90), last_at=NOON)


def test_key_value_and_headers_are_unchanged_and_our_headers_come_last() -> None:
    original = (("ce_id", b"\xff\x00"), ("empty", None), ("ce_id", b"again"))
    record = Record(PARTITION, 2**33, b"\x00key", b"\xc3\x01rubbish", original, 1_764_000_000_000)
    problem = Problem(code="UNDECODABLE", sentence="It is rubbish.", detail="line 1")
    subject = DeadLetterSubject(error_class="undecodable", run="TR0001", spoke="fibre-lab", decision="policy@1#R1")
    message = build_dead_letter(record, problem, TWICE, POLICY, subject)
    assert (message.topic, message.key, message.value) == ("testrun.dlq", b"\x00key", b"\xc3\x01rubbish")
    assert message.headers[:3] == original
    assert dict(message.headers[3:]) == {
        "southbound-dlq-class": b"undecodable",
        "southbound-dlq-code": b"UNDECODABLE",
        "southbound-dlq-reason": b"It is rubbish.",
        "southbound-dlq-detail": b"line 1",
        "southbound-dlq-run": b"TR0001",
        "southbound-dlq-spoke": b"fibre-lab",
        "southbound-dlq-decision": b"policy@1#R1",
        "southbound-dlq-topic": b"testrun.lifecycle",
        "southbound-dlq-partition": b"3",
        "southbound-dlq-offset": b"8589934592",
        "southbound-dlq-timestamp": b"1764000000000",
        "southbound-dlq-attempts": b"2",
        "southbound-dlq-first-time": b"2026-11-23T11:58:30.123+00:00",
        "southbound-dlq-time": b"2026-11-23T12:00:00.123+00:00",
        "southbound-dlq-redrives": b"0",
        "southbound-dlq-group": b"southbound-routing",
        "southbound-dlq-role": b"routing",
    }


def test_a_tombstone_without_a_key_stays_unchanged() -> None:
    record = Record(PARTITION, 0, None, None, (), 0)
    message = build_dead_letter(record, Problem(code="X", sentence="x"), ONCE, POLICY)
    assert (message.key, message.value) == (None, None)


def test_a_long_detail_leaves_room_for_the_original() -> None:
    record = Record(PARTITION, 0, None, b"v", (), 0)
    problem = Problem(code="X", sentence="x", detail="d" * 1_000_000)
    message = build_dead_letter(record, problem, ONCE, POLICY)
    assert len(dict(message.headers)["southbound-dlq-detail"] or b"") == MAX_DETAIL_LENGTH


def test_a_dead_letter_that_comes_back_has_no_headers_of_its_earlier_reasons() -> None:
    record, problem = Record(PARTITION, 0, None, b"v", (("ce_id", b"e1"),), 0), Problem(code="X", sentence="x" * 10_000)
    first = build_dead_letter(record, problem, ONCE, POLICY)
    headers, again = first.headers, first
    for _ in range(3):
        back = Record(PARTITION, 1, None, b"v", again.headers, 0)
        again = build_dead_letter(back, problem, TWICE, POLICY)
    assert [name for name, _ in again.headers] == [name for name, _ in headers]
    assert again.headers[0] == ("ce_id", b"e1")
    assert dict(again.headers)["southbound-dlq-attempts"] == b"2"
    assert len(dict(again.headers)["southbound-dlq-reason"] or b"") == MAX_SENTENCE_LENGTH


class BuggyPublisher:
    """A `Publisher` with a bug whose exception text contains a secret."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Raise an exception that no publisher may raise."""
        raise ValueError(f"password=geheim in {messages[0].value!r}")


async def test_an_exception_of_a_publisher_is_reported_by_type_and_place_without_its_text() -> None:
    publisher = DeadLetterPublisher(BuggyPublisher(), POLICY, lambda: NOON, lambda: 0.5)
    record = Record(PARTITION, 7, b"k", b"v", (), 0)
    outcome = await publisher.deliver(record, 1, DeadLetter(Problem(code="X", sentence="It is rubbish.")))
    assert isinstance(outcome, RetryLater)
    assert "geheim" not in repr(outcome)
    assert "the publisher raised ValueError" in outcome.problem.sentence
    assert "test_dead_letters.py" in outcome.problem.detail


async def test_dead_letters_refused_together_are_retried_at_different_times() -> None:
    delays = []
    for jitter in (0.0, 0.25, 0.999):
        publisher = DeadLetterPublisher(BuggyPublisher(), POLICY, lambda: NOON, lambda: jitter)  # noqa: B023 - used in this iteration
        record = Record(PARTITION, 7, b"k", b"v", (), 0)
        outcome = await publisher.deliver(record, 1, DeadLetter(Problem(code="X", sentence="It is rubbish.")))
        assert isinstance(outcome, RetryLater)
        delays.append(outcome.delay)
    assert delays == [jitter * Backoff().initial_interval for jitter in (0.0, 0.25, 0.999)]


async def test_the_dead_letter_waits_until_its_notice_is_published_and_the_notice_is_not_repeated() -> None:
    publisher = RecordingPublisher()
    answers = [Problem(code="NOTICE_NOT_PUBLISHED", sentence="the store is down"), None]
    notified: list[Record] = []

    async def notify(record: Record, problem: Problem) -> Problem | None:
        assert problem == PROBLEM
        notified.append(record)
        return answers.pop(0)

    letters = DeadLetterPublisher(publisher, POLICY, lambda: NOON, lambda: 0.5, notify)
    record, verdict = Record(PARTITION, 1, b"k", b"v", (), 0), DeadLetter(PROBLEM)
    waits = await letters.deliver(record, 1, verdict)
    assert isinstance(waits, RetryLater)
    assert "the store is down" in waits.problem.sentence
    assert publisher.published == []
    publisher.fail_topic("testrun.dlq")
    assert isinstance(await letters.deliver(record, 2, verdict), RetryLater)
    publisher.restore_topic("testrun.dlq")
    assert await letters.deliver(record, 3, verdict) == verdict
    assert len(publisher.published) == 1
    assert len(notified) == 2


def test_a_redriven_record_keeps_its_first_time_and_its_redrives_are_counted() -> None:
    redriven = (
        ("southbound-redrive-count", b"2"),
        ("southbound-redrive-first-time", b"2026-11-20T08:00:00.000+00:00"),
        ("southbound-dlq-redrives", b"7"),
    )
    message = build_dead_letter(Record(PARTITION, 9, b"k", b"v", redriven, 0), PROBLEM, ONCE, POLICY)
    headers = dict(message.headers)
    assert headers["southbound-dlq-redrives"] == b"2"
    assert headers["southbound-dlq-first-time"] == b"2026-11-20T08:00:00.000+00:00"
    assert headers["southbound-redrive-count"] == b"2"


async def test_a_dead_letter_says_what_it_is_about_and_when_its_record_was_attempted_first() -> None:
    publisher, about = RecordingPublisher(), DeadLetterSubject(error_class="dispatch", run="TR0001")

    async def describe(record: Record, problem: Problem) -> DeadLetterSubject:
        assert (record.offset, problem) == (7, PROBLEM)
        return about

    letters = DeadLetterPublisher(publisher, POLICY, lambda: NOON, lambda: 0.5, describe=describe)
    await letters.deliver(Record(PARTITION, 7, b"k", b"v", (), 0), 4, DeadLetter(PROBLEM), elapsed=3_600)
    headers = dict(publisher.published[0].headers)
    assert (headers["southbound-dlq-class"], headers["southbound-dlq-run"]) == (b"dispatch", b"TR0001")
    assert headers["southbound-dlq-first-time"] == b"2026-11-23T11:00:00.123+00:00"
    assert "southbound-dlq-spoke" not in headers


async def test_a_dead_letter_that_is_published_late_has_the_time_of_its_last_attempt() -> None:
    publisher, times = RecordingPublisher(), [NOON, NOON + timedelta(hours=1)]
    letters = DeadLetterPublisher(publisher, POLICY, lambda: times.pop(0), lambda: 0.5)
    record = Record(PARTITION, 7, b"k", b"v", (), 0)
    publisher.fail_topic("testrun.dlq")
    await letters.deliver(record, 1, DeadLetter(PROBLEM))
    publisher.restore_topic("testrun.dlq")
    await letters.deliver(record, 2, DeadLetter(PROBLEM))
    headers = dict(publisher.published[0].headers)
    assert (headers["southbound-dlq-time"], headers["southbound-dlq-attempts"]) == (
        b"2026-11-23T12:00:00.123+00:00",
        b"1",
    )


@given(st.lists(st.tuples(st.sampled_from(["southbound-redrive-count", "ce_id"]), st.none() | st.binary(max_size=9))))
def test_a_count_of_redrives_that_is_none_counts_as_zero(headers: list[tuple[str, bytes | None]]) -> None:
    assert 0 <= redrive_count(tuple(headers)) < 10**6


@given(
    st.builds(DeadLetterSubject, error_class=st.text(), run=st.text(), spoke=st.text(), decision=st.text(max_size=9)),
    st.lists(st.tuples(st.text(min_size=1), st.none() | st.binary())),
)
def test_no_header_of_the_original_is_changed(
    subject: DeadLetterSubject, headers: list[tuple[str, bytes | None]]
) -> None:
    record = Record(PARTITION, 1, b"k", b"v", tuple(headers), 0)
    written = build_dead_letter(record, PROBLEM, ONCE, POLICY, subject).headers
    assert written[: len(headers)] == tuple(headers)
    assert all(name.startswith("southbound-dlq-") and value for name, value in written[len(headers) :])
