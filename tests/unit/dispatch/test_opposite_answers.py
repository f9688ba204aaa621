"""A success status does not count where the answer shows the opposite, and a run that is gone is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.responses import HttpResponse, Purpose
from schemas.results import RunUpdate
from schemas.run_document import Characteristic, RequestedMeasure
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import CallFault, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Call

PATCHABLE = {"patchable": ["description", "characteristic"]}
TEST = "ext-TR0001"
NULL = HttpResponse(status=200, body=b"null")
MAINTENANCE = HttpResponse(status=200, body=b"<html>maintenance</html>")
ERROR_IN_SUCCESS = json_answer(200, {"code": "404", "reason": "no such test"})


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=PATCHABLE | profile)
    await gateway.process_request(a_document(description="slow"))
    return gateway


async def change(gateway: InMemoryGateway, answer: HttpResponse) -> None:
    """Change the description; the system answers so to every attempt, and changes nothing."""
    gateway.system.plan(Purpose.CHANGE, *[answer] * 3)
    await gateway.process_change(a_document(version=2, description="fast"))


def shown(**fields: object) -> HttpResponse:
    return json_answer(200, {"id": TEST, "state": "acknowledged", **fields})


@pytest.mark.parametrize(
    "answer",
    [NULL, MAINTENANCE, ERROR_IN_SUCCESS, shown(description="slow"), json_answer(200, {"id": "of another run"})],
)
async def test_a_change_that_the_answer_does_not_show_is_refused(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    await change(gateway, answer)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_REFUSED]
    assert [reason.code for reason in gateway.last_update().reasons] == ["CHANGE_NOT_SHOWN"]
    assert (gateway.row().accepted_version, gateway.row().phase) == (1, Phase.ACCEPTED)
    assert not gateway.dead_lettered


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=204),
        HttpResponse(status=202),
        json_answer(202, {"id": TEST, "description": "slow"}),
        shown(),
        shown(description=" FAST "),
    ],
)
async def test_an_answer_that_says_nothing_of_the_change_or_shows_it_is_believed(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    await change(gateway, answer)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
    assert gateway.row().accepted_version == 2
    assert gateway.system.calls_made(Purpose.READ) == []


@pytest.mark.parametrize("body", [b"", b" \n"])
async def test_a_change_that_is_answered_with_nothing_is_accepted_once_the_run_shows_it(body: bytes) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    await change(gateway, HttpResponse(status=200, body=body))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
    assert gateway.row().accepted_version == 2
    assert [len(gateway.system.calls_made(purpose)) for purpose in (Purpose.CHANGE, Purpose.READ)] == [1, 1]


async def test_fault_a_change_of_a_run_that_is_gone_was_accepted_because_its_answer_was_empty() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests.clear()
    await change(gateway, HttpResponse(status=200))
    assert UpdateKind.CHANGE_REFUSED in gateway.updates()
    assert UpdateKind.CHANGE_ACCEPTED not in gateway.updates()
    assert gateway.row().accepted_version == 1


async def test_an_answer_with_the_run_as_it_was_is_checked_by_a_get() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    await change(gateway, shown(description="slow"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED
    assert len(gateway.system.calls_made(Purpose.CHANGE)) == 1


async def test_a_change_that_is_shown_late_is_accepted() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, shown(description="slow"))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
    assert [later.problem.code for later in gateway.retries] == ["CHANGE_NOT_SHOWN"]


async def a_change_whose_response_is_lost(*, made: bool, then: HttpResponse | None = None) -> InMemoryGateway:
    """Change the description, with a response that is lost. `then` is the answer to the next PATCH.

    Without `then`, the gateway hears that the run has ended before that PATCH.
    """
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, CallFault.RESPONSE_LOST, *([then] if then else []))

    async def during_the_change(call: Call) -> None:
        if call.purpose is Purpose.CHANGE:
            gateway.system.tests[TEST] |= {"state": "completed"} | ({} if made else {"description": "slow"})
            gateway.system.on_call = None
            if then is None:
                await gateway.end_during_call(call, Purpose.CHANGE, "completed")

    gateway.system.on_call = during_the_change
    await gateway.process_change(a_document(version=2, description="fast"))
    return gateway


ENDED_ALREADY = json_answer(409, {"code": "illegalState", "reason": "the test has ended already"})


@pytest.mark.parametrize("then", [None, ENDED_ALREADY])
async def test_fault_a_change_that_the_system_made_before_the_end_was_told_as_refused(
    then: HttpResponse | None,
) -> None:
    """Its response was lost, and the next attempt found a run that had ended."""
    gateway = await a_change_whose_response_is_lost(made=True, then=then)
    assert UpdateKind.CHANGE_ACCEPTED in gateway.updates()
    assert UpdateKind.CHANGE_REFUSED not in gateway.updates()
    assert gateway.row().accepted_version == 2


@pytest.mark.parametrize("unreadable", [HttpResponse(status=200, body=b'"ok"'), HttpResponse(status=200), MAINTENANCE])
async def test_a_run_that_cannot_be_read_is_read_again_before_a_change_is_refused(unreadable: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, CallFault.RESPONSE_LOST, ENDED_ALREADY)
    gateway.system.plan(Purpose.READ, unreadable, unreadable)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


@pytest.mark.parametrize(("then", "code"), [(None, "RUN_ENDED"), (ENDED_ALREADY, "illegalState")])
async def test_a_change_that_never_arrived_is_refused_after_the_end(then: HttpResponse | None, code: str) -> None:
    gateway = await a_change_whose_response_is_lost(made=False, then=then)
    assert UpdateKind.CHANGE_REFUSED in gateway.updates()
    assert UpdateKind.CHANGE_ACCEPTED not in gateway.updates()
    assert gateway.row().accepted_version == 1
    assert not gateway.dead_lettered
    refused = next(each for each in all_updates(gateway) if each.kind is UpdateKind.CHANGE_REFUSED)
    assert [reason.code for reason in refused.reasons] == [code]


@pytest.mark.parametrize(("state", "told"), [("cancelled", "CANCEL_ACCEPTED"), ("completed", "CANCEL_REFUSED")])
async def test_fault_a_cancellation_that_the_system_made_was_told_as_refused(state: str, told: str) -> None:
    """Its response was lost, and the system refused the next attempt, because the run had ended."""
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, CallFault.RESPONSE_LOST, ENDED_ALREADY)

    async def end(call: Call) -> None:
        if call.purpose is Purpose.CANCEL:
            gateway.system.tests[TEST]["state"] = state

    gateway.system.on_call = end
    await gateway.process_cancellation("TR0001")
    told_kinds = {UpdateKind.CANCEL_ACCEPTED, UpdateKind.CANCEL_REFUSED} & {*gateway.updates()}
    assert told_kinds == {UpdateKind[told]}


def all_updates(gateway: InMemoryGateway) -> list[RunUpdate]:
    return [event.data for event in gateway.published_events() if isinstance(event.data, RunUpdate)]


async def test_a_removed_parameter_that_is_still_shown_is_no_success() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    speed = Characteristic(name="speed", value=1000)
    await gateway.process_request(a_document(characteristic=(speed, Characteristic(name="loop", value=True))))
    still_there = [{"name": "loop", "value": True}, {"name": "speed", "value": "1000"}]
    gateway.system.plan(Purpose.CHANGE, *[shown(characteristic=still_there)] * 3)
    await gateway.process_change(a_document(version=2, characteristic=(speed,)))
    assert [reason.property_path for reason in gateway.last_update().reasons] == ["/characteristic"]


async def test_other_requested_measures_are_refused_with_a_reason() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="slow", measures=("TM1",)))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert [(reason.code, reason.property_path) for reason in gateway.last_update().reasons] == [
        ("FIELD_NOT_CHANGEABLE", "/testMeasure")
    ]
    assert gateway.system.calls_made(Purpose.CHANGE) == []


async def test_a_change_that_the_system_is_not_told_is_answered_too() -> None:
    measure = RequestedMeasure(id="TM1", metric_name="speed")
    gateway = InMemoryGateway()
    await gateway.process_request(a_document().model_copy(update={"test_measure": (measure,)}))
    optional = measure.model_copy(update={"mandatory": False})
    await gateway.process_change(a_document(version=2).model_copy(update={"test_measure": (optional,)}))
    assert (gateway.last_update().kind, gateway.last_update().version) == (UpdateKind.CHANGE_ACCEPTED, 2)
    assert gateway.system.calls_made(Purpose.CHANGE) == []


async def test_a_change_that_the_post_carried_is_not_answered_twice() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    command = next(each for each in gateway.finished if each.partition.topic == gateway.names.dispatch("fibre-lab"))
    await gateway.process_change(a_document(version=2, priority=3))
    gateway.redeliver(command)
    await gateway.run_until_idle()
    assert gateway.updates().count(UpdateKind.CHANGE_ACCEPTED) == 1


@pytest.mark.parametrize(
    "answer",
    [HttpResponse(status=200), NULL, shown(), MAINTENANCE, json_answer(200, {"id": TEST, "state": "inProgress"})],
)
async def test_a_delete_that_succeeds_ends_the_run_as_cancelled(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.plan(Purpose.CANCEL, answer)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_ACCEPTED]
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


@pytest.mark.parametrize("method", ["delete", "patch"])
@pytest.mark.parametrize("status", [404, 410])
async def test_a_repeated_cancellation_that_finds_nothing_is_success(method: str, status: int) -> None:
    gateway = await a_run_that_is_out(cancel=method)
    gateway.system.plan(Purpose.CANCEL, CallFault.RESPONSE_LOST, HttpResponse(status=status))
    gateway.system.plan(Purpose.READ, HttpResponse(status=status))
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_ACCEPTED]
    (result,) = gateway.results()
    assert (result.state, result.reasons[0].code) == (RunState.CANCELLED, "CANCELLED_NOT_FOUND")


@pytest.mark.parametrize("method", ["delete", "patch"])
@pytest.mark.parametrize("status", [404, 410])
async def test_fault_an_address_that_cancels_nothing_tells_a_run_as_cancelled(method: str, status: int) -> None:
    # A misspelt `paths.cancel`, or a gateway that answers 404 to a method which it does not route.
    gateway = await a_run_that_is_out(cancel=method, paths={"cancel": "/serviceTest/{id}/cancle"})
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=status))
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_REFUSED]
    assert gateway.row().phase is Phase.ACCEPTED
    if status == 404:
        assert "correct `paths.cancel`" in gateway.last_update().reasons[-1].message


@pytest.mark.parametrize("answer", [HttpResponse(status=200), NULL, ERROR_IN_SUCCESS])
async def test_a_system_that_says_not_found_with_success_has_lost_what_it_cannot_cancel(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=404))
    gateway.system.plan(Purpose.READ, answer, answer, answer)
    await gateway.process_cancellation("TR0001")
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


@pytest.mark.parametrize(
    ("answer", "kind", "results"),
    [
        (shown(state="cancelled"), UpdateKind.CANCEL_ACCEPTED, [RunState.CANCELLED]),
        (HttpResponse(status=202), UpdateKind.CANCEL_ACCEPTED, []),
        (json_answer(409, {"code": "tooLate", "reason": "it is nearly done"}), UpdateKind.CANCEL_REFUSED, []),
    ],
)
async def test_a_cancellation_by_post_is_judged_by_what_the_system_shows(
    answer: HttpResponse, kind: UpdateKind, results: list[RunState]
) -> None:
    gateway = await a_run_that_is_out(cancel="post", paths={"cancel": "/serviceTest/{id}/cancel"})
    gateway.system.plan(Purpose.CANCEL, answer)
    await gateway.process_cancellation("TR0001")
    (call,) = gateway.system.calls_made(Purpose.CANCEL)
    assert (call.method, call.path) == ("POST", f"/serviceTest/{TEST}/cancel")
    assert gateway.updates() == [UpdateKind.ACCEPTED, kind]
    assert [result.state for result in gateway.results()] == results


async def test_a_run_that_is_cancelled_already_is_told_as_cancelled() -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.tests[TEST]["state"] = "cancelled"
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=404))
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_ACCEPTED]
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


@pytest.mark.parametrize("still_shown", [False, True])
async def test_a_delete_event_after_an_accepted_cancellation_ends_the_run_as_cancelled(still_shown: bool) -> None:  # noqa: FBT001
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.ACCEPTED
    if not still_shown:
        gateway.system.tests.clear()
    event = (
        b'{"eventType": "ServiceTestDeleteEvent", "event": {"serviceTest": {"id": "ext-TR0001", "state": "pending"}}}'
    )
    gateway.produce(gateway.names.inbound, gateway.a_callback(TEST).model_copy(update={"body": event}), "deleted")
    await gateway.run_until_idle()
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


@pytest.mark.parametrize("answer", [NULL, shown(), ERROR_IN_SUCCESS])
async def test_a_cancellation_by_patch_that_the_system_ignores_is_refused(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, *[answer] * 3)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_REFUSED]
    assert [reason.code for reason in gateway.last_update().reasons] == ["CANCEL_NOT_SHOWN"]
    assert gateway.row().phase is Phase.ACCEPTED


SHOWS_NO_STATE = [
    HttpResponse(status=204),
    HttpResponse(status=200),
    HttpResponse(status=200, body=b" "),
    json_answer(200, {"id": TEST}),
]


@pytest.mark.parametrize("answer", SHOWS_NO_STATE)
async def test_fault_a_cancellation_by_patch_was_accepted_though_the_run_goes_on(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, *[answer] * 3)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_REFUSED]
    assert [reason.code for reason in gateway.last_update().reasons] == ["CANCEL_NOT_SHOWN"]


@pytest.mark.parametrize("answer", SHOWS_NO_STATE)
async def test_a_cancellation_whose_answer_shows_no_state_is_accepted_once_the_run_shows_it(
    answer: HttpResponse,
) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, answer)
    gateway.system.tests[TEST]["state"] = "cancelled"
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_ACCEPTED]
    assert gateway.row().phase is Phase.CANCELLED
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1


async def test_a_cancellation_of_which_neither_the_answer_nor_the_run_shows_anything_is_refused() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, *[HttpResponse(status=200)] * 3)
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=200)] * 3)
    await gateway.process_cancellation("TR0001")
    assert [reason.code for reason in gateway.last_update().reasons] == ["CANCEL_NOT_SHOWN"]


async def test_a_cancellation_that_was_accepted_for_later_is_not_asked_about() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_ACCEPTED
    assert gateway.system.calls_made(Purpose.READ) == []


async def test_a_cancellation_that_the_system_shows_a_moment_later_is_accepted() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, shown())
    gateway.system.plan(Purpose.READ, json_answer(200, {"id": TEST, "state": "cancelled"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_ACCEPTED]
    assert gateway.row().phase is Phase.CANCELLED


@pytest.mark.parametrize(
    ("word", "spellings"),
    [("cancelling", {}), ("assessingCancelation", {}), ("stopping", {"stopping": "cancelling"}), ("stopping", {})],
)
async def test_fault_a_run_that_its_system_is_cancelling_was_told_as_refused(
    word: str, spellings: dict[str, str]
) -> None:
    gateway = await a_run_that_is_out(state_spellings=spellings)
    await gateway.process_callback(TEST, state="inProgress")
    gateway.system.tests[TEST]["state"] = word
    gateway.system.plan(Purpose.CANCEL, shown(state=word))
    await gateway.process_cancellation("TR0001")
    await gateway.process_callback(TEST, "being cancelled", state=word)
    assert gateway.row().state is RunState.IN_PROGRESS
    gateway.system.tests[TEST]["state"] = "cancelled"
    await gateway.advance(60, step=10)
    assert (gateway.row().phase, gateway.row().state) == (Phase.CANCELLED, RunState.CANCELLED)
    told = [UpdateKind.ACCEPTED, UpdateKind.PROGRESS, UpdateKind.CANCEL_ACCEPTED]
    is_known = bool(spellings) or word != "stopping"
    assert gateway.updates() == (told if is_known else [*told, UpdateKind.PROGRESS])
    assert gateway.unknown_states == ([] if is_known else ["fibre-lab"])


async def test_a_cancellation_that_is_never_shown_as_done_is_refused_in_the_end() -> None:
    gateway = await a_run_that_is_out(cancel_deadline=600)
    gateway.system.plan(Purpose.CANCEL, shown(state="cancelling"))
    gateway.system.tests[TEST]["state"] = "cancelling"
    await gateway.process_cancellation("TR0001")
    await gateway.advance(1200, step=20)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_ACCEPTED, UpdateKind.CANCEL_REFUSED]
    assert gateway.row().state is RunState.ACKNOWLEDGED


async def test_a_run_that_completed_before_its_cancellation_is_not_cancelled() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, json_answer(200, {"id": TEST, "state": "completed"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]


@pytest.mark.parametrize("status", [302, 303, 304, 307, 406, 417])
async def test_a_change_that_was_made_and_answered_without_certainty_is_accepted(status: int) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST]["description"] = "fast"
    await change(gateway, HttpResponse(status=status))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
    assert len(gateway.system.calls_made(Purpose.CHANGE)) == 1  # it was sent again for ever


async def test_a_change_that_was_not_made_and_is_redirected_is_refused() -> None:
    gateway = await a_run_that_is_out()
    await change(gateway, HttpResponse(status=302))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_REFUSED]
    assert [reason.code for reason in gateway.last_update().reasons] == ["CHANGE_NOT_SHOWN"]


async def test_a_redirected_change_of_which_nothing_is_shown_is_refused() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=200)] * 3)
    await change(gateway, HttpResponse(status=302))
    assert [reason.code for reason in gateway.last_update().reasons] == ["CHANGE_NOT_SHOWN"]


@pytest.mark.parametrize("status", [302, 303, 304, 406, 417])
@pytest.mark.parametrize("method", ["patch", "delete"])
async def test_a_cancellation_that_was_made_and_answered_without_certainty_is_accepted(
    method: str, status: int
) -> None:
    gateway = await a_run_that_is_out(cancel=method)
    gateway.system.tests[TEST]["state"] = "cancelled"
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=status))
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.CANCELLED
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1


async def test_a_redirected_cancellation_of_a_run_that_goes_on_is_refused() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, *[HttpResponse(status=302)] * 3)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates()[-1] is UpdateKind.CANCEL_REFUSED
    assert gateway.row().phase is Phase.ACCEPTED
