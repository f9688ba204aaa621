"""A change that a system accepts for later is followed to its end where the profile says so, and told as it ended."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, NoResponse, Purpose
from schemas.lifecycle import RunCancelled
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import REFUSED_CONNECTION, json_answer
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
PROCESS = "/modifyTestJob/P1"
FOLLOWED = {"patchable": ["description", "mode"], "follow_changes": True}
LATER = HttpResponse(status=202, headers={"location": PROCESS})
NAMED_IN_BODY = json_answer(202, {"id": "P1", "href": PROCESS, "state": "acknowledged"})


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=FOLLOWED | profile)
    await gateway.process_request(a_document(description="slow"))
    return gateway


async def change(gateway: InMemoryGateway, answer: HttpResponse, *of_process: HttpResponse | NoResponse) -> list[str]:
    """Change the description; return what was called."""
    gateway.system.plan(Purpose.CHANGE, answer)
    gateway.system.plan(Purpose.READ, *of_process)
    await gateway.process_change(a_document(version=2, description="fast"))
    calls = gateway.system.calls_made(Purpose.CHANGE, Purpose.READ)
    return [f"{call.method} {call.path}" for call in calls]


def process(state: str, **more: object) -> HttpResponse:
    return json_answer(200, {"id": "P1", "state": state, **more})


def reasons(gateway: InMemoryGateway) -> list[tuple[str, str]]:
    return [(reason.code, reason.message) for reason in gateway.last_update().reasons]


@pytest.mark.parametrize("answer", [LATER, NAMED_IN_BODY])
@pytest.mark.parametrize(
    "end",
    [
        process("accepted"),
        process("completed"),
        process("Completed", response={"statusCode": "200"}),
        HttpResponse(status=303, headers={"location": f"/serviceTest/{TEST}"}),
    ],
)
async def test_a_process_that_ends_well_and_a_run_that_shows_the_change_are_its_acceptance(
    answer: HttpResponse, end: HttpResponse
) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    calls = await change(gateway, answer, process("inProgress"), end)
    follow = f"GET {PROCESS}"
    assert calls == [f"PATCH /serviceTest/{TEST}", follow, follow, f"GET /serviceTest/{TEST}"]
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
    assert (gateway.row().accepted_version, gateway.row().failed_attempt) == (2, None)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (process("rejected", modificationDeniedReason="it runs"), ("CHANGE_REFUSED", "it runs")),
        (process("failed", errorMessage=[{"message": "no such port"}]), ("CHANGE_REFUSED", "no such port")),
        (
            process("Completed", response={"statusCode": "422", "body": {"code": "60", "reason": "too late"}}),
            ("60", "too late"),
        ),
        (process("denied"), ("CHANGE_REFUSED", "The external system ended the change as denied.")),
    ],
)
async def test_a_process_that_is_rejected_later_refuses_the_change(
    end: HttpResponse, expected: tuple[str, str]
) -> None:
    gateway = await a_run_that_is_out()
    await change(gateway, LATER, process("acknowledged"), end)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_REFUSED]
    assert reasons(gateway) == [expected]
    assert (gateway.row().phase, gateway.row().accepted_version) == (Phase.ACCEPTED, 1)
    assert not gateway.dead_lettered


async def test_a_process_that_ends_well_without_the_change_in_the_run_is_no_acceptance() -> None:
    gateway = await a_run_that_is_out()
    await change(gateway, LATER, *[process("done"), json_answer(200, {"id": TEST, "description": "slow"})] * 3)
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert [code for code, _ in reasons(gateway)] == ["CHANGE_NOT_SHOWN"]


async def test_without_a_process_the_run_is_read_until_it_shows_the_change() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[json_answer(200, {"id": TEST, "description": "slow"})] * 4)
    gateway.system.plan(Purpose.READ, json_answer(200, {"id": TEST, "description": "fast"}))
    calls = await change(gateway, json_answer(202, {"id": TEST, "description": "slow"}))
    assert calls == [f"PATCH /serviceTest/{TEST}", *[f"GET /serviceTest/{TEST}"] * 5]
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


@pytest.mark.parametrize("answer", [HttpResponse(status=202), LATER])
async def test_what_is_not_shown_in_time_is_refused(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out(change_deadline=100)
    await change(gateway, answer, *[process("inProgress")] * 20)
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    expected = "CHANGE_AWAITED" if answer is LATER else "CHANGE_NOT_SHOWN"
    assert [code for code, _ in reasons(gateway)] == [expected]
    assert len(gateway.system.calls_made(Purpose.CHANGE)) == 1


async def test_a_process_that_is_gone_leaves_the_run_to_show_the_change() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    await change(gateway, LATER, HttpResponse(status=404))
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


async def test_an_outage_does_not_make_the_change_be_sent_again() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    await change(gateway, LATER, REFUSED_CONNECTION, HttpResponse(status=503), process("done"))
    assert len(gateway.system.calls_made(Purpose.CHANGE)) == 1
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


@pytest.mark.parametrize("location", ["https://elsewhere.example/P1", "//elsewhere.example/P1", "P1"])
async def test_an_address_elsewhere_is_not_followed(location: str) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    calls = await change(gateway, HttpResponse(status=202, headers={"location": location}))
    assert calls == [f"PATCH /serviceTest/{TEST}", f"GET /serviceTest/{TEST}"]


async def test_what_the_profile_refuses_is_told_with_the_end_of_the_process() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    gateway.system.plan(Purpose.CHANGE, LATER)
    gateway.system.plan(Purpose.READ, process("done"))
    await gateway.process_change(a_document(version=2, description="fast", service="PI0099"))
    assert gateway.updates()[-2:] == [UpdateKind.CHANGE_ACCEPTED, UpdateKind.CHANGE_REFUSED]


async def test_without_the_profiles_word_202_is_an_acceptance() -> None:
    gateway = await a_run_that_is_out(follow_changes=False)
    calls = await change(gateway, LATER)
    assert calls == [f"PATCH /serviceTest/{TEST}"]
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


async def test_a_cancellation_waits_behind_the_change() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    gateway.system.plan(Purpose.CHANGE, LATER)
    gateway.system.plan(Purpose.READ, process("inProgress"), process("done"))
    await gateway.process_change(a_document(version=2, description="fast"))
    await gateway.process_lifecycle_event(RunCancelled(run_id="TR0001", root_run_id="TR0001"), "x")
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]
