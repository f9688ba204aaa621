"""What the worker promises when records fail, partitions move and processes stop."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.backoff import Backoff
from consumers.runtime.backpressure import Watermarks
from consumers.runtime.config import WorkerConfig
from consumers.runtime.consumer_port import Lost, RecordsReceived
from consumers.runtime.dead_letter_limit import DeadLetterLimitConfig
from consumers.runtime.handler import DeadLetter, Done, Record, RetryLater
from consumers.runtime.worker import Worker, WorkerFailedError
from schemas.problem import Problem
from tests.fakes.consumer import FakeConsumer
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from consumers.runtime.handler import Attempt, Outcome
    from consumers.runtime.monitoring import AttemptEnded

FIRST_PARTITION = ("lifecycle", 0)
SECOND_PARTITION = ("lifecycle", 1)
PROBLEM = Problem(code="X", sentence="It did not work.")
POLICY = WorkerConfig(
    role="routing",
    group="g",
    dead_letter_topic="dlq",
    commit_every=0.005,
    revoke_timeout=0.05,
    drain_timeout=0.5,
    close_timeout=0.5,
    backoff=Backoff(initial_interval=0.005, max_interval=0.01),
)


@dataclass
class WorkerHarness:
    """A worker between a fake client and a fake publisher; `plan` says what becomes of a record's value."""

    policy: WorkerConfig = POLICY
    plan: dict[bytes, list[Outcome | Exception]] = field(default_factory=dict)
    gates: dict[bytes, asyncio.Event] = field(default_factory=dict)
    uncancellable: set[bytes] = field(default_factory=set)  # values whose handler does not let itself be cancelled
    started: list[bytes] = field(default_factory=list)
    ended: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    settlements: list[AttemptEnded] = field(default_factory=list)
    client: FakeConsumer = field(default_factory=FakeConsumer)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)

    def __post_init__(self) -> None:
        self.worker = Worker(
            consumer=self.client, handler=self.handle, publisher=self.publisher, config=self.policy, observer=self
        )

    async def handle(self, record: Record, attempt: Attempt) -> Outcome:
        value = record.value or b""
        self.started.append(value)
        while value in self.gates and not self.gates[value].is_set():
            with suppress(*([asyncio.CancelledError] if value in self.uncancellable else [])):
                await self.gates[value].wait()
        steps = self.plan.get(value, [])
        step = steps[min(attempt.number, len(steps)) - 1] if steps else Done()
        if isinstance(step, Exception):
            raise step
        self.ended.append(value)
        return step

    def gate(self, value: bytes) -> asyncio.Event:
        """Make the handler wait on a record until the event is set."""
        self.gates[value] = asyncio.Event()
        return self.gates[value]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.Task[bool]]:
        """Run the worker with partition 0 assigned; stop it hard at the end if it still runs."""
        running = asyncio.create_task(self.worker.run())
        await asyncio.sleep(0)
        self.client.assign(FIRST_PARTITION)
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    # The observer

    def received(self, topic: str, records: int) -> None: ...

    def committed(self, partitions: int, seconds: float) -> None: ...

    def attempt_ended(self, settled: AttemptEnded) -> None:
        self.settlements.append(settled)

    def problem_reported(self, problem: Problem) -> None:
        self.problems.append(problem)


async def wait_until(condition: Callable[[], object], seconds: float = 2.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.001)


async def run_pending_callbacks() -> None:
    """Let everything that could happen at once happen; the claim is that it does not."""
    for _ in range(30):
        await asyncio.sleep(0.001)


async def test_what_is_finished_is_committed() -> None:
    bench = WorkerHarness()
    for value in (b"1", b"2", b"3"):
        bench.client.append(key=value, value=value)
    async with bench.working():
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 3)


async def test_nothing_past_an_unfinished_record_is_committed() -> None:
    bench = WorkerHarness()
    bench.client.append(key=b"a", value=b"done")
    gate = bench.gate(b"slow")
    bench.client.append(key=b"b", value=b"slow", offset=5)
    bench.client.append(key=b"c", value=b"quick", offset=9)
    async with bench.working():
        await wait_until(lambda: bench.ended == [b"done", b"quick"])
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 5)
        await run_pending_callbacks()
        assert bench.client.committed[FIRST_PARTITION] == 5
        gate.set()
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 10)


async def test_a_commit_is_not_taken_as_made_before_the_broker_says_so() -> None:
    bench = WorkerHarness()
    bench.client.answers_commits = False
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.client.commits)
        await run_pending_callbacks()
        assert len(bench.client.commits) == 1, "one commit at a time"
        bench.client.complete_commit(bench.client.commits[0], PROBLEM)
        await wait_until(lambda: len(bench.client.commits) == 2)
        assert bench.client.committed == {}
        bench.client.complete_commit(bench.client.commits[1])
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)
        assert bench.problems == [PROBLEM]


async def test_a_retry_keeps_its_place_and_other_lanes_go_on() -> None:
    bench = WorkerHarness(plan={b"1": [RetryLater(0.01, PROBLEM), RetryLater(0.01, PROBLEM), Done()]})
    for key, value in ((b"a", b"1"), (b"a", b"2"), (b"b", b"3")):
        bench.client.append(key=key, value=value)
    async with bench.working():
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 3)
    assert bench.started == [b"1", b"3", b"1", b"1", b"2"]
    assert [s.attempt for s in bench.settlements if s.record.value == b"1"] == [1, 2, 3]


async def test_retries_everywhere_do_not_latch_the_intake() -> None:
    marks = Watermarks(high=4, low=2, enough_startable=4, max_records=30, patience=0.02)
    again: list[Outcome | Exception] = [RetryLater(0.03, PROBLEM), RetryLater(0.03, PROBLEM), Done()]
    values = [b"%d" % n for n in range(120)]
    bench = WorkerHarness(policy=replace(POLICY, watermarks=marks, max_in_flight=4), plan=dict.fromkeys(values, again))
    bench.client = FakeConsumer(batch=10)
    bench.__post_init__()
    for value in values:
        bench.client.append(key=value, value=value)
    most = 0
    async with bench.working():
        while bench.client.committed.get(FIRST_PARTITION) != 120:
            most = max(most, bench.worker.figures().buffered)
            await asyncio.sleep(0.001)
    assert most <= 40, "memory is bounded by the marks and one batch"


async def test_parked_records_take_no_place_in_flight() -> None:
    plan: dict[bytes, list[Outcome | Exception]] = {b"parked": [RetryLater(60.0, PROBLEM)]}
    bench = WorkerHarness(policy=replace(POLICY, max_in_flight=1), plan=plan)
    bench.client.append(key=b"a", value=b"parked")
    bench.client.append(key=b"b", value=b"next")
    async with bench.working():
        await wait_until(lambda: bench.ended == [b"parked", b"next"])
        status = bench.worker.status()[0]
        assert status.oldest is not None
        assert (status.committable, status.oldest.offset, status.oldest.attempts) == (0, 0, 1)
        assert status.oldest.problem == PROBLEM
        assert 50 < (status.oldest.retry_in or 0) <= 60


async def test_no_more_than_the_policy_allows_run_at_once() -> None:
    bench = WorkerHarness(policy=replace(POLICY, max_in_flight=3))
    for n in range(6):
        bench.gate(b"%d" % n)
        bench.client.append(key=b"%d" % n, value=b"%d" % n)
    async with bench.working():
        await wait_until(lambda: len(bench.started) == 3)
        await run_pending_callbacks()
        assert bench.worker.figures().running == 3
        bench.gates[b"0"].set()
        await wait_until(lambda: len(bench.started) == 4)


async def test_a_dead_letter_is_acknowledged_before_the_next_record_of_its_key_starts() -> None:
    bench = WorkerHarness(plan={b"bad": [DeadLetter(PROBLEM)]})
    bench.publisher.block()
    bench.client.append(value=b"bad")
    bench.client.append(value=b"good")
    async with bench.working():
        await wait_until(lambda: bench.publisher.waiting)
        await run_pending_callbacks()
        assert bench.started == [b"bad"]
        assert bench.client.committed.get(FIRST_PARTITION, 0) == 0
        bench.publisher.unblock()
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 2)
    assert [letter.value for letter in bench.publisher.messages_on("dlq")] == [b"bad"]


async def test_a_refused_dead_letter_holds_its_lane_and_is_never_dropped() -> None:
    bench = WorkerHarness(plan={b"bad": [DeadLetter(PROBLEM)]})
    bench.publisher.fail_topic("dlq")
    bench.client.append(key=b"a", value=b"bad")
    bench.client.append(key=b"a", value=b"behind")
    bench.client.append(key=b"b", value=b"elsewhere")
    async with bench.working():
        await wait_until(lambda: bench.ended == [b"bad", b"elsewhere"])
        await wait_until(lambda: len([s for s in bench.settlements if s.record.value == b"bad"]) >= 3)
        assert bench.started.count(b"bad") == 1, "the handler is not called again"
        assert bench.client.committed.get(FIRST_PARTITION, 0) == 0
        oldest = bench.worker.status()[0].oldest
        assert oldest is not None
        assert oldest.problem is not None
        assert oldest.problem.code == "DEAD_LETTER_UNDELIVERED"
        bench.publisher.restore_topic("dlq")
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 3)
    (letter,) = bench.publisher.messages_on("dlq")
    assert dict(letter.headers)["southbound-dlq-attempts"] == b"1"


async def test_a_handler_that_raises_is_tried_again_and_then_dead_lettered_without_its_words() -> None:
    bench = WorkerHarness(policy=replace(POLICY, max_handler_errors=3), plan={b"bug": [ValueError("password=geheim")]})
    bench.client.append(value=b"bug")
    async with bench.working():
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)
    (letter,) = bench.publisher.messages_on("dlq")
    headers = dict(letter.headers)
    assert bench.started == [b"bug"] * 3
    assert headers["southbound-dlq-code"] == b"UNEXPECTED"
    assert b"ValueError" in (headers["southbound-dlq-reason"] or b"")
    assert b"geheim" not in b"".join(value or b"" for value in headers.values())


async def test_a_cancellation_inside_a_handler_is_a_failed_attempt_and_not_a_stop() -> None:
    plan: dict[bytes, list[Outcome | Exception]] = {}
    bench = WorkerHarness(plan=plan)
    handle, tries = bench.handle, 0

    async def cancelled_once(record: Record, attempt: Attempt) -> Outcome:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise asyncio.CancelledError
        return await handle(record, attempt)

    bench.handle = cancelled_once  # type: ignore[method-assign]
    bench.__post_init__()
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)


async def test_a_handler_that_returns_nothing_is_a_bug_and_does_not_stop_the_worker() -> None:
    bench = WorkerHarness(policy=replace(POLICY, max_handler_errors=1), plan={b"v": [None]})  # type: ignore[list-item]
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)
    assert b"TypeError" in (dict(bench.publisher.messages_on("dlq")[0].headers)["southbound-dlq-reason"] or b"")


async def test_a_revocation_waits_for_what_runs_then_commits_it_then_lets_go() -> None:
    bench = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0))
    gate = bench.gate(b"running")
    bench.client.append(key=b"a", value=b"running")
    bench.client.append(key=b"a", value=b"behind")
    async with bench.working():
        await wait_until(lambda: bench.started == [b"running"])
        bench.client.revoke(FIRST_PARTITION)
        await run_pending_callbacks()
        assert bench.client.released == 0
        gate.set()
        await wait_until(lambda: bench.client.released == 1)
        await run_pending_callbacks()
        assert bench.client.committed[FIRST_PARTITION] == 1
        assert bench.started == [b"running"], "what waited belongs to the next owner"
        assert bench.worker.figures().partitions == 0


async def test_other_partitions_keep_working_while_one_is_revoked() -> None:
    bench = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0))
    bench.gate(b"stuck")
    second = bench.gate(b"second")
    bench.client.append(*FIRST_PARTITION, key=b"a", value=b"stuck")
    bench.client.append(*SECOND_PARTITION, key=b"b", value=b"second")
    bench.client.append(*SECOND_PARTITION, key=b"b", value=b"third")
    async with bench.working():
        bench.client.assign(SECOND_PARTITION)
        await wait_until(lambda: set(bench.started) == {b"stuck", b"second"})
        bench.client.revoke(FIRST_PARTITION)
        second.set()
        await wait_until(lambda: bench.ended == [b"second", b"third"])
        assert bench.client.released == 0


async def test_a_drain_over_its_budget_is_fenced_and_its_late_completion_ignored() -> None:
    bench = WorkerHarness(uncancellable={b"late"})
    gate = bench.gate(b"late")
    bench.client.append(value=b"late")
    async with bench.working():
        await wait_until(lambda: bench.started == [b"late"])
        bench.client.revoke(FIRST_PARTITION)
        await wait_until(lambda: bench.client.released == 1)
        assert bench.client.committed.get(FIRST_PARTITION, 0) == 0
        gate.set()
        await wait_until(lambda: bench.ended == [b"late"])
        await run_pending_callbacks()
        assert bench.client.committed.get(FIRST_PARTITION, 0) == 0
        assert bench.worker.figures().running == 0


@pytest.mark.parametrize("take_away", [FakeConsumer.revoke, FakeConsumer.lose])
async def test_no_call_is_made_for_a_record_whose_partition_was_given_up(
    take_away: Callable[[FakeConsumer, tuple[str, int]], None],
) -> None:
    bench = WorkerHarness()
    gate = bench.gate(b"about to call")
    stays = bench.gate(b"stays")
    bench.client.append(*FIRST_PARTITION, key=b"a", value=b"about to call")
    bench.client.append(*SECOND_PARTITION, key=b"b", value=b"stays")
    async with bench.working():
        bench.client.assign(SECOND_PARTITION)
        await wait_until(lambda: len(bench.started) == 2)
        take_away(bench.client, FIRST_PARTITION)
        await wait_until(lambda: bench.worker.figures().running == 1)
        assert bench.worker.may_send(), "the worker is a member, but the partition is another's"
        gate.set()
        stays.set()
        await wait_until(lambda: bench.client.committed.get(SECOND_PARTITION) == 1)
        await run_pending_callbacks()
    assert bench.ended == [b"stays"]
    assert bench.problems == []


async def test_a_record_that_comes_back_starts_only_when_its_cancelled_handler_has_ended() -> None:
    bench = WorkerHarness()
    gate, unwinding, unwound = bench.gate(b"v"), asyncio.Event(), asyncio.Event()
    handle = bench.handle

    async def slow_to_unwind(record: Record, attempt: Attempt) -> Outcome:
        try:
            return await handle(record, attempt)
        except asyncio.CancelledError:
            unwinding.set()
            await unwound.wait()
            raise

    bench.handle = slow_to_unwind  # type: ignore[method-assign]
    bench.__post_init__()
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.started == [b"v"])
        bench.client.lose(FIRST_PARTITION)
        bench.client.assign(FIRST_PARTITION)
        await wait_until(unwinding.is_set)
        gate.set()
        await run_pending_callbacks()
        assert bench.started == [b"v"]
        unwound.set()
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)
    assert bench.started == [b"v", b"v"]


async def test_a_record_that_is_given_up_before_its_handler_began_leaves_its_lane() -> None:
    bench = WorkerHarness()
    async with bench.working():
        await wait_until(bench.worker.status)
        partition = bench.worker.status()[0].partition
        bench.worker._handle_event(RecordsReceived([Record(partition, 0, b"k", b"never", (), 0)]))
        assert bench.worker.figures().running == 1
        bench.worker._handle_event(Lost((partition,)))
        await wait_until(lambda: bench.worker.figures().running == 0)
        bench.client.append(value=b"next")
        bench.client.lose(FIRST_PARTITION)
        bench.client.assign(FIRST_PARTITION)
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)
    assert bench.started == [b"next"]


async def test_a_retry_that_ends_in_a_revocation_leaves_the_record_to_the_next_owner() -> None:
    bench = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0), plan={b"v": [RetryLater(60.0, PROBLEM)]})
    gate = bench.gate(b"v")
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.started == [b"v"])
        bench.client.revoke(FIRST_PARTITION)
        gate.set()
        await wait_until(lambda: bench.client.released == 1)
        figures = bench.worker.figures()
        assert (bench.client.committed.get(FIRST_PARTITION, 0), figures.parked, figures.running) == (0, 0, 0)


async def test_parked_records_do_not_hold_up_a_revocation() -> None:
    bench = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0), plan={b"v": [RetryLater(60.0, PROBLEM)]})
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.worker.figures().parked == 1)
        bench.client.revoke(FIRST_PARTITION)
        await wait_until(lambda: bench.client.released == 1)
        assert bench.worker.figures().parked == 0


async def test_the_same_offset_lives_twice_and_only_the_second_life_counts() -> None:
    bench = WorkerHarness(uncancellable={b"v"})
    gate = bench.gate(b"v")
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.started == [b"v"])
        bench.client.lose(FIRST_PARTITION)
        bench.client.assign(FIRST_PARTITION)
        await wait_until(lambda: bench.worker.figures().buffered == 1)
        await run_pending_callbacks()
        assert bench.started == [b"v"], "one record of a key at a time, whatever life it has"
        gate.set()
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)
    assert bench.ended == [b"v", b"v"]


async def test_a_lost_partition_is_not_committed() -> None:
    bench = WorkerHarness(policy=replace(POLICY, commit_every=60.0))
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.ended == [b"v"])
        bench.client.lose(FIRST_PARTITION)
        await wait_until(lambda: bench.worker.figures().partitions == 0)
        bench.worker.stop()
        await wait_until(lambda: bench.client.closed)
    assert bench.client.commits == []
    assert bench.client.committed == {}


async def test_a_stop_waits_for_what_runs_but_not_for_what_is_parked() -> None:
    bench = WorkerHarness(policy=replace(POLICY, commit_every=60.0), plan={b"parked": [RetryLater(60.0, PROBLEM)]})
    gate = bench.gate(b"running")
    bench.client.append(key=b"a", value=b"done")
    bench.client.append(key=b"b", value=b"running")
    bench.client.append(key=b"c", value=b"parked")
    async with bench.working() as running:
        await wait_until(lambda: bench.worker.figures().parked == 1)
        bench.worker.stop()
        await wait_until(lambda: bench.client.paused)
        bench.client.append(key=b"d", value=b"too late")
        await run_pending_callbacks()
        assert not bench.client.closed
        gate.set()
        assert await running is True
        assert bench.client.closed
    assert bench.client.committed[FIRST_PARTITION] == 2
    assert b"too late" not in bench.started


async def test_a_stop_that_runs_out_of_time_says_so_and_commits_what_is_safe() -> None:
    bench = WorkerHarness(policy=replace(POLICY, drain_timeout=0.02))
    bench.gate(b"endless")
    bench.client.append(key=b"a", value=b"done")
    bench.client.append(key=b"b", value=b"endless")
    async with bench.working() as running:
        await wait_until(lambda: bench.ended == [b"done"])
        bench.worker.stop()
        assert await running is False
    assert bench.client.committed[FIRST_PARTITION] == 1
    assert bench.client.closed


async def test_a_stop_without_an_answer_to_its_last_commit_is_not_clean() -> None:
    bench = WorkerHarness(policy=replace(POLICY, close_timeout=0.02))
    bench.client.answers_commits = False
    bench.client.append()
    async with bench.working() as running:
        await wait_until(lambda: bench.ended == [b"v"])
        bench.worker.stop()
        assert await running is False
        assert bench.client.closed


async def test_cancelling_the_worker_leaves_the_group_at_once() -> None:
    bench = WorkerHarness()
    bench.gate(b"endless")
    bench.client.append(value=b"endless")
    async with bench.working() as running:
        await wait_until(lambda: bench.started)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bench.client.closed


async def test_a_client_that_fails_ends_the_worker_with_its_sentence() -> None:
    bench = WorkerHarness()
    async with bench.working() as running:
        bench.client.fail(Problem(code="KAFKA_MEMBER_FENCED", sentence="Another process uses the same id."))
        with pytest.raises(WorkerFailedError, match="Another process uses the same id"):
            await running


async def test_a_complaint_is_made_once_and_not_every_moment() -> None:
    bench = WorkerHarness()
    async with bench.working():
        for _ in range(5):
            bench.client.report_error(PROBLEM)
        await run_pending_callbacks()
    assert bench.problems == [PROBLEM]


async def test_complaints_of_one_code_are_throttled_whatever_record_their_sentences_name() -> None:
    bench = WorkerHarness()
    async with bench.working():
        for n in range(5):
            bench.client.report_error(Problem(code="X", sentence=f"Record {n} did not work."))
        bench.client.report_error(Problem(code="Y", sentence="Something else."))
        await wait_until(lambda: len(bench.problems) == 2)
    assert [problem.code for problem in bench.problems] == ["X", "Y"]


async def test_a_record_that_waits_for_seconds_is_complained_about() -> None:
    plan: dict[bytes, list[Outcome | Exception]] = {
        b"long": [*[RetryLater(0.0, PROBLEM)] * 3, RetryLater(6.0, PROBLEM)],
        b"short": [*[RetryLater(0.0, PROBLEM)] * 3, RetryLater(4.0, PROBLEM)],
    }
    bench = WorkerHarness(policy=replace(POLICY, report_after=5.0), plan=plan)
    bench.client.append(key=b"a", value=b"short")
    bench.client.append(key=b"b", value=b"long")
    async with bench.working():
        await wait_until(lambda: bench.worker.figures().parked == 2 and bench.problems)
    (complaint,) = bench.problems
    assert complaint.code == PROBLEM.code
    assert complaint.sentence == f"lifecycle[0] offset 1 was tried 4 times and waits: {PROBLEM.sentence}"


async def test_a_flood_of_dead_letters_stops_the_work_says_so_and_opens_again() -> None:
    policy = replace(POLICY, dead_letter_limit=DeadLetterLimitConfig(limit=3, cool_down=0.1), max_in_flight=1)
    values = [b"%d" % n for n in range(6)]
    bench = WorkerHarness(policy=policy, plan={value: [DeadLetter(PROBLEM)] for value in values[:3]})
    for value in values:
        bench.client.append(key=value, value=value)
    async with bench.working():
        await wait_until(lambda: bench.problems)
        assert bench.problems[0].code == "DEAD_LETTER_LIMIT_REACHED"
        assert bench.started == values[:3]
        assert bench.worker.figures().paused == 1
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 6)
        await wait_until(lambda: bench.worker.figures().paused == 0)


async def test_after_a_stall_sending_is_allowed_again_only_when_the_broker_takes_a_commit() -> None:
    bench = WorkerHarness(policy=replace(POLICY, session_timeout=10.0))
    bench.client.append()
    async with bench.working():
        await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 1)
        assert bench.worker.may_send()
        made = len(bench.client.commits)
        bench.client.proven = time.monotonic() - 11.0
        assert not bench.worker.may_send()
        await wait_until(lambda: len(bench.client.commits) > made)
        bench.client.proven = None
        assert bench.worker.may_send()


async def test_a_topics_records_without_keys_all_run_at_once() -> None:
    bench = WorkerHarness()
    for n in range(5):
        bench.gate(b"%d" % n)
        bench.client.append(key=None, value=b"%d" % n)
    async with bench.working():
        await wait_until(lambda: len(bench.started) == 5)


async def test_a_stop_starts_nothing_that_waits() -> None:
    bench = WorkerHarness(policy=replace(POLICY, max_in_flight=1))
    gate = bench.gate(b"running")
    bench.client.append(key=b"a", value=b"running")
    bench.client.append(key=b"a", value=b"behind")
    bench.client.append(key=b"b", value=b"waiting")
    async with bench.working() as running:
        await wait_until(lambda: bench.started)
        bench.worker.stop()
        await run_pending_callbacks()
        gate.set()
        assert await running is True
    assert bench.started == [b"running"]
    assert bench.client.committed[FIRST_PARTITION] == 1


async def test_the_timer_of_a_record_that_moved_away_disturbs_nobody() -> None:
    bench = WorkerHarness(plan={b"v": [RetryLater(0.03, PROBLEM)]})
    bench.client.append()
    async with bench.working() as running:
        await wait_until(lambda: bench.worker.figures().parked == 1)
        bench.client.revoke(FIRST_PARTITION)
        await wait_until(lambda: bench.client.released == 1)
        await asyncio.sleep(0.05)
        assert not running.done()
        assert bench.started == [b"v"]
        assert bench.problems == []


async def test_a_fault_of_our_own_ends_the_worker_loudly_and_without_its_words() -> None:
    bench = WorkerHarness()
    bench.client.append(offset=5)
    bench.client.append(offset=4)  # no client may report this within one ownership
    async with bench.working() as running:
        with pytest.raises(WorkerFailedError, match="The worker broke with ValueError: tell a developer"):
            await running
    assert "offsets.py" in bench.problems[0].detail
    assert "offset 4 came after" not in repr(bench.problems)
    assert [problem.code for problem in bench.problems] == ["WORKER_FAILED"]


async def test_a_worker_that_gives_way_starts_few_while_the_other_is_full() -> None:
    full = WorkerHarness(policy=replace(POLICY, max_in_flight=1))
    gate = full.gate(b"long")
    for key in (b"a", b"b"):
        full.client.append(key=key, value=b"long")
    bench = WorkerHarness(policy=replace(POLICY, max_in_flight_yielding=2))
    gates = [bench.gate(b"%d" % number) for number in range(5)]
    for number in range(5):
        bench.client.append(key=b"%d" % number, value=b"%d" % number)
    bench.worker.yield_to([full.worker])
    async with full.working():
        await wait_until(full.worker.is_full)
        async with bench.working():
            await wait_until(lambda: len(bench.started) == 2)
            await run_pending_callbacks()
            assert len(bench.started) == 2
            gates[0].set()
            await wait_until(lambda: len(bench.started) == 3)
            gate.set()
            await wait_until(lambda: len(bench.started) == 5)
            for one in gates:
                one.set()
            await wait_until(lambda: bench.client.committed.get(FIRST_PARTITION) == 5)
