"""Every silent run is polled, no report is processed twice, and problems are reported."""

from __future__ import annotations

from datetime import timedelta

import pytest

from consumers.inbound.polling.poller import MAX_NOT_FOUND_ROUNDS, MAX_PUBLISHED_BODY, PAGE_SIZE, Poller
from consumers.spokes.limits.circuit_breaker import BreakerPolicy
from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run
from tests.fakes.external_system import REFUSED_CONNECTION
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

LONG_AGO = NOON - timedelta(hours=1)


def a_gateway(runs: int = 1) -> InMemoryGateway:
    """Return a gateway with silent runs that their system knows."""
    rows = [a_run(f"TR{n:04}", phase=Phase.ACCEPTED, updated_at=LONG_AGO) for n in range(runs)]
    gateway = InMemoryGateway(store=InMemoryRunStore(*rows))
    for row in rows:
        test = {"id": row.external_id, "name": row.requested.name, "state": "acknowledged"}
        gateway.system.tests[row.external_id or ""] = test
    return gateway


def a_poller(gateway: InMemoryGateway) -> Poller:
    return Poller(
        caller=gateway.caller,
        store=gateway.store,
        events=gateway.events,
        now=gateway.clock,
        warn=gateway.problems.append,
    )


async def poll_once(gateway: InMemoryGateway, poller: Poller | None = None) -> int:
    """Poll once, when every claim of the polls before has ended, and process the reports that the poll published."""
    poller = poller or a_poller(gateway)
    gateway.clock.at += timedelta(minutes=2)
    count = await poller.poll_silent_runs(poller.caller.spoke("fibre-lab").profile)
    await gateway.run_until_idle()
    return count


async def test_a_polled_state_updates_the_run() -> None:
    gateway = a_gateway()
    gateway.system.tests["ext-TR0000"]["state"] = "completed"
    assert await poll_once(gateway) == 1
    assert [result.state for result in gateway.results("TR0000")] == [RunState.COMPLETED]


async def test_an_answer_that_the_inbound_topic_does_not_take_is_read_by_its_consumer() -> None:
    gateway = a_gateway()
    measured = [{"id": "TM1", "value": {"value": "v" * (MAX_PUBLISHED_BODY + 1)}}]
    gateway.system.tests["ext-TR0000"] |= {"state": "completed", "testMeasure": measured}
    gateway.publisher.max_bytes[gateway.names.inbound] = MAX_PUBLISHED_BODY + 10_000
    poller = a_poller(gateway)
    assert await poll_once(gateway, poller) == 1
    assert [result.state for result in gateway.results("TR0000")] == [RunState.COMPLETED]
    assert await poll_once(gateway, poller) == 0


async def test_runs_behind_two_hundred_unchanged_ones_are_polled() -> None:
    runs = 2 * PAGE_SIZE + 50
    gateway = a_gateway(runs)
    assert await poll_once(gateway) == runs
    for run_id, row in gateway.store.runs.items():
        reports = row.processed_reports
        gateway.store.runs[run_id] = a_run(run_id, phase=row.phase, updated_at=LONG_AGO, processed_reports=reports)
    gateway.system.calls.clear()
    assert await poll_once(gateway) == 0
    assert len({call.path for call in gateway.system.calls_made(Purpose.READ)}) == runs


async def test_a_run_that_its_system_no_longer_has_is_ended() -> None:
    gateway = a_gateway()
    gateway.system.tests.clear()
    poller = a_poller(gateway)
    for _ in range(MAX_NOT_FOUND_ROUNDS - 1):
        assert await poll_once(gateway, poller) == 0
    assert gateway.row("TR0000").phase is Phase.ACCEPTED
    assert await poll_once(gateway, poller) == 1
    assert gateway.results("TR0000") == []
    await gateway.advance(700, step=10)
    (result,) = gateway.results("TR0000")
    assert (result.state, result.reasons[-1].code) == (RunState.FAILED, "LOST")
    assert len(gateway.problems) == MAX_NOT_FOUND_ROUNDS
    assert "fibre-lab did not return the state of ext-TR0000, its id of run TR0000: notFound" in gateway.problems[0]
    assert not gateway.dead_lettered


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
async def test_an_answer_without_content_counts_as_not_found(body: bytes) -> None:
    gateway = a_gateway()
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=200, body=body)] * 100)
    poller = a_poller(gateway)
    assert [await poll_once(gateway, poller) for _ in range(MAX_NOT_FOUND_ROUNDS)] == [0, 0, 1]
    await gateway.advance(700, step=10)
    assert [result.reasons[-1].code for result in gateway.results("TR0000")] == ["LOST"]


async def test_a_run_that_is_found_again_in_between_is_not_lost() -> None:
    gateway = a_gateway()
    poller = a_poller(gateway)
    for _ in range(MAX_NOT_FOUND_ROUNDS):
        gateway.system.plan(Purpose.READ, HttpResponse(status=404))
        assert await poll_once(gateway, poller) == 0
        gateway.system.plan(Purpose.READ, HttpResponse(status=500))
        assert await poll_once(gateway, poller) == 0
    assert gateway.row("TR0000").phase is Phase.ACCEPTED


async def test_a_run_that_only_the_poller_did_not_find_goes_on() -> None:
    gateway = a_gateway()
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=404)] * MAX_NOT_FOUND_ROUNDS)
    gateway.system.tests["ext-TR0000"]["state"] = "inProgress"
    poller = a_poller(gateway)
    assert [await poll_once(gateway, poller) for _ in range(MAX_NOT_FOUND_ROUNDS)] == [0, 0, 1]
    assert (gateway.row("TR0000").phase, gateway.results("TR0000")) == (Phase.IN_PROGRESS, [])


@pytest.mark.parametrize("status", [401, 500])
async def test_a_system_that_refuses_to_be_polled_is_reported(status: int) -> None:
    gateway = a_gateway(3)
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=status)] * 3)
    assert await poll_once(gateway) == 0
    (complaint,) = gateway.problems
    assert "ext-TR0000, its id of run TR0000 (and 2 others): HTTP_" in complaint


async def test_polling_a_system_that_is_down_stops_before_the_page_ends() -> None:
    gateway = a_gateway(2 * PAGE_SIZE)
    gateway.system.plan(Purpose.READ, *[REFUSED_CONNECTION] * PAGE_SIZE)
    assert await poll_once(gateway) == 0
    assert len(gateway.system.calls_made(Purpose.READ)) == BreakerPolicy().failures
    assert len(gateway.problems) == 1


@pytest.mark.parametrize("body", [b'{"error": {"message": "No Record found"}, "status": "failure"}', b'{"result": []}'])
async def test_a_poll_that_is_answered_with_an_error_under_200_counts_as_not_found(body: bytes) -> None:
    gateway = a_gateway()
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=200, body=body)] * (MAX_NOT_FOUND_ROUNDS + 1))
    poller = a_poller(gateway)
    published = [await poll_once(gateway, poller) for _ in range(MAX_NOT_FOUND_ROUNDS)]
    assert published == [0] * (MAX_NOT_FOUND_ROUNDS - 1) + [1]
    assert gateway.row("TR0000").watch is not None


async def test_a_polled_run_in_an_envelope_is_read() -> None:
    gateway = a_gateway()
    body = b'{"serviceTest": {"id": "ext-TR0000", "state": "completed"}}'
    gateway.system.plan(Purpose.READ, HttpResponse(status=200, body=body))
    assert await poll_once(gateway) == 1
    assert [result.state for result in gateway.results("TR0000")] == [RunState.COMPLETED]


async def test_a_poll_that_is_answered_with_another_run_reports_nothing() -> None:
    gateway = a_gateway()
    gateway.system.plan(Purpose.READ, HttpResponse(status=200, body=b'{"id": "ext-OTHER", "state": "failed"}'))
    assert await poll_once(gateway) == 0
    assert "another run" in gateway.problems[0]
    assert gateway.row("TR0000").phase is Phase.ACCEPTED
