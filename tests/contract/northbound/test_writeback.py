"""Runs are written to a strict ServiceNow instance and to a TMF653 server: in order, once, whatever fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from consumers.northbound.writeback.write_run import WriteOutcome
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from router.responses import HttpResponse
from router.runs.run import replace
from schemas.commands import SendRun
from schemas.results import RequestResult, RuleViolation
from schemas.vocabulary import MeasureIdOrigin, Phase, RunState, UpdateKind
from southbound.simulator.behaviours import stays_pending
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.instance.service_now import InstanceFault, ServiceNowInstance
from southbound.simulator.script import Script
from tests.builders.runs import NOON, SINGLE, a_document, a_run
from tests.fakes.transport import FakeTransport
from tests.harness.writeback import WritebackHarness, result_of, update_of
from tests.unit.northbound.test_writeback_bodies import a_measure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.spokes.transport import HttpRequest
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

ENDED: dict[str, Any] = {"phase": Phase.FULFILLED, "state": RunState.COMPLETED, "finished_at": NOON}
SLOW = RuleViolation(name="too slow", severity="high", consequence="open a ticket")


@pytest.fixture
async def instance() -> AsyncIterator[ServiceNowInstance]:
    async with ServiceNowInstance(user="gateway", password="secret") as running:  # noqa: S106 - of this test
        yield running


@pytest.fixture
async def desk(instance: ServiceNowInstance) -> AsyncIterator[WritebackHarness]:
    auth = {"kind": "basic", "username": "gateway", "password": "env:DESK"}
    settings = {"auth": auth, "settle_time": 20, "retry": {"max_attempts": 5}}
    async with WritebackHarness(instance.base_url, settings, {"DESK": "secret"}) as harness:
        yield harness


def ordered(instance: ServiceNowInstance, run_id: str = "TR1") -> None:
    """Add the record of a run as the instance has it before the run is ordered."""
    instance.table.add(sys_id=run_id, state="pending", name=f"Line test {run_id}")


async def ended_run(desk: WritebackHarness, **more: Any) -> RunRow:  # noqa: ANN401 - fields of the row
    measured = a_measure(metric_name="speed", value=3000, rule_violation=(SLOW,))
    return await desk.stored(a_run("TR1"), **(ENDED | {"measures": (measured,)} | more))


async def test_the_course_of_a_run_is_written_to_the_record_that_ordered_it(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    accepted = await desk.stored(a_run("TR1"), phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    await desk.deliver(update_of(accepted, UpdateKind.ACCEPTED))
    running = await desk.stored(phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS)
    await desk.deliver(update_of(running, UpdateKind.PROGRESS))
    await desk.deliver(result_of(await ended_run(desk)))
    [record] = instance.table.records
    assert record.states == ["acknowledged", "inProgress", "completed"]
    assert record.measures()["M1"]["value"] == "3000"
    assert desk.outcomes == [WriteOutcome.UPDATED] * 3


@pytest.mark.parametrize("known", [True, False])
async def test_a_run_that_the_instance_ordered_over_http_is_written_under_its_own_id(
    instance: ServiceNowInstance, *, known: bool
) -> None:
    settings = {"auth": {"kind": "basic", "username": "gateway", "password": "env:DESK"}, "ordering_client": "desk"}
    if known:
        ordered(instance, "sys-1")
    async with WritebackHarness(instance.base_url, settings, {"DESK": "secret"}) as desk:
        desk.own_ids = {("TR1", "desk"): "sys-1", ("TR1", "other"): "sys-2"}
        running = await desk.stored(a_run("TR1"), phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS)
        await desk.deliver(update_of(running, UpdateKind.PROGRESS))
        await desk.deliver(result_of(await ended_run(desk)))
    [record] = instance.table.records
    assert (record.sys_id if known else record.external_id) == "sys-1"
    assert record.states == ["inProgress", "completed"]


def a_refused_order(desk: WritebackHarness) -> Event:
    """Refuse the order of a run before it has a row, and return the update about it."""
    rejected = replace(a_run("TR1"), phase=Phase.FAILED, state=RunState.REJECTED, revision=0, finished_at=NOON)
    desk.refusals["TR1"] = rejected
    return update_of(replace(rejected, phase=Phase.FALLOUT), UpdateKind.FALLOUT)


async def test_an_order_that_was_refused_is_rejected_at_the_instance_until_it_is_accepted_after_all(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    event = a_refused_order(desk)
    for _ in range(2):  # redelivered after a crash
        assert await desk.deliver(event) == Done()
        desk.restart()
    [record] = instance.table.records
    assert (record.states[-1], record.fields["name"]) == ("rejected", "Line test TR1")
    accepted = await desk.stored(a_run("TR1"), phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    assert await desk.deliver(event) == Done()
    assert desk.outcomes == [WriteOutcome.UPDATED, WriteOutcome.UPDATED, WriteOutcome.SKIPPED]
    assert accepted.revision == 1


async def test_a_refusal_never_replaces_what_was_written_of_the_accepted_run(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    event = a_refused_order(desk)
    await desk.deliver(result_of(await ended_run(desk)))
    del desk.store.runs["TR1"]  # deleted since then; the refusal is delivered late
    assert await desk.deliver(event) == Done()
    assert instance.table.records[0].states == ["completed"]
    assert desk.outcomes == [WriteOutcome.UPDATED, WriteOutcome.UNCHANGED]


@pytest.mark.parametrize(
    ("settings", "ordered_over_http"), [({"spokes": ["copper-lab"]}, True), ({"tenants": ["other"]}, True), ({}, False)]
)
async def test_a_refusal_that_a_target_does_not_choose_or_that_no_client_ordered_is_not_written(
    settings: dict[str, Any], *, ordered_over_http: bool
) -> None:
    transport = FakeTransport([])
    async with WritebackHarness("https://desk.example", settings, transport=transport) as desk:
        event = a_refused_order(desk)
        if not ordered_over_http:
            desk.refusals.clear()
        assert await desk.deliver(event) == Done()
        assert desk.outcomes == [WriteOutcome.SKIPPED]


@pytest.mark.parametrize("fault", InstanceFault)
@pytest.mark.parametrize("known", [True, False])
async def test_every_fault_leads_to_one_record_with_every_measure_and_violation_once(
    desk: WritebackHarness, instance: ServiceNowInstance, fault: InstanceFault, *, known: bool
) -> None:
    if known:
        ordered(instance)
        instance.faults.append(fault)
    else:
        instance.faults.extend((fault, fault))  # of the PATCH, and of the POST that follows one
    event = result_of(await ended_run(desk))
    assert await desk.deliver(event) == Done()
    assert not instance.faults
    [record] = instance.table.records
    assert record.fields["state"] == "completed"
    [measure] = record.fields["testMeasure"]
    [violation] = measure["ruleViolation"]
    [consequence] = violation["appliedConsequence"]
    assert (measure["id"], consequence["appliedAction"]) == ("M1", "open a ticket")


@pytest.mark.parametrize("fault", [InstanceFault.STORED_RESET, InstanceFault.STORED_SERVER_ERROR])
async def test_a_run_whose_creation_was_not_answered_is_not_created_again(
    desk: WritebackHarness, instance: ServiceNowInstance, fault: InstanceFault
) -> None:
    event = result_of(await ended_run(desk))
    await fail_first_post(instance, fault, desk, event)
    assert len(instance.table.of_run("TR1")) == 1
    assert [method for method, _ in instance.requests].count("POST") == 1


async def fail_first_post(
    instance: ServiceNowInstance, fault: InstanceFault, desk: WritebackHarness, event: Event
) -> None:
    """Let the PATCH that finds no run pass, and fail the POST after it; then handle the event to its end."""
    instance.only_posts_fail = True
    instance.faults.append(fault)
    assert await desk.deliver(event) == Done()


async def test_a_creation_that_never_arrived_is_repeated_after_the_settle_time(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    event = result_of(await ended_run(desk))
    began = desk.now
    await fail_first_post(instance, InstanceFault.RESET, desk, event)
    assert "IN_DOUBT" in desk.problems
    assert (desk.now - began).total_seconds() >= desk.target.effective_settle_time
    assert len(instance.table.of_run("TR1")) == 1


async def test_an_event_that_is_redelivered_is_not_written_again(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    event = result_of(await ended_run(desk))
    for _ in range(3):
        await desk.deliver(event)
        desk.restart()
    assert instance.table.records[0].writes == 1
    assert desk.outcomes == [WriteOutcome.UPDATED, WriteOutcome.UNCHANGED, WriteOutcome.UNCHANGED]


async def test_an_event_that_a_person_redrove_is_written_again(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    row = await ended_run(desk)
    await desk.deliver(result_of(row))
    await desk.deliver(result_of(row, replay="redrive-1"))
    assert instance.table.records[0].writes == 2


async def test_a_result_that_overtakes_its_updates_is_not_undone_by_them(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    accepted = await desk.stored(a_run("TR1"), phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    ended = await ended_run(desk)
    await asyncio.gather(desk.deliver(result_of(ended)), desk.deliver(update_of(accepted, UpdateKind.ACCEPTED)))
    [record] = instance.table.records
    assert record.states == ["completed"]
    assert sorted(desk.outcomes) == [WriteOutcome.UNCHANGED, WriteOutcome.UPDATED]


async def test_a_run_that_another_process_is_writing_waits_until_that_one_must_have_ended(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    instance.faults.append(InstanceFault.RESET)  # the instance perhaps processes the request later
    accepted = await desk.stored(a_run("TR1"), phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    assert isinstance(await desk.attempt(update_of(accepted, UpdateKind.ACCEPTED)), RetryLater)
    desk.restart()
    ended, began = await ended_run(desk), desk.now
    assert await desk.deliver(result_of(ended)) == Done()
    assert set(desk.problems) == {"WRITE_BUSY"}
    assert (desk.now - began).total_seconds() >= desk.target.timeouts.total


async def test_what_the_instance_refuses_becomes_a_dead_letter_with_its_reason(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    instance.table.add(sys_id="TR1", state="canceled", name="Line test TR1")
    outcome = await desk.deliver(result_of(await ended_run(desk)))
    assert isinstance(outcome, DeadLetter)
    assert outcome.problem.code == "CALL_REFUSED"
    assert "canceled and stays so" in outcome.problem.sentence


async def test_a_run_that_the_instance_does_not_have_may_not_be_created(instance: ServiceNowInstance) -> None:
    settings = {"create_unknown_runs": False, "auth": {"kind": "basic", "username": "gateway", "password": "env:DESK"}}
    async with WritebackHarness(instance.base_url, settings, {"DESK": "secret"}) as desk:
        outcome = await desk.deliver(result_of(await ended_run(desk)))
    assert isinstance(outcome, DeadLetter)
    assert outcome.problem.code == "TARGET_WITHOUT_RUN"
    assert instance.table.records == []


async def test_wrong_credentials_keep_the_run_waiting(instance: ServiceNowInstance) -> None:
    async with WritebackHarness(instance.base_url) as desk:
        outcome = await desk.attempt(result_of(await ended_run(desk)))
    assert isinstance(outcome, RetryLater)
    assert outcome.problem.code == "CALL_CONFIGURATION"


@pytest.mark.parametrize(
    ("settings", "row"),
    [({"spokes": ["copper-lab"]}, {}), ({"tenants": ["acme"]}, {"tenant": "other"}), ({"tenants": ["acme"]}, {})],
)
async def test_a_target_gets_only_the_runs_of_its_spokes_and_tenants(
    instance: ServiceNowInstance, settings: dict[str, Any], row: dict[str, Any]
) -> None:
    async with WritebackHarness(instance.base_url, settings) as desk:
        assert await desk.deliver(result_of(await ended_run(desk, **row))) == Done()
    assert instance.requests == []
    assert desk.outcomes == [WriteOutcome.SKIPPED]


async def test_only_chosen_updates_are_written(instance: ServiceNowInstance) -> None:
    async with WritebackHarness(instance.base_url, {"updates": []}) as desk:
        accepted = await desk.stored(a_run("TR1"), phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
        await desk.deliver(update_of(accepted, UpdateKind.ACCEPTED))
    assert instance.requests == []


async def test_a_run_that_is_not_stored_is_a_dead_letter(desk: WritebackHarness) -> None:
    outcome = await desk.deliver(result_of(a_run("TR1", **ENDED)))
    assert isinstance(outcome, DeadLetter)
    assert outcome.problem.code == "RUN_NOT_STORED"


async def test_an_event_that_is_ahead_of_the_store_waits_for_it(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    row = await desk.stored(a_run("TR1"), phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    ahead = result_of(replace(row, **ENDED, revision=row.revision + 1))
    assert isinstance(await desk.attempt(ahead), RetryLater)
    await ended_run(desk)
    await desk.deliver(ahead)
    assert instance.table.records[0].states == ["completed"]


async def test_other_events_of_the_topics_are_finished_without_a_call(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    row = await ended_run(desk)
    whole = RequestResult(
        request_id="RQ1",
        root_run_id="TR1",
        spoke="fibre-lab",
        hierarchical=False,
        state=RunState.COMPLETED,
        occurred_at=NOON,
    )
    assert await desk.attempt(result_of(row)._replace(data=whole)) == Done()
    command = SendRun(run=a_document(), request_id="RQ1", spoke="fibre-lab", decision=SINGLE)
    outcome = await desk.attempt(result_of(row)._replace(data=command))
    assert isinstance(outcome, DeadLetter)
    assert outcome.problem.code == "WRONG_TOPIC"
    assert instance.requests == []


async def test_measures_that_arrive_late_are_added_to_the_record(
    desk: WritebackHarness, instance: ServiceNowInstance
) -> None:
    ordered(instance)
    first = await ended_run(desk)
    await desk.deliver(result_of(first))
    late = await desk.stored(measures=(*first.measures, a_measure("M2", value="9")))
    await desk.deliver(result_of(late))
    assert set(instance.table.records[0].measures()) == {"M1", "M2"}
    assert {measure.id_origin for measure in late.measures} == {MeasureIdOrigin.REPORTED}


# A server of another maker, which chooses the ids of its runs itself.
TMF653: dict[str, Any] = {"dialect": "tmf653", "settle_time": 20}


def a_system(**behaviour: Any) -> ExternalSystem:  # noqa: ANN401 - fields of a behaviour
    """Return a server whose runs stay pending until they are cancelled: it allows no other change of a state."""
    return ExternalSystem(name="other", script=Script(default=stays_pending(None, **behaviour)))


async def cancelled_run(desk: WritebackHarness) -> Event:
    """Store the next revision of a cancelled run, and return the event about it."""
    row = await desk.stored(a_run("TR1"), phase=Phase.CANCELLED, state=RunState.CANCELLED, finished_at=NOON)
    return result_of(row)


async def test_a_run_that_it_does_not_have_is_created_and_brought_to_its_state() -> None:
    system = a_system()
    async with system, WritebackHarness(system.base_url, TMF653) as desk:
        assert await desk.deliver(await cancelled_run(desk)) == Done()
        known = await desk.store.write_claims.read("desk", "TR1")
        assert requests_of(system) == [
            ("PATCH", "/serviceTest/TR1"),
            ("POST", "/serviceTest"),
            ("PATCH", f"/serviceTest/{known.target_id}"),
        ]
        assert [test["state"] for test in known_tests(system)] == ["cancelled"]
        assert desk.outcomes == [WriteOutcome.CREATED]


async def test_a_run_whose_creation_was_not_answered_is_found_by_its_name() -> None:
    system = a_system(reset_times=1, accept_before_reset=True)
    async with system, WritebackHarness(system.base_url, TMF653) as desk:
        assert await desk.deliver(await cancelled_run(desk)) == Done()
        assert [method for method, _ in requests_of(system)] == ["PATCH", "POST", "GET", "PATCH"]
        assert [test["state"] for test in known_tests(system)] == ["cancelled"]


async def test_a_run_that_is_not_found_is_created_again_after_the_settle_time() -> None:
    system = a_system(reset_times=1)
    async with system, WritebackHarness(system.base_url, TMF653) as desk:
        began = desk.now
        assert await desk.deliver(await cancelled_run(desk)) == Done()
        assert (desk.now - began).total_seconds() >= desk.target.effective_settle_time
        assert [test["state"] for test in known_tests(system)] == ["cancelled"]


async def test_a_run_that_was_created_without_an_id_is_found_by_its_name() -> None:
    system = a_system(returns_id=False)
    async with system, WritebackHarness(system.base_url, TMF653) as desk:
        assert await desk.deliver(await cancelled_run(desk)) == Done()
        assert [method for method, _ in requests_of(system)] == ["PATCH", "POST", "GET", "PATCH"]
        assert len(known_tests(system)) == 1


async def test_a_run_that_it_lost_is_created_again() -> None:
    system = a_system()
    async with system, WritebackHarness(system.base_url, TMF653) as desk:
        await desk.deliver(await cancelled_run(desk))
        system.tests.clear()
        row = await desk.stored(a_run("TR1"), phase=Phase.CANCELLED, state=RunState.CANCELLED, finished_at=NOON)
        assert await desk.deliver(result_of(row)) == Done()
        assert [test["state"] for test in known_tests(system)] == ["cancelled"]
        assert desk.outcomes == [WriteOutcome.CREATED, WriteOutcome.CREATED]


@pytest.mark.parametrize("status", [302, 406, 409, 500])
async def test_a_post_that_was_perhaps_processed_is_followed_by_a_look_up(status: int) -> None:
    answers = {"PATCH": [404, 200], "POST": [status], "GET": [200]}

    def answer(request: HttpRequest) -> HttpResponse:
        body = b'[{"id": "7", "name": "Line test TR1"}]' if request.method == "GET" else b""
        return HttpResponse(status=answers[request.method].pop(0), body=body)

    transport = FakeTransport(answer=answer)
    async with WritebackHarness("http://other.example", TMF653, transport=transport) as desk:
        assert await desk.deliver(await cancelled_run(desk)) == Done()
    assert [request.method for request in transport.requests] == ["PATCH", "POST", "GET", "PATCH"]
    assert transport.requests[-1].url.endswith("/serviceTest/7")


def requests_of(system: ExternalSystem) -> list[tuple[str, str]]:
    """Return the method and the path of each request."""
    return [(request.method, request.path) for request in system.received]


def known_tests(system: ExternalSystem) -> list[dict[str, Any]]:
    """Return the tests that a system has."""
    return [test.resource for test in system.tests.values()]
