"""An outage of a whole system does not count against a single record that waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from consumers.dispatch.call import Caller, CallResult
from consumers.dispatch.outages import MAX_RECORDS, AttemptHistory, OutageTracker
from consumers.runtime.handler import Attempt
from consumers.spokes.limits.circuit_breaker import Breakers
from consumers.spokes.port import Call, UnknownSpokeError
from router.responses import HttpResponse, NoResponse, Purpose
from tests.builders.runs import NOON
from tests.builders.spokes import a_spoke
from tests.fakes.external_system import NO_RESPONSE, REFUSED_CONNECTION, FakeSystem

RETRY = {
    "initial_interval": 1.0,
    "backoff_coefficient": 2.0,
    "max_interval": 60.0,
    "max_attempts": 5,
    "max_elapsed": 600.0,
}
BUSY = HttpResponse(status=503)
TOO_MANY = HttpResponse(status=429)
BROKEN = HttpResponse(status=500)
UNAUTHORIZED = HttpResponse(status=401)


@dataclass(slots=True)
class OutageHarness:
    """One system and one worker that calls it. `elapsed` is the time since each record's first attempt."""

    system: FakeSystem = field(default_factory=FakeSystem)
    elapsed: float = 0.0
    numbers: dict[str, int] = field(default_factory=dict)
    caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        spokes = {"fibre-lab": a_spoke(retry=RETRY)}
        self.caller = Caller(
            spokes=spokes,
            client=self.system,
            now=self._now,
            random=lambda: 0.9,
            may_send=lambda: True,
            breakers=Breakers({}, self._now, lambda: 0.5),
        )

    def _now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed)

    async def fail_attempt(
        self, answer: HttpResponse | NoResponse, record: str = "r", purpose: Purpose = Purpose.SEND
    ) -> float | None:
        """Make the next attempt at a record, which fails, and advance the time by the delay."""
        self.system.plan(purpose, answer)
        result = await self._call(purpose)
        number = self.numbers[record] = self.numbers.get(record, 0) + 1
        delay = self.caller.delay_after("fibre-lab", result, Attempt(number, self.elapsed), record)
        self.elapsed += delay or 0.0
        return delay

    async def succeed(self, purpose: Purpose = Purpose.SEND) -> None:
        """Make another call, which succeeds."""
        self.system.plan(purpose, HttpResponse(status=200, body=b"[]"))
        await self._call(purpose)

    async def count_attempts(
        self, answer: HttpResponse | NoResponse, others: Purpose | None, purpose: Purpose = Purpose.SEND
    ) -> int:
        """Count the attempts at a record until it is given up, while `others` succeed. 100 means never."""
        for number in range(1, 100):
            if others is not None:
                await self.succeed(others)
            if await self.fail_attempt(answer, purpose=purpose) is None:
                return number
        return 100

    async def _call(self, purpose: Purpose) -> CallResult:
        return await self.caller.call(
            "fibre-lab", Call(purpose=purpose, method="POST", path="/serviceTest", body=b"{}")
        )


@pytest.mark.parametrize("answer", [BUSY, TOO_MANY, HttpResponse(status=507), REFUSED_CONNECTION, UNAUTHORIZED])
async def test_a_maintenance_window_gives_up_no_run(answer: HttpResponse | NoResponse) -> None:
    assert await OutageHarness().count_attempts(answer, others=None) == 100


async def test_a_run_that_fails_while_others_succeed_is_given_up() -> None:
    assert await OutageHarness().count_attempts(BUSY, others=Purpose.SEND) == 5


async def test_an_unreachable_system_is_retried_without_limit_even_if_it_answers_in_between() -> None:
    assert await OutageHarness().count_attempts(REFUSED_CONNECTION, others=Purpose.SEND) == 100


@pytest.mark.parametrize("answer", [BROKEN, NO_RESPONSE, HttpResponse(status=504)])
async def test_a_post_of_unknown_outcome_has_a_limited_number_of_attempts(
    answer: HttpResponse | NoResponse,
) -> None:
    assert await OutageHarness().count_attempts(answer, others=None) == 5


async def test_successful_reads_do_not_end_an_outage_of_writes() -> None:
    assert await OutageHarness().count_attempts(BUSY, others=Purpose.READ) == 100
    assert await OutageHarness().count_attempts(BUSY, others=Purpose.CHANGE) == 5


@pytest.mark.parametrize("others", [Purpose.SEND, Purpose.READ])
async def test_a_read_that_alone_times_out_is_given_up(others: Purpose) -> None:
    assert await OutageHarness().count_attempts(NO_RESPONSE, others, purpose=Purpose.LOOK_UP) == 5
    assert await OutageHarness().count_attempts(NO_RESPONSE, None, purpose=Purpose.LOOK_UP) == 100


@pytest.mark.parametrize("outage", [REFUSED_CONNECTION, BUSY])
async def test_the_first_503_after_a_long_outage_does_not_give_up(outage: HttpResponse | NoResponse) -> None:
    harness = OutageHarness()
    while harness.elapsed < 1200:
        assert await harness.fail_attempt(outage) is not None
    assert await harness.count_attempts(BUSY, others=Purpose.SEND) == 5


async def test_the_time_before_an_outage_counts_and_the_time_in_it_does_not() -> None:
    harness = OutageHarness()
    for _ in range(3):
        await harness.succeed()
        await harness.fail_attempt(BUSY)
    while harness.elapsed < 5000:
        await harness.fail_attempt(REFUSED_CONNECTION)
    assert await harness.count_attempts(BUSY, others=Purpose.SEND) == 2


async def test_delays_grow_during_an_outage_although_it_does_not_count() -> None:
    harness = OutageHarness()
    waits = [await harness.fail_attempt(BUSY) for _ in range(9)]
    assert waits == pytest.approx([0.9, 1.8, 3.6, 7.2, 14.4, 28.8, 54, 54, 54])


async def test_in_an_outage_retry_after_is_followed_up_to_a_limit() -> None:
    harness = OutageHarness()
    assert await harness.fail_attempt(HttpResponse(status=503, headers={"retry-after": "300"})) == pytest.approx(300.9)
    assert await harness.fail_attempt(HttpResponse(status=503, headers={"retry-after": "86400"})) == 600


async def test_one_run_that_waits_does_not_use_up_the_attempts_of_another() -> None:
    harness = OutageHarness()
    for record in ("a", "b", "c", "d"):
        await harness.succeed()
        assert await harness.fail_attempt(BUSY, record) is not None
    assert await harness.count_attempts(BUSY, others=Purpose.SEND) == 5


async def test_a_record_that_starts_again_has_all_its_attempts() -> None:
    outages, spoke = OutageTracker(), "fibre-lab"
    first, second = (
        outages.history_after("r", Attempt(number, number * 10.0), spoke, Purpose.SEND, out=True, busy=False)
        for number in (1, 2)
    )
    assert (first.excluded, second.excluded, second.excluded_seconds) == (1, 2, 20)
    assert outages.history_after("r", Attempt(1), spoke, Purpose.SEND, out=False, busy=False) == AttemptHistory()


async def test_records_that_ended_long_ago_are_forgotten() -> None:
    outages, attempt = OutageTracker(), Attempt(2, 10.0)
    for number in range(MAX_RECORDS + 1):
        outages.history_after(f"r{number}", attempt, "fibre-lab", Purpose.SEND, out=True, busy=False)
    kept = [
        outages.history_after(f"r{n}", attempt, "fibre-lab", Purpose.SEND, out=True, busy=False)
        for n in (MAX_RECORDS, 0)
    ]
    assert [tries.excluded for tries in kept] == [2, 1]


async def test_a_spoke_without_profile_is_named_with_those_that_have_one() -> None:
    with pytest.raises(UnknownSpokeError, match=r"'moon-lab' \(known: fibre-lab\)"):
        OutageHarness().caller.spoke("moon-lab")
