"""The worker reports problems without repeating them, and pauses after too many dead letters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.dead_letter_limit import DeadLetterLimitConfig
from consumers.runtime.handler import DeadLetter, RetryLater
from consumers.runtime.worker import WorkerFailedError
from schemas.problem import Problem
from tests.harness.waiting import wait_until
from tests.harness.worker import (
    FIRST_PARTITION,
    POLICY,
    PROBLEM,
    WorkerHarness,
    run_pending_callbacks,
)

if TYPE_CHECKING:
    from consumers.runtime.handler import Outcome


async def test_a_repeated_problem_is_reported_once() -> None:
    harness = WorkerHarness()
    async with harness.working():
        for _ in range(5):
            harness.client.report_error(PROBLEM)
        await run_pending_callbacks()
    assert harness.problems == [PROBLEM]


async def test_problems_of_one_code_are_throttled_whatever_record_they_name() -> None:
    harness = WorkerHarness()
    async with harness.working():
        for n in range(5):
            harness.client.report_error(Problem(code="X", sentence=f"Record {n} did not work."))
        harness.client.report_error(Problem(code="Y", sentence="Something else."))
        await wait_until(lambda: len(harness.problems) == 2)
    assert [problem.code for problem in harness.problems] == ["X", "Y"]


async def test_a_record_that_waits_for_seconds_is_reported() -> None:
    plan: dict[bytes, list[Outcome | Exception]] = {
        b"long": [*[RetryLater(0.0, PROBLEM)] * 3, RetryLater(6.0, PROBLEM)],
        b"short": [*[RetryLater(0.0, PROBLEM)] * 3, RetryLater(4.0, PROBLEM)],
    }
    harness = WorkerHarness(policy=replace(POLICY, report_after=5.0), plan=plan)
    harness.client.append(key=b"a", value=b"short")
    harness.client.append(key=b"b", value=b"long")
    async with harness.working():
        await wait_until(lambda: harness.worker.figures().parked == 2 and harness.problems)
    (complaint,) = harness.problems
    assert complaint.code == PROBLEM.code
    assert complaint.sentence == f"lifecycle[0] offset 1 was tried 4 times and waits: {PROBLEM.sentence}"


async def test_too_many_dead_letters_stop_the_work_are_reported_and_it_resumes_later() -> None:
    policy = replace(POLICY, dead_letter_limit=DeadLetterLimitConfig(limit=3, cool_down=0.1), max_in_flight=1)
    values = [b"%d" % n for n in range(6)]
    harness = WorkerHarness(policy=policy, plan={value: [DeadLetter(PROBLEM)] for value in values[:3]})
    for value in values:
        harness.client.append(key=value, value=value)
    async with harness.working():
        await wait_until(lambda: harness.problems)
        assert harness.problems[0].code == "DEAD_LETTER_LIMIT_REACHED"
        assert harness.started == values[:3]
        assert harness.worker.figures().held == 3
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 6)
        await wait_until(lambda: harness.worker.figures().held == 0)


async def test_an_internal_error_ends_the_worker_and_is_reported_without_the_exception_text() -> None:
    harness = WorkerHarness()
    harness.client.append(offset=5)
    harness.client.append(offset=4)  # no client may report this within one assignment
    async with harness.working() as running:
        with pytest.raises(WorkerFailedError, match="The worker broke with ValueError: tell a developer"):
            await running
    assert "offsets.py" in harness.problems[0].detail
    assert "offset 4 came after" not in repr(harness.problems)
    assert [problem.code for problem in harness.problems] == ["WORKER_FAILED"]
