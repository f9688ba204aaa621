"""The attempts at a command, the time of the first one and the limits of the profile continue after a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.dispatch.outages import OutageTracker
from consumers.run_updates.acknowledgements import Acknowledgements
from consumers.runtime.handler import Attempt, DeadLetter, Done, RetryLater
from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import LOCKED, NO_RESPONSE, REFUSED_CONNECTION, json_answer
from tests.harness.gateway import RETRY, InMemoryGateway

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.runtime.handler import Outcome, Record
    from router.responses import NoResponse
    from router.runs.failed_attempt import FailedAttempt
    from schemas.problem import Problem

DISPATCH = "testrun.dispatch.fibre-lab"
MAX_ATTEMPTS = int(RETRY["max_attempts"])
MAX_ELAPSED = RETRY["max_elapsed"]
PATCHABLE: dict[str, object] = {"patchable": ["description"]}
COMMANDS = [Purpose.SEND, Purpose.CHANGE, Purpose.CANCEL]


@dataclass(slots=True)
class RestartedGateway:
    """A gateway whose process may be killed between two attempts at the one command that it has."""

    gateway: InMemoryGateway = field(default_factory=lambda: InMemoryGateway(profile=PATCHABLE))
    counted: Attempt = field(default_factory=lambda: Attempt(0))
    number: int = 0  # attempts of this process
    began: datetime | None = None
    record: Record | None = None
    problem: Problem | None = None

    async def command(self, purpose: Purpose) -> None:
        """Have a command for a run: its POST, or a change or cancellation of the accepted run."""
        event: RunRequested | RunChanged | RunCancelled = RunRequested(run=a_document())
        if purpose is not Purpose.SEND:
            await self.gateway.process_request(a_document())
        if purpose is Purpose.CHANGE:
            event = RunChanged(run=a_document(version=2, description="fast"))
        if purpose is Purpose.CANCEL:
            event = RunCancelled(run_id="TR0001", root_run_id="TR0001")
        self.gateway.produce(self.gateway.names.lifecycle, event, f"{purpose}")
        await self.gateway.process_next(self.gateway.names.lifecycle)
        (self.record,) = self.gateway.waiting(DISPATCH)

    async def attempt(self) -> Outcome:
        """Make one attempt as the runtime does, and wait until the next one."""
        assert self.record is not None
        clock = self.gateway.clock
        self.began = self.began or clock.at
        self.number += 1
        elapsed = (clock.at - self.began).total_seconds()
        outcome = await self.gateway.attempt_with(self.record, Attempt(self.number, elapsed))
        if isinstance(outcome, RetryLater | DeadLetter):
            assert outcome.counted is not None
            self.counted, self.problem = outcome.counted, outcome.problem
            self.began -= timedelta(seconds=outcome.counted.elapsed - elapsed)
            self.number = outcome.counted.number
        if isinstance(outcome, RetryLater):
            clock.at += timedelta(seconds=outcome.delay)
        return outcome

    def kill(self) -> None:
        """Begin as a process that knows what is stored, and nothing else."""
        gateway = self.gateway
        gateway.outages, gateway.acknowledgements = OutageTracker(), Acknowledgements()
        gateway.breakers = gateway.new_breakers()
        self.number, self.began = 0, None

    def failed(self) -> FailedAttempt:
        """Return the last attempt that is stored."""
        failed = self.gateway.row().failed_attempt
        assert failed is not None
        return failed


async def run_until_given_up(purpose: Purpose, outages: set[int], kills: set[int]) -> tuple[RestartedGateway, int]:
    """Let each attempt fail, those of `outages` without a connection; return the attempts that reached the system."""
    restarted = RestartedGateway()
    await restarted.command(purpose)
    reached = 0
    for number in range(1, 60):
        reaction: HttpResponse | NoResponse = REFUSED_CONNECTION if number in outages else LOCKED
        calls = len(restarted.gateway.system.calls_made(purpose))
        restarted.gateway.system.forget_plans()
        restarted.gateway.system.plan(purpose, reaction)
        outcome = await restarted.attempt()
        reached += reaction is LOCKED and len(restarted.gateway.system.calls_made(purpose)) > calls
        if isinstance(outcome, DeadLetter):
            return restarted, reached
        if number in kills:
            restarted.kill()
    raise AssertionError("it is never given up")


@pytest.mark.parametrize("purpose", COMMANDS)
@settings(max_examples=50)
@given(outages=st.sets(st.integers(1, 12), max_size=6), kills=st.sets(st.integers(1, 20)))
async def test_a_command_is_given_up_after_the_attempts_of_its_profile_whatever_kills_and_outages_come_between(
    purpose: Purpose, outages: set[int], kills: set[int]
) -> None:
    _, reached = await run_until_given_up(purpose, outages, kills)
    assert reached == MAX_ATTEMPTS  # it was as many again after each kill


@pytest.mark.parametrize("purpose", COMMANDS)
async def test_the_dead_letter_counts_the_attempts_of_all_processes_from_the_first(purpose: Purpose) -> None:
    restarted = RestartedGateway()
    await restarted.command(purpose)
    began = restarted.gateway.clock.at
    restarted.gateway.system.plan(purpose, *[LOCKED] * 4)
    outcome: Outcome = Done()
    for _ in range(4):
        outcome = await restarted.attempt()
        restarted.kill()
    assert isinstance(outcome, DeadLetter)
    assert restarted.counted.number == MAX_ATTEMPTS
    assert restarted.counted.first_at is not None
    assert timedelta() <= restarted.counted.first_at - began < timedelta(seconds=1)
    assert restarted.counted.elapsed == pytest.approx(7 / 2, abs=0.2)  # 1 + 2 + 4 seconds, and jitter of a half


@pytest.mark.parametrize("purpose", COMMANDS)
async def test_a_command_waits_after_a_restart_until_its_next_attempt_is_due(purpose: Purpose) -> None:
    restarted = RestartedGateway()
    await restarted.command(purpose)
    restarted.gateway.system.plan(purpose, HttpResponse(status=423, headers={"retry-after": "100"}))
    outcome = await restarted.attempt()
    assert isinstance(outcome, RetryLater)
    restarted.gateway.clock.at -= timedelta(seconds=60)
    restarted.kill()
    outcome = await restarted.attempt()
    assert isinstance(outcome, RetryLater)
    assert outcome.delay == pytest.approx(60, abs=1)
    assert restarted.counted.number == 1
    assert len(restarted.gateway.system.calls_made(purpose)) == 1
    assert isinstance(await restarted.attempt(), Done)


async def test_a_clock_that_was_set_back_delays_a_command_for_no_longer_than_its_profile() -> None:
    restarted = RestartedGateway()
    await restarted.command(Purpose.SEND)
    restarted.gateway.system.plan(Purpose.SEND, LOCKED)
    await restarted.attempt()
    restarted.gateway.clock.at -= timedelta(days=365)
    restarted.kill()
    outcome = await restarted.attempt()
    assert isinstance(outcome, RetryLater)
    assert outcome.delay == MAX_ELAPSED


async def test_the_time_limit_continues_after_a_restart() -> None:
    restarted = RestartedGateway(InMemoryGateway(profile={"retry": {**RETRY, "max_attempts": 100}}))
    await restarted.command(Purpose.SEND)
    restarted.gateway.system.plan(Purpose.SEND, *[LOCKED] * 100)
    began = restarted.gateway.clock.at
    while isinstance(await restarted.attempt(), RetryLater):
        restarted.kill()
    assert (restarted.gateway.clock.at - began).total_seconds() == pytest.approx(MAX_ELAPSED, abs=1)


async def test_the_time_in_which_no_process_ran_does_not_count() -> None:
    restarted = RestartedGateway()
    await restarted.command(Purpose.SEND)
    restarted.gateway.system.plan(Purpose.SEND, *[LOCKED] * 3)
    began = restarted.gateway.clock.at
    await restarted.attempt()
    restarted.kill()
    restarted.gateway.clock.at += timedelta(days=2)
    assert isinstance(await restarted.attempt(), RetryLater)
    assert restarted.counted.elapsed > timedelta(days=2).total_seconds()
    assert isinstance(await restarted.attempt(), RetryLater)
    assert restarted.failed().first_at is not None
    assert restarted.failed().first_at - began < timedelta(seconds=1)  # type: ignore[operator] # it is not None


@pytest.mark.parametrize("purpose", COMMANDS)
async def test_a_command_that_is_redriven_is_counted_afresh(purpose: Purpose) -> None:
    restarted, _ = await run_until_given_up(purpose, set(), {2})
    gateway, record = restarted.gateway, restarted.record
    assert record is not None
    assert restarted.problem is not None
    await gateway.publish_dead_letter(record, DeadLetter(restarted.problem))
    restarted.kill()
    gateway.system.forget_plans()
    gateway.system.plan(purpose, LOCKED)
    assert isinstance(await restarted.attempt(), RetryLater)
    assert restarted.counted.number == 1


async def test_a_run_that_a_programming_error_ended_is_counted_afresh_when_it_is_redriven() -> None:
    gateway = InMemoryGateway()
    restarted = RestartedGateway(gateway)
    await restarted.command(Purpose.SEND)
    gateway.system.plan(Purpose.SEND, LOCKED, LOCKED)
    outcome = await restarted.attempt()
    assert isinstance(outcome, RetryLater)
    assert restarted.record is not None
    await gateway.publish_dead_letter(restarted.record, DeadLetter(outcome.problem))
    assert (gateway.row().phase, restarted.failed().next_at) == (Phase.FALLOUT, None)
    restarted.kill()
    await restarted.attempt()
    assert restarted.counted.number == 1


@pytest.mark.parametrize("purpose", [Purpose.CHANGE, Purpose.CANCEL])
@pytest.mark.parametrize("reaction", [LOCKED, HttpResponse(status=503), HttpResponse(status=401), REFUSED_CONNECTION])
async def test_a_change_and_a_cancellation_that_wait_keep_the_last_error_and_the_next_attempt(
    purpose: Purpose, reaction: HttpResponse | NoResponse
) -> None:
    restarted = RestartedGateway()
    await restarted.command(purpose)
    restarted.gateway.system.plan(purpose, reaction)
    assert isinstance(await restarted.attempt(), RetryLater)
    failed = restarted.failed()
    assert (failed.number, failed.purpose, failed.next_at is None) == (1, purpose, False)
    assert "could not be sent to fibre-lab" in failed.message
    assert restarted.gateway.row().phase is Phase.ACCEPTED
    assert isinstance(await restarted.attempt(), Done)
    assert restarted.gateway.row().failed_attempt is None


@pytest.mark.parametrize("purpose", [Purpose.CHANGE, Purpose.CANCEL])
async def test_a_change_or_cancellation_that_waits_for_a_system_that_is_out_is_stored_once(purpose: Purpose) -> None:
    restarted = RestartedGateway()
    await restarted.command(purpose)
    restarted.gateway.system.plan(purpose, *[REFUSED_CONNECTION] * 20)
    revisions = set()
    for _ in range(20):
        assert isinstance(await restarted.attempt(), RetryLater)
        revisions.add(restarted.gateway.row().revision)
    assert len(revisions) <= 2  # the attempt, and the update that the system is down


async def test_a_change_that_was_refused_in_the_end_keeps_no_next_attempt() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    gateway.system.plan(Purpose.CHANGE, *[LOCKED] * 10)
    await gateway.process_request(a_document())
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.updates()[-1] is UpdateKind.CHANGE_REFUSED
    assert gateway.row().failed_attempt is None
    assert len(gateway.system.calls_made(Purpose.CHANGE)) == MAX_ATTEMPTS


async def test_attempts_during_an_outage_do_not_use_up_those_that_wait_until_a_change_is_shown() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    await gateway.process_request(a_document())
    opposite = HttpResponse(status=200, body=b'{"id": "ext-TR0001", "state": "acknowledged", "description": "slow"}')
    gateway.system.plan(Purpose.CHANGE, *[REFUSED_CONNECTION] * 5, opposite)
    gateway.system.plan(Purpose.READ, opposite)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.updates()[-1] is UpdateKind.CHANGE_ACCEPTED  # it was refused at the first answer


async def test_a_post_that_was_refused_until_an_operator_acts_is_looked_up_also_after_an_outage() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=401), REFUSED_CONNECTION)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "r")
    await gateway.process_next(gateway.names.lifecycle)
    (record,) = gateway.waiting(DISPATCH)
    for number in (1, 2):
        await gateway.attempt(record, number)
    looked_up = len(gateway.system.calls_made(Purpose.LOOK_UP))
    assert gateway.row().failed_attempt is not None
    assert gateway.row().failed_attempt.was_refused  # type: ignore[union-attr] # it is not None
    await gateway.attempt(record, 3)
    assert len(gateway.system.calls_made(Purpose.LOOK_UP)) == looked_up + 1


async def test_look_ups_after_a_kill_go_on_at_once_and_count_on() -> None:
    restarted = RestartedGateway()
    await restarted.command(Purpose.SEND)
    restarted.gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    restarted.gateway.system.plan(Purpose.LOOK_UP, *[HttpResponse(status=500)] * 9)
    numbers = []
    for _ in range(3):
        await restarted.attempt()
        numbers.append(restarted.counted.number)
        restarted.kill()
    assert numbers == [1, 2, 3]


async def test_a_child_that_waits_for_the_id_of_its_parent_keeps_why_and_until_when() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    gateway.system.plan(Purpose.LOOK_UP, *[json_answer(200, [])] * 4)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_tree(children=1)), "tree")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.process_next(DISPATCH)
    (record,) = gateway.waiting(DISPATCH)
    assert isinstance(await gateway.attempt(record), RetryLater)
    child = gateway.row("TR0001-1")
    assert child.phase is Phase.ROUTED
    assert child.failed_attempt is not None
    assert (child.failed_attempt.number, child.failed_attempt.code) == (1, "EXTERNAL_ID_PENDING")
    assert child.failed_attempt.next_at is not None
    assert not child.failed_attempt.is_excluded
