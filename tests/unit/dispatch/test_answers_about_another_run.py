"""What a system answers about another run is not believed of ours, whatever was asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, Purpose
from schemas.run_document import Characteristic
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import FakeSystem, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Admit, BeforeCall, Call
    from router.responses import NoResponse
    from router.runs.run import RunRow

TEST = "ext-TR0001"
MEASURE = {"id": "M1", "metricName": "metric M1", "value": 1}
OF_ANOTHER = {"id": "ext-OTHER", "state": "failed", "testMeasure": [MEASURE]}
BY_ADDRESS = {"href": "/tmf-api/serviceTestManagement/v4/serviceTest/ext-OTHER", "state": "failed"}
NAMES_ANOTHER = {"id": TEST, "state": "failed", "externalIdentifier": [{"id": "TR0009", "owner": "southbound"}]}
IN_CHARACTERISTIC = {"state": "failed", "characteristic": [{"name": "testRunId", "value": "TR0009"}]}


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document(measures=("M1",)))
    return gateway


@pytest.mark.parametrize("answer", [OF_ANOTHER, BY_ADDRESS, NAMES_ANOTHER, IN_CHARACTERISTIC])
async def test_a_get_that_is_answered_with_another_run_does_not_end_ours(answer: dict[str, object]) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[json_answer(200, answer)] * 99)
    await gateway.process_callback(TEST, state="completed")
    await gateway.advance(60)
    assert (gateway.row().state, gateway.row().measures) == (RunState.COMPLETED, ())  # as the event says
    assert "another run" in gateway.retries[-1].problem.sentence


@pytest.mark.parametrize("answer", [OF_ANOTHER, BY_ADDRESS, NAMES_ANOTHER, IN_CHARACTERISTIC])
async def test_an_event_without_a_state_whose_get_is_answered_with_another_run_is_kept(
    answer: dict[str, object],
) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[json_answer(200, answer)] * 40)
    await gateway.process_callback(TEST, state=None)
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.dead_letter_codes() == ["REPORT_UNREADABLE"]


async def test_a_get_that_is_answered_with_another_run_once_is_asked_again() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST] |= {"state": "completed", "testMeasure": [MEASURE]}
    gateway.system.plan(Purpose.READ, json_answer(200, OF_ANOTHER))
    await gateway.process_callback(TEST, state="completed")
    assert gateway.row().phase is Phase.FULFILLED


async def test_a_run_that_is_checked_is_not_ended_by_an_answer_about_another_one() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[json_answer(200, OF_ANOTHER)] * 99)
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    await gateway.advance(60)
    assert gateway.row().state is RunState.COMPLETED
    assert [measure.value for measure in gateway.row().measures if measure.value is not None] == []


@pytest.mark.parametrize("method", ["patch", "delete", "task"])
async def test_a_cancellation_that_is_answered_with_another_run_is_checked_by_a_get(method: str) -> None:
    gateway = await a_run_that_is_out(cancel=method)
    another = {"id": "ext-OTHER", "state": "cancelled"}
    task = {"id": "t1", "state": "done", "serviceTest": {"id": "ext-OTHER"}}
    gateway.system.plan(Purpose.CANCEL, *[json_answer(200, task if method == "task" else another)] * 3)
    await gateway.process_cancellation("TR0001")
    assert len(gateway.system.calls_made(Purpose.READ)) == 3
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.updates()[-1] is UpdateKind.CANCEL_REFUSED


@pytest.mark.parametrize("status", [201, 202])
async def test_a_post_that_is_answered_with_a_run_of_another_id_of_ours_is_looked_up(status: int) -> None:
    gateway = InMemoryGateway()
    another = {**NAMES_ANOTHER, "id": "ext-X", "testMeasure": [MEASURE]}
    gateway.system = AnswersWithAnother(json_answer(status, another))
    await gateway.process_request(a_document(measures=("M1",)))
    assert (gateway.row().external_id, gateway.row().measures) == (TEST, ())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_such_a_post_is_never_followed_by_another_one() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, json_answer(201, {**NAMES_ANOTHER, "id": "ext-X"}))
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.FALLOUT
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"id": TEST.upper()},
        {"id": 4711, "href": f"/serviceTest/{TEST}"},
        {"id": "4711", "externalIdentifier": [{"id": "tr0001", "owner": "SOUTHBOUND"}]},
        {"href": f"/serviceTest/{TEST}/status"},
        {"id": TEST, "externalIdentifier": [{"id": "ticket 9", "owner": "crm"}, {"id": "9"}]},
        {},
    ],
)
async def test_a_system_that_names_our_run_in_another_way_is_believed(answer: dict[str, object]) -> None:
    gateway = await a_run_that_is_out()
    shown = {"state": "completed", "testMeasure": [MEASURE]} | answer
    gateway.system.plan(Purpose.READ, json_answer(200, shown))
    await gateway.process_callback(TEST, state="completed")
    assert gateway.row().phase is Phase.FULFILLED


async def test_a_parameter_with_the_name_of_our_characteristic_names_no_other_run() -> None:
    parameter = Characteristic(name="testRunId", value="legacy 5")
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(characteristic=(parameter,)))
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, TEST)


@pytest.mark.parametrize("answer", [OF_ANOTHER, BY_ADDRESS, NAMES_ANOTHER, IN_CHARACTERISTIC])
async def test_a_change_that_is_answered_with_another_run_is_checked_by_a_get(answer: dict[str, object]) -> None:
    gateway = await a_run_that_is_out(patchable=["description"])
    gateway.system.plan(Purpose.CHANGE, *[json_answer(200, {**answer, "description": "fast"})] * 3)
    await gateway.process_change(a_document(version=2, description="fast", measures=("M1",)))
    assert len(gateway.system.calls_made(Purpose.READ)) >= 1
    assert gateway.row().phase is Phase.ACCEPTED


async def test_the_monitor_of_a_cancellation_is_no_other_run() -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202, headers={"location": "/monitor/9"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.updates()[-1] is UpdateKind.CANCEL_ACCEPTED


async def test_a_child_that_is_shown_with_the_id_of_its_root_is_our_run() -> None:
    gateway = await a_run_that_is_out()
    gateway.store.runs["TR0001"] = _as_child(gateway)
    shown = {**IN_CHARACTERISTIC, "id": TEST, "state": "completed", "testMeasure": [MEASURE]}
    gateway.system.plan(Purpose.READ, json_answer(200, shown))
    await gateway.process_callback(TEST, state="completed")
    assert gateway.row().phase is Phase.FULFILLED


def _as_child(gateway: InMemoryGateway) -> RunRow:
    return replace(gateway.row(), root_run_id="TR0009", parent_run_id="TR0009")


class AnswersWithAnother(FakeSystem):
    """Stores what is POSTed, and answers with another run."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__()
        self.answer = answer

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        answer = await FakeSystem.call(self, spoke, call, before, admit)
        return self.answer if call.purpose is Purpose.SEND else answer
