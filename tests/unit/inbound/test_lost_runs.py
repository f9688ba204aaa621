"""A run that its system does not show counts as lost only after a time and several answers, and is taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from consumers.inbound.checks.due_checks import DueCheckPublisher, check_event
from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import REFUSED_CONNECTION, json_answer
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
GONE = [
    HttpResponse(status=404),
    HttpResponse(status=410),
    HttpResponse(status=200),
    HttpResponse(status=204),
    HttpResponse(status=200, body=b"null"),
    HttpResponse(status=200, body=b" {} "),
    json_answer(200, []),
]


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document())
    return gateway


async def lose(gateway: InMemoryGateway) -> None:
    """Let the system forget the run for eleven minutes."""
    gateway.system.tests.clear()
    await gateway.process_callback(TEST)
    await gateway.advance(660, step=5)


@pytest.mark.parametrize("answer", GONE)
async def test_a_system_that_does_not_show_a_run_for_a_while_ends_nothing(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[answer] * 6)
    await gateway.process_callback(TEST)
    assert (gateway.row().phase, gateway.results()) == (Phase.ACCEPTED, [])
    assert [reason.code for reason in gateway.last_update().reasons] == ["NOT_FOUND_AT_SYSTEM"]
    gateway.system.tests[TEST]["state"] = "inProgress"
    await gateway.advance(590, step=5)
    assert (gateway.row().phase, gateway.row().watch) == (Phase.IN_PROGRESS, None)
    assert gateway.results() == []


async def test_fault_answers_that_are_no_run_count_as_if_they_did_not_show_it() -> None:
    gateway = await a_run_that_is_out()
    pages = [json_answer(200, {"message": "maintenance"})] * 60
    gateway.system.plan(Purpose.READ, HttpResponse(status=404), *pages)
    await gateway.process_callback(TEST)
    await gateway.advance(900, step=5)
    gateway.system.forget_plans()
    gateway.system.plan(Purpose.READ, HttpResponse(status=404))
    await gateway.advance(900, step=5)
    assert (gateway.row().phase, gateway.results()) == (Phase.ACCEPTED, [])


@pytest.mark.parametrize("answer", GONE)
async def test_a_run_that_is_not_shown_for_ten_minutes_is_lost(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[answer] * 100)
    await gateway.process_callback(TEST)
    await gateway.advance(590, step=5)
    assert gateway.results() == []
    await gateway.advance(60, step=5)
    (result,) = gateway.results()
    assert (result.state, result.reasons[-1].code) == (RunState.FAILED, "LOST")
    assert 3 <= len(gateway.system.calls_made(Purpose.READ)) < 20
    watch = gateway.row().watch
    assert watch is not None
    assert watch.answers >= 3  # it was 0 for a run that is lost by its answers
    assert not gateway.dead_lettered


async def test_fault_a_run_that_a_change_did_not_find_was_never_asked_for_again() -> None:
    gateway = await a_run_that_is_out(patchable=["description"], lost_after=60)
    gateway.system.tests.clear()
    await gateway.process_change(a_document(version=2, description="other"))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS, UpdateKind.CHANGE_REFUSED]
    assert (gateway.row().phase, gateway.results()) == (Phase.ACCEPTED, [])
    await gateway.advance(200, step=5)
    assert [result.reasons[-1].code for result in gateway.results()] == ["LOST"]


async def test_a_run_that_is_not_there_after_a_refused_change_is_asked_for_again() -> None:
    gateway = await a_run_that_is_out(patchable=["description"], lost_after=60)
    gateway.system.plan(Purpose.CHANGE, HttpResponse(status=500), HttpResponse(status=409))
    gateway.system.tests.clear()
    await gateway.process_change(a_document(version=2, description="other"))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS, UpdateKind.CHANGE_REFUSED]
    await gateway.advance(200, step=5)
    assert [result.reasons[-1].code for result in gateway.results()] == ["LOST"]


async def test_a_change_that_finds_no_run_leaves_the_wait_for_measures_as_it_is() -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"], "lost_after": 60, "measures_grace": 300})
    await gateway.process_request(a_document(measures=("TM1",)))
    await gateway.process_callback(TEST, state="completed")
    gateway.system.tests.clear()
    waits = gateway.row().watch
    await gateway.process_change(a_document(version=2, measures=("TM1",), description="other"))
    assert UpdateKind.CHANGE_REFUSED in gateway.updates()
    assert gateway.row().watch == waits


async def test_fault_a_run_that_its_deadline_did_not_find_was_never_asked_for_again() -> None:
    gateway = await a_run_that_is_out(expected_duration=60, time_out=6_000, lost_after=60)
    gateway.system.tests.clear()
    await gateway.advance(65)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS, UpdateKind.JEOPARDY]
    assert (gateway.row().phase, gateway.results()) == (Phase.ACCEPTED, [])
    await gateway.advance(200, step=5)
    assert [result.reasons[-1].code for result in gateway.results()] == ["LOST"]


async def test_the_time_until_a_run_is_lost_is_the_profiles() -> None:
    gateway = await a_run_that_is_out(lost_after=5)
    gateway.system.tests.clear()
    await gateway.process_callback(TEST)
    await gateway.advance(10)
    assert [result.reasons[-1].code for result in gateway.results()] == ["LOST"]


async def test_an_outage_does_not_count_as_not_found() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, HttpResponse(status=404), *[REFUSED_CONNECTION] * 200)
    await gateway.process_callback(TEST)
    await gateway.advance(3600, step=10)
    assert (gateway.row().phase, gateway.results()) == (Phase.ACCEPTED, [])
    assert len(gateway.system.calls_made(Purpose.READ)) < 30


async def test_a_lost_run_on_which_the_system_reports_again_is_taken_back() -> None:
    gateway = await a_run_that_is_out()
    test = dict(gateway.system.tests[TEST])
    await lose(gateway)
    gateway.system.tests[TEST] = test
    await gateway.process_callback(TEST, state="inProgress")
    assert (gateway.row().phase, gateway.row().result, gateway.row().finished_at) == (Phase.IN_PROGRESS, None, None)
    assert gateway.updates()[-2:] == [UpdateKind.PROGRESS, UpdateKind.PROGRESS]
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    assert [result.state for result in gateway.results()] == [RunState.FAILED, RunState.COMPLETED]
    assert "LOST" not in {reason.code for reason in gateway.results()[-1].reasons}
    assert [result.state for result in gateway.request_results()] == [RunState.FAILED, RunState.COMPLETED]
    first, second = (event.id for event in gateway.published_events() if event.data in gateway.results())
    assert first != second


async def test_a_lost_run_is_asked_for_and_taken_back_without_a_callback() -> None:
    gateway = await a_run_that_is_out()
    test = {**gateway.system.tests[TEST], "state": "completed"}
    await lose(gateway)
    gateway.system.tests[TEST] = test
    await gateway.advance(4000, step=60)
    assert [result.state for result in gateway.results()] == [RunState.FAILED, RunState.COMPLETED]


async def test_a_lost_run_is_not_asked_for_for_ever() -> None:
    gateway = await a_run_that_is_out()
    await lose(gateway)
    await gateway.advance(2 * 86_400, step=600)
    assert gateway.row().watch is None
    assert len(gateway.system.calls_made(Purpose.READ)) < 60


async def test_a_run_that_is_gone_after_it_was_reported_as_completed_has_completed() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests.clear()
    await gateway.process_callback(TEST, state="completed")
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]


async def test_not_found_ends_a_run_whose_cancellation_was_requested() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_cancellation("TR0001")
    gateway.system.tests.clear()
    await gateway.process_callback(TEST)
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


async def test_a_check_is_made_although_the_clock_of_the_process_that_found_it_due_is_ahead() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=404)] * 2)
    await gateway.process_callback(TEST)
    watch = gateway.row().watch
    assert watch is not None
    ahead = watch.due + timedelta(seconds=1)
    await gateway.events.publish([check_event(gateway.row(), ahead)])
    await gateway.run_until_idle()
    assert gateway.clock.at < watch.due
    assert len(gateway.system.calls_made(Purpose.READ)) == 2
    after = gateway.row().watch
    assert after is not None
    assert after.answers == watch.answers + 1


async def test_a_check_that_inbound_has_not_processed_is_not_published_again_for_an_hour() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, HttpResponse(status=404))
    await gateway.process_callback(TEST)
    checker = DueCheckPublisher(
        store=gateway.store, events=gateway.events, now=gateway.clock, warn=gateway.problems.append
    )
    published = []
    for _ in range(62):
        gateway.clock.at += timedelta(minutes=2)
        published.append(await checker.publish_due())
    assert [number for number, count in enumerate(published) if count] == [0, 30, 60]  # it was every minute
