"""A run whose system is silent is late and then times out; what comes later is flagged; a request is compensated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, TypeGuard

from consumers.inbound.checks.due_checks import MAX_PAGES, PAGE_SIZE, DueCheckPublisher
from consumers.routing.waiting import expire
from consumers.routing.waiting.expire import MissingChildren
from consumers.run_updates.request_progress import ProgressClock
from router.responses import Purpose
from router.runs.checks.cancellation import follow
from router.runs.checks.watch import Missing, begin
from router.runs.deadlines.deadline import Deadline
from schemas.results import RequestProgress, RunResult, RunUpdate
from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from tests.builders.runs import NOON, TREE, a_document, a_run, a_tree
from tests.fakes.external_system import REFUSED_CONNECTION
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    import pytest

TEST = "ext-TR0001"


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile={"expected_duration": 60, "time_out": 600} | profile)
    await gateway.process_request(a_document(measures=("TM1",)))
    return gateway


async def test_a_lost_callback_ends_in_jeopardy_and_then_timed_out() -> None:
    gateway = await a_run_that_is_out()
    await gateway.advance(59, step=30)
    assert gateway.updates() == [UpdateKind.ACCEPTED]
    await gateway.advance(2)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.JEOPARDY]
    await gateway.advance(530, step=10)
    assert gateway.results() == []
    await gateway.advance(20, step=5)
    (result,) = gateway.results()
    assert (result.state, result.result, result.reasons[-1].code) == (RunState.FAILED, Result.TIMED_OUT, "TIMEOUT")
    assert [request.counts for request in gateway.request_results()] == [{"failed": 1}]
    assert gateway.system.calls_made(Purpose.CANCEL) == []


async def test_a_late_result_is_published_and_flagged_and_the_end_stays() -> None:
    gateway = await a_run_that_is_out()
    await gateway.advance(620, step=20)
    measure = {"id": "TM1", "value": 9.5}
    await gateway.process_callback(TEST, state="completed", testMeasure=[measure])
    assert gateway.updates()[-1] is UpdateKind.STALE
    assert [result.result for result in gateway.results()] == [Result.TIMED_OUT] * 2
    assert [measure.value for measure in gateway.results()[-1].test_measure] == [9.5]
    assert len(gateway.request_results()) == 1


async def test_the_system_is_asked_once_before_a_run_is_late() -> None:
    gateway = await a_run_that_is_out(measures_grace=0)
    gateway.system.tests[TEST]["state"] = "completed"
    await gateway.advance(65, step=5)
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]
    assert UpdateKind.JEOPARDY not in gateway.updates()
    assert len(gateway.system.calls_made(Purpose.READ)) == 1


async def test_a_system_that_is_down_does_not_keep_a_run_open() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[REFUSED_CONNECTION] * 20)
    await gateway.advance(620, step=20)
    assert [result.result for result in gateway.results()] == [Result.TIMED_OUT]


async def test_a_profile_that_was_removed_keeps_no_run_open() -> None:
    gone = a_run(phase=Phase.ACCEPTED, spoke="gone-lab", deadline=Deadline(expires=NOON + timedelta(hours=2)))
    watched = replace(gone, watch=begin(Missing.STATE, NOON, 600))
    for row in (gone, watched, replace(gone, cancel_requested=True, cancellation=follow(None, NOON))):
        gateway = InMemoryGateway(store=InMemoryRunStore(row))
        await gateway.advance(3 * 3_600, step=600)
        assert [result.result for result in gateway.results()] == [Result.TIMED_OUT]
        letters = gateway.dead_letter_codes()
        assert set(letters) <= {"UNKNOWN_SPOKE"}
        await gateway.advance(86_400, step=3_600)
        assert gateway.dead_letter_codes() == letters


async def test_a_run_that_has_timed_out_is_cancelled_if_its_profile_says_so() -> None:
    gateway = await a_run_that_is_out(cancel_timed_out=True)
    await gateway.advance(620, step=20)
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1
    assert gateway.system.tests[TEST]["state"] == "cancelled"
    assert gateway.updates()[-1] is UpdateKind.CANCEL_ACCEPTED
    assert [result.result for result in gateway.results()] == [Result.TIMED_OUT]
    await gateway.process_callback(TEST, state="cancelled")
    assert UpdateKind.STALE not in gateway.updates()


async def test_a_run_that_was_not_sent_does_not_time_out() -> None:
    gateway = InMemoryGateway(profile={"time_out": 600})
    gateway.system.plan(Purpose.SEND, *[REFUSED_CONNECTION] * 500)
    await gateway.store.save(a_run(phase=Phase.ROUTED))
    await gateway.advance(1_200, step=60)
    assert (gateway.row().phase, gateway.row().deadline, gateway.results()) == (Phase.ROUTED, None, [])


async def test_a_check_that_is_redelivered_publishes_the_same_again() -> None:
    gateway = await a_run_that_is_out()
    await gateway.advance(620, step=20)
    known = {event.id for event in gateway.published_events()}
    row = gateway.row()
    gateway.reread(record for record in gateway.finished if record.partition.topic == gateway.names.inbound)
    await gateway.run_until_idle()
    assert {event.id for event in gateway.published_events()} == known
    assert gateway.row() == row


async def test_a_round_is_bounded_and_the_next_one_continues() -> None:
    number = PAGE_SIZE * MAX_PAGES + 50
    rows = [a_run(f"TR{n:05}", phase=Phase.ACCEPTED, deadline=Deadline(expires=NOON)) for n in range(number)]
    gateway = InMemoryGateway()
    checker = DueCheckPublisher(
        store=InMemoryRunStore(*rows), events=gateway.events, now=gateway.clock, warn=gateway.problems.append
    )
    assert [await checker.publish_due() for _ in range(4)] == [PAGE_SIZE * MAX_PAGES, 50, 0, 0]
    gateway.clock.at += timedelta(hours=2)
    assert await checker.publish_due() == PAGE_SIZE * MAX_PAGES


async def a_refused_child(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    gateway.system.refused.add("TR0001-2")
    await gateway.process_request(a_tree())
    return gateway


async def test_a_refused_child_changes_nothing_for_the_others_by_default() -> None:
    gateway = await a_refused_child()
    assert gateway.system.calls_made(Purpose.CANCEL) == []
    assert gateway.row("TR0001-3").phase is Phase.ACCEPTED


async def test_a_refused_child_cancels_what_was_accepted_and_what_was_not_sent_yet() -> None:
    gateway = await a_refused_child(child_refused="compensate")
    assert gateway.system.posted_names() == [f"Line test TR0001{child}" for child in ("", "-1", "-2")]
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 2
    (request,) = gateway.request_results()
    assert request.counts == {"cancelled": 3, "rejected": 1}
    (reason,) = request.reasons
    assert reason.code == "COMPENSATED"
    assert "TR0001-2" in reason.message
    assert gateway.results("TR0001-1")[-1].reasons[0].code == "COMPENSATED"


async def test_a_child_that_is_rejected_later_cancels_the_others_too() -> None:
    gateway = InMemoryGateway(profile={"child_refused": "compensate"})
    await gateway.process_request(a_tree())
    await gateway.process_callback("ext-TR0001-1", state="rejected")
    assert [request.counts for request in gateway.request_results()] == [{"cancelled": 3, "rejected": 1}]


async def test_a_compensation_is_made_again_after_a_crash() -> None:
    gateway = await a_refused_child(child_refused="compensate")
    known = {event.id for event in gateway.published_events()}
    gateway.reread(record for record in gateway.finished if gateway.names.spoke_of(record.partition.topic))
    await gateway.run_until_idle()
    assert {event.id for event in gateway.published_events()} == known


async def test_the_progress_of_a_request_is_published_on_its_root() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(children=6))
    gateway.clock.at += timedelta(seconds=20)
    await gateway.process_callback("ext-TR0001-1", state="completed")
    update = gateway.last_update()
    assert update.request_progress == RequestProgress(total=7, ended=1, counts={"acknowledged": 6, "completed": 1})
    assert update.kind is UpdateKind.PROGRESS
    await gateway.process_callback("ext-TR0001", state="completed")
    await gateway.process_callback("ext-TR0001-2", state="completed")
    assert gateway.last_update().request_progress == RequestProgress(
        total=7, ended=3, counts={"acknowledged": 4, "completed": 3}
    )
    revisions = [event.data.revision for event in gateway.published_events() if _is_about_root(event.data)]
    assert revisions == sorted(set(revisions))


def _is_about_root(data: object) -> TypeGuard[RunUpdate | RunResult]:
    return isinstance(data, RunUpdate | RunResult) and data.run_id == "TR0001"


def test_the_updates_about_one_request_are_bounded_in_rate() -> None:
    clock, row = ProgressClock(), a_run(decision=TREE)
    times = [NOON + timedelta(seconds=number) for number in range(86_400)]
    published = []
    for at in times:
        if clock.is_due(row, at):
            clock.published(row, at)
            published.append(at)
    assert published[:2] == [NOON + timedelta(seconds=10), NOON + timedelta(seconds=20)]
    assert all(later - one >= timedelta(seconds=10) for one, later in pairwise(published))
    assert len(published) < 200
    assert not clock.is_due(a_run(), times[-1])


async def an_overdue_hierarchy(policy: MissingChildren) -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=("C1", "C2", "C3")))
    await gateway.process_request(a_document("C1", parent="TR0001"))
    gateway.clock.at += timedelta(seconds=301)
    await replace(gateway.waiting_expiry, policy=policy).expire_overdue()
    await gateway.run_until_idle()
    return gateway


async def test_what_is_there_is_sent_without_the_children_that_are_missing() -> None:
    gateway = await an_overdue_hierarchy(MissingChildren.SEND_WHAT_IS_THERE)
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test C1"]
    for test in ("ext-TR0001", "ext-C1"):
        await gateway.process_callback(test, state="completed")
    (request,) = gateway.request_results()
    assert request.counts == {"completed": 2}
    assert [reason.code for reason in request.reasons] == ["CHILD_LEFT_OUT"] * 2
    await gateway.process_request(a_document("C2", parent="TR0001"))
    assert gateway.dead_letter_codes() == ["CHILD_NOT_LISTED"]


async def test_a_request_whose_children_are_missing_is_cancelled() -> None:
    gateway = await an_overdue_hierarchy(MissingChildren.CANCEL)
    assert gateway.system.posted_names() == []
    assert gateway.row("C1").phase is gateway.row().phase is Phase.CANCELLED
    (result,) = gateway.results()
    assert "waits since" in result.reasons[-1].message
    assert [request.state for request in gateway.request_results()] == [RunState.FAILED]


async def test_children_that_fill_a_round_do_not_hide_their_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expire, "MAX_PER_ROUND", 2)
    gateway = InMemoryGateway()
    for child in ("C1", "C2"):  # they are older than their root
        await gateway.process_request(a_document(child, parent="TR0001"))
        gateway.clock.at += timedelta(seconds=1)
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=("C1", "C2", "C3")))
    gateway.clock.at += timedelta(seconds=301)
    await replace(gateway.waiting_expiry, policy=MissingChildren.SEND_WHAT_IS_THERE).expire_overdue()
    await gateway.run_until_idle()
    assert gateway.system.posted_names() == ["Line test TR0001", "Line test C1", "Line test C2"]


async def test_a_request_is_given_up_when_its_cancellation_does_not_work() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=("C1",)))
    expiry = replace(gateway.waiting_expiry, policy=MissingChildren.CANCEL)
    gateway.clock.at += timedelta(seconds=301)
    for _ in range(expire.MAX_PUBLISHED):
        await expiry.expire_overdue()  # and nothing processes what it publishes
        gateway.clock.at += expire.REPUBLISH_AFTER
    assert gateway.row().phase is Phase.CREATED
    await expiry.expire_overdue()
    assert gateway.row().phase is Phase.FALLOUT
