"""Runs that are changed and cancelled in flight against systems with every fault at once; the systems are the oracle.

With no variable set it is a part of what an acceptance runs, with a fresh seed that is printed. The whole of it, 2,000
runs, and one seed again:

    SOUTHBOUND_TEST_FAULT_RUNS=2000 .venv/bin/pytest -s tests/integration/service/test_every_fault.py
    SOUTHBOUND_TEST_FAULT_SEED=42 .venv/bin/pytest -s tests/integration/service/test_every_fault.py

A seed repeats the load and the draws of the faults, and not the timing of the machine.
"""

from __future__ import annotations

import os
from secrets import randbelow
from typing import TYPE_CHECKING

import pytest

from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from southbound.simulator.faults.settings import CallbackFault, RequestFault
from tests.fixtures.faulty_systems import (
    SECRET,
    SECRET_NAME,
    a_service_and_faulty_systems,
    children_changed_in_roots,
    faults_of,
    stored_rows,
    stored_tests,
)
from tests.generators.in_flight_load import (
    CHARACTERISTIC,
    REPOSTED,
    ROOTED,
    Fate,
    content,
    interleaved,
    planned_requests,
    setting_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.runs.run import RunRow
    from schemas.results import RunResult
    from tests.fixtures.faulty_systems import PublishedEvents, ResourceOfRun
    from tests.fixtures.service import ServiceUnderTest
    from tests.generators.in_flight_load import PlannedRequest

RUNS = int(os.environ.get("SOUTHBOUND_TEST_FAULT_RUNS", "300"))
SEED = int(os.environ.get("SOUTHBOUND_TEST_FAULT_SEED", "0")) or randbelow(2**32)
PATIENCE = 150.0 + RUNS / 5  # seconds until the last result
BATCH = 50  # events
SHOWN = 10  # violations, each of which is a long line
# A notification that comes a minute before the outcome of its POST is known, on a slow machine: the poll replaces it.
EARLY = {"REPORT_WITHOUT_RUN"}
# So rare that a small number of requests may not draw it; tokens end by their lifetime in any case.
RARE = {RequestFault.EXPIRED_TOKEN}


@pytest.mark.timeout(PATIENCE + 120)
async def test_each_run_has_one_active_test_with_the_last_content_and_one_result(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"SOUTHBOUND_TEST_FAULT_SEED={SEED} SOUTHBOUND_TEST_FAULT_RUNS={RUNS}")  # noqa: T201 - shown when it fails
    monkeypatch.setenv(SECRET_NAME, SECRET)
    planned = planned_requests(SEED, RUNS)
    async with a_service_and_faulty_systems(kafka_bootstrap, tmp_path, SEED) as (service, published):
        await _publish(service, published, planned)
        missing = await _wait_for_results(service, published, planned)
        faults = {name: await faults_of(system) for name, system in service.systems.items()}
        print(faults)  # noqa: T201 - as above
        assert await service.stop()
        rows = await stored_rows(service)
        tests, changed_in_roots = stored_tests(service), children_changed_in_roots(service, f"{ROOTED}-lab")
        published.read_new()
        assert [str(rows.get(run_id)) for run_id in missing[:3]] == [], (SEED, len(missing))
        letters = [letter for letter in service.dead_letters() if letter.header("southbound-dlq-code") not in EARLY]
        assert [letter.header("southbound-dlq-reason") for letter in letters] == []
    wrong = [line for each in planned for line in _judge(each, tests, rows, published)]
    assert not wrong, "\n".join([f"seed {SEED}: {len(wrong)} violations", *wrong[:SHOWN]])
    for each in planned:  # a change that is not early finds the request at its system
        if (each.service, each.fate, each.early) == (ROOTED, Fate.CHANGED, False):
            assert changed_in_roots.issuperset(tests[run_id][0].id for run_id in each.children), each
    drawn = {fault for counts in faults.values() for fault in (*counts["requests"], *counts["callbacks"])}
    assert {*RequestFault, *CallbackFault} - RARE <= drawn
    assert any(counts["tokens"]["refused"] for counts in faults.values())  # the first one of a system ends after 7 s


async def _publish(service: ServiceUnderTest, published: PublishedEvents, planned: Sequence[PlannedRequest]) -> None:
    """Publish all requests, and what follows them early; then the rest, as soon as its runs are accepted."""
    events = interleaved(planned, SEED)
    for place in range(0, len(events), BATCH):
        await service.publish(*events[place : place + BATCH])
    waiting = {each.root_run_id: each for each in planned if not each.early and each.fate is not Fate.LEFT_ALONE}
    accepted: set[str] = set()

    def publishable() -> list[PlannedRequest]:
        accepted.update(update.run_id for update in published.read_new() if update.kind is UpdateKind.ACCEPTED)
        return [each for each in waiting.values() if accepted.issuperset(each.run_ids)]

    while waiting:
        for each in await service.wait_until(publishable, f"{len(waiting)} accepted, {SEED}", PATIENCE):
            await service.publish(*each.in_flight())
            del waiting[each.root_run_id]


async def _wait_for_results(
    service: ServiceUnderTest, published: PublishedEvents, planned: Sequence[PlannedRequest]
) -> list[str]:
    """Wait until every run and every request has a result; return the runs that have none in time."""
    runs, roots = {run_id for each in planned for run_id in each.run_ids}, {each.root_run_id for each in planned}

    def is_complete() -> bool:
        published.read_new()
        return published.results.keys() >= runs and published.request_results.keys() >= roots

    try:
        await service.wait_until(is_complete, "all results", PATIENCE)
    except AssertionError:
        return sorted(runs - published.results.keys()) or sorted(roots - published.request_results.keys())
    return []


def _judge(
    planned: PlannedRequest,
    tests: dict[str, list[ResourceOfRun]],
    rows: dict[str, RunRow],
    published: PublishedEvents,
) -> list[str]:
    """Return a sentence for each thing about a request that is not as it must be."""
    found = [f"{planned.root_run_id}: request results {published.request_results[planned.root_run_id]}"]
    wrong = found if len(published.request_results[planned.root_run_id]) != 1 else []
    for run_id in planned.run_ids:
        at_system, row, results = tests.get(run_id, []), rows.get(run_id), list(published.results[run_id].values())
        expect = _cancelled if planned.fate is Fate.CANCELLED else _completed
        wrong += [f"{run_id} ({planned}): {each}" for each in expect(planned, at_system, row, results)]
        # What was done in the end was never told as refused.
        wrong += [f"{run_id} ({planned}): {each}" for each in published.refusals[run_id]]
    return wrong


def _completed(
    planned: PlannedRequest, at_system: list[ResourceOfRun], row: RunRow | None, results: list[RunResult]
) -> list[str]:
    last = planned.last_version
    setting = setting_of(last)
    if planned.service == REPOSTED:  # what was replaced is not active
        at_system = [test for test in at_system if test.state != "cancelled"]
    checks = {
        f"{len(at_system)} tests at the systems": len(at_system) == 1,
        f"the test is {at_system}": all(_has_content(test, last, setting, "completed") for test in at_system),
        f"{len(results)} results": len(results) == 1,
        f"the result is {results}": all(
            (each.state, each.result) == (RunState.COMPLETED, Result.PASS)
            and [(measure.id, measure.value) for measure in each.test_measure] == [("M1", setting)]
            for each in results
        ),
        f"the row is {row}": row is not None
        and row.phase is Phase.FULFILLED
        and row.accepted_version == last
        and [(measure.id, measure.value) for measure in row.measures] == [("M1", setting)]
        and row.external_id == (at_system[0].id if at_system else None),
    }
    return [sentence for sentence, holds in checks.items() if not holds]


def _has_content(test: ResourceOfRun, version: int, setting: str, state: str) -> bool:
    wanted = (state, content(version), {CHARACTERISTIC: setting})
    return (test.state, test.description, test.settings) == wanted


def _cancelled(
    planned: PlannedRequest, at_system: list[ResourceOfRun], row: RunRow | None, results: list[RunResult]
) -> list[str]:
    # A run that is cancelled before it is sent never reaches its system.
    checks = {
        f"{len(at_system)} tests at the systems": len(at_system) <= 1,
        f"the test is {at_system}": all(
            _has_content(test, planned.last_version, setting_of(1), "cancelled") for test in at_system
        ),
        f"{len(results)} results": len(results) == 1,
        f"the result is {results}": all(each.state is RunState.CANCELLED for each in results),
        f"the row is {row}": row is not None and row.phase is Phase.CANCELLED,
    }
    return [sentence for sentence, holds in checks.items() if not holds]
