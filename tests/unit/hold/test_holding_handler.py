"""A record that became a dead letter waits with the later records of its key, until a person decides about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from consumers.hold.held_letters import (
    HeldLetter,
    HeldLetters,
    HeldRelease,
    RecordPlace,
    held_letter,
    place_of,
    read_release,
    released_record,
)
from consumers.hold.holding_handler import HoldingHandler, HoldUnreadableError
from consumers.runtime.dead_letters import (
    REDRIVE_PREFIX,
    Attempts,
    DeadLetterHooks,
    DeadLetterSubject,
    build_dead_letter,
)
from consumers.runtime.handler import Attempt, DeadLetter, Done, Partition, Record, RetryLater
from consumers.runtime.worker import Worker
from schemas.codec.cloudevents import REPLAY_HEADER
from tests.harness.waiting import wait_until
from tests.harness.worker import FIRST_PARTITION, POLICY, PROBLEM, WorkerHarness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.runtime.handler import Outcome
    from schemas.problem import Problem

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MARKS = (("southbound-replay", b"redrive-1"), ("southbound-redrive-count", b"1"))


@dataclass
class FakeHoldReader:
    """What is new on Kafka about records that wait."""

    news: list[tuple[RecordPlace, HeldLetter] | HeldRelease] = field(default_factory=list)
    readings: int = 0
    failure: str = ""

    async def read_new(self) -> Iterable[tuple[RecordPlace, HeldLetter] | HeldRelease]:
        """Return the news once."""
        self.readings += 1
        if self.failure:
            raise HoldUnreadableError(self.failure)
        news, self.news = self.news, []
        return news


async def no_subject(_record: Record, _problem: Problem) -> DeadLetterSubject:
    return DeadLetterSubject(error_class="dispatch")


def a_record(offset: int = 5, epoch: int = 1, headers: tuple[tuple[str, bytes | None], ...] = ()) -> Record:
    return Record(Partition(topic="lifecycle", number=0, epoch=epoch), offset, b"k", b"v", headers, 0)


@dataclass
class Held:
    """A holding handler around a handler whose outcomes are planned."""

    outcomes: list[Outcome] = field(default_factory=list)
    seen: list[Record] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    reader: FakeHoldReader = field(default_factory=FakeHoldReader)
    now: float = 0.0

    def __post_init__(self) -> None:
        """Build the handler."""
        self.handler = HoldingHandler(
            inner=self._handle, describe_subject=no_subject, reader=self.reader, clock=lambda: self.now
        )

    async def _handle(self, record: Record, attempt: Attempt) -> Outcome:
        self.seen.append(record)
        self.attempts.append(attempt.number)
        return self.outcomes.pop(0) if self.outcomes else Done()

    async def attempt(self, record: Record) -> Outcome:
        """Make one attempt, and note its dead letter as a worker does."""
        self.now += 10
        outcome = await self.handler.handle_record(record, Attempt(1))
        return self.handler.hold(record) if isinstance(outcome, DeadLetter) else outcome

    def decide(self, record: Record, *, redrives: int = 0, dropped: bool = False) -> None:
        """Decide about the dead letter of a record."""
        marks = () if dropped else MARKS
        self.reader.news.append(HeldRelease(place=place_of(record), redrives=redrives, is_dropped=dropped, marks=marks))


def waits(outcome: Outcome) -> bool:
    return isinstance(outcome, RetryLater) and outcome.problem.code == "HELD" and outcome.afresh


async def test_a_record_waits_with_its_dead_letter_and_is_not_attempted_until_it_is_redriven() -> None:
    held, record = Held([DeadLetter(PROBLEM)]), a_record()
    assert waits(await held.attempt(record))
    assert waits(await held.attempt(record))
    assert len(held.seen) == 1
    held.decide(record)
    assert await held.attempt(record) == Done()
    assert held.seen[1].headers == MARKS
    assert (held.seen[1].key, held.seen[1].value) == (b"k", b"v")


async def test_a_record_that_is_dropped_is_done_without_another_attempt() -> None:
    held, record = Held([DeadLetter(PROBLEM)]), a_record()
    await held.attempt(record)
    held.decide(record, dropped=True)
    assert await held.attempt(record) == Done()
    assert len(held.seen) == 1


async def test_a_redriven_record_that_is_read_again_because_its_commit_failed_still_has_its_marks() -> None:
    held = Held([DeadLetter(PROBLEM)])
    await held.attempt(a_record())
    held.decide(a_record())
    await held.attempt(a_record())
    assert await held.attempt(a_record(epoch=2)) == Done()
    assert [record.headers for record in held.seen] == [(), MARKS, MARKS]


async def test_a_redriven_record_that_fails_again_waits_again_and_its_dead_letter_counts_on() -> None:
    held, record = Held([DeadLetter(PROBLEM), DeadLetter(PROBLEM)]), a_record()
    await held.attempt(record)
    assert (await held.handler.describe(record, PROBLEM)).redrives == 1
    held.decide(record)
    assert waits(await held.attempt(record))
    assert waits(await held.attempt(record))
    assert len(held.seen) == 2
    held.decide(record, redrives=1)
    assert await held.attempt(record) == Done()


async def test_a_decision_about_an_older_dead_letter_of_the_record_changes_nothing() -> None:
    held, record = Held([DeadLetter(PROBLEM), DeadLetter(PROBLEM)]), a_record()
    await held.attempt(record)
    held.decide(record)
    await held.attempt(record)
    held.decide(record)
    assert waits(await held.attempt(record))


async def test_the_next_owner_of_a_partition_knows_which_records_wait_before_it_attempts_one() -> None:
    reader = FakeHoldReader([(RecordPlace("lifecycle", 0, 5), HeldLetter(0))])
    held = Held(reader=reader)
    assert waits(await held.attempt(a_record(5)))
    assert held.seen == []
    assert await held.attempt(a_record(6)) == Done()


async def test_it_is_read_again_when_a_partition_comes_back() -> None:
    held = Held()
    await held.attempt(a_record(4))
    held.reader.news.append((RecordPlace("lifecycle", 0, 5), HeldLetter(0)))
    assert waits(await held.attempt(a_record(5, epoch=2)))
    assert held.seen[1:] == []


async def test_no_record_is_attempted_while_it_cannot_be_read_which_ones_wait() -> None:
    held = Held(reader=FakeHoldReader(failure="Kafka does not answer."))
    outcome = await held.attempt(a_record())
    assert isinstance(outcome, RetryLater)
    assert outcome.problem.code == "HOLD_UNREADABLE"
    assert held.seen == []
    held.reader.failure = ""
    assert await held.attempt(a_record()) == Done()


async def test_many_records_that_wait_are_looked_up_once_a_second() -> None:
    held = Held([DeadLetter(PROBLEM)] * 100)
    records = [a_record(n) for n in range(100)]
    for record in records:
        await held.attempt(record)
    before = held.reader.readings
    for record in records:
        await held.handler.handle_record(record, Attempt(1))
    assert held.reader.readings - before <= 1


async def test_later_records_of_the_key_follow_in_order_and_other_keys_go_on() -> None:
    """Through a worker: B and C of the key wait for A, X does not; A is redriven and the order is A, B, C."""
    reader = FakeHoldReader()
    harness = WorkerHarness()

    async def handle(record: Record, attempt: Attempt) -> Outcome:
        outcome = await harness.handle(record, attempt)
        return DeadLetter(PROBLEM) if record.value == b"A" and not record.headers else outcome

    holding = HoldingHandler(inner=handle, describe_subject=no_subject, reader=reader, look_after=0.01)
    harness.worker = Worker(
        consumer=harness.client,
        handler=holding.handle_record,
        publisher=harness.publisher,
        config=POLICY,
        observer=harness,
        hooks=DeadLetterHooks(describe=holding.describe, hold=holding.hold),
    )
    for key, value in ((b"k", b"A"), (b"k", b"B"), (b"k", b"C"), (b"x", b"X")):
        harness.client.append(key=key, value=value)
    async with harness.working():
        await wait_until(lambda: b"X" in harness.ended and len(harness.publisher.published) == 1)
        assert dict(harness.publisher.published[0].headers)["southbound-dlq-hold"] == b"yes"
        assert b"B" not in harness.ended
        assert harness.client.committed.get(FIRST_PARTITION) in {None, 0}
        reader.news.append(HeldRelease(place=RecordPlace("lifecycle", 0, 0), redrives=0, is_dropped=False, marks=MARKS))
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 4)
    assert [value for value in harness.ended if value != b"X"] == [b"A", b"A", b"B", b"C"]


async def test_the_dead_letters_of_a_record_that_waits_have_the_time_of_its_first_attempt() -> None:
    held, record = Held([DeadLetter(PROBLEM), DeadLetter(PROBLEM)]), a_record()
    assert (await held.handler.describe(record, PROBLEM)).first_time is None
    await held.attempt(record)
    held.reader.news.append((place_of(record), HeldLetter(0, "2026-11-29T12:00:00.000+00:00")))
    await held.attempt(record)
    held.decide(record)
    assert (await held.handler.describe(record, PROBLEM)).first_time == "2026-11-29T12:00:00.000+00:00"
    await held.attempt(record)
    assert (await held.handler.describe(record, PROBLEM)).first_time == "2026-11-29T12:00:00.000+00:00"


HEADERS = st.lists(st.tuples(st.text(), st.none() | st.binary()), max_size=4).map(tuple)


@given(HEADERS, st.none() | HEADERS, st.none() | st.binary(), st.integers(0, 9), st.booleans())
def test_a_decision_is_read_as_it_was_written(
    marks: tuple[tuple[str, bytes | None], ...],
    headers: tuple[tuple[str, bytes | None], ...] | None,
    value: bytes | None,
    redrives: int,
    dropped: bool,  # noqa: FBT001 - hypothesis passes it
) -> None:
    release = HeldRelease(
        place=RecordPlace("t", 1, 2**40),
        redrives=redrives,
        is_dropped=dropped,
        marks=marks,
        value=value if headers is not None else None,
        headers=headers,
    )
    assert read_release(json.dumps({"held": release.as_json()}).encode()) == release


@given(st.none() | st.binary() | st.text().map(str.encode) | st.just(b'{"held": {"topic": 1}}'))
def test_what_is_no_decision_is_ignored(value: bytes | None) -> None:
    assert read_release(value) is None


@given(HEADERS, st.none() | st.binary())
def test_an_edited_record_has_the_value_and_headers_of_the_edit_and_the_marks(
    headers: tuple[tuple[str, bytes | None], ...], value: bytes | None
) -> None:
    release = HeldRelease(
        place=RecordPlace("t", 1, 2), redrives=0, is_dropped=False, marks=MARKS, value=value, headers=headers
    )
    released = released_record(a_record(headers=(("x", b"1"),)), release)
    # Marks of an earlier redrive are replaced.
    kept = tuple(one for one in headers if one[0] != REPLAY_HEADER and not one[0].startswith(REDRIVE_PREFIX))
    assert (released.value, released.headers) == (value, kept + MARKS)


def test_only_a_dead_letter_that_says_so_waits() -> None:
    attempts = Attempts(count=1, first_at=NOON, last_at=NOON)
    for is_held in (True, False):
        subject = DeadLetterSubject(held=is_held)
        message = build_dead_letter(a_record(7), PROBLEM, attempts, POLICY, subject)
        found = held_letter(message.headers)
        assert (found is not None) is is_held
    assert HeldLetters().release_of(RecordPlace("t", 0, 0)) is None
