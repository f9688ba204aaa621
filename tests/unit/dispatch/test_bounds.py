"""Nothing waits without a bound: for an external id, or for a system that refuses one run and accepts others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.dispatch.outages import OutageTracker
from consumers.runtime.handler import Attempt
from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose, Verdict
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import FakeSystem, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Admit, BeforeCall, Call

NO_ID = HttpResponse(status=202)
FORGETFUL = [json_answer(200, [])] * 60
PROFILE = {"patchable": ["description"], "id_deadline": 600}


async def a_run_without_an_id() -> InMemoryGateway:
    gateway = InMemoryGateway(profile=PROFILE)
    gateway.system.plan(Purpose.SEND, NO_ID)
    gateway.system.plan(Purpose.LOOK_UP, *FORGETFUL)
    await gateway.process_request(a_document())
    return gateway


async def test_a_change_of_a_run_whose_id_never_comes_is_refused_and_a_dead_letter() -> None:
    gateway = await a_run_without_an_id()
    await gateway.process_change(a_document(version=2, description="another"))
    assert [letter.problem.code for _, letter in gateway.dead_lettered] == ["EXTERNAL_ID_MISSING"]
    assert gateway.updates()[-1] is UpdateKind.CHANGE_REFUSED
    assert len(gateway.system.calls_made(Purpose.LOOK_UP)) < 30


async def test_the_id_of_a_run_is_found_on_a_later_page_of_a_system_that_ignores_the_filter() -> None:
    gateway = InMemoryGateway(profile=PROFILE)
    others = [{"id": f"o{number}", "name": f"of somebody else {number}"} for number in range(20)]
    ours = [{"id": "ext-1", "name": "Line test TR0001", "state": "acknowledged"}]
    counted = {"x-total-count": "21"}
    pages = [json_answer(200, runs, **counted) for runs in (others, others, ours)]
    gateway.system.plan(Purpose.SEND, NO_ID)
    gateway.system.plan(Purpose.LOOK_UP, *pages)
    await gateway.process_request(a_document())
    assert gateway.row().external_id == "ext-1"


async def test_a_cancellation_of_a_run_whose_id_never_comes_is_refused_and_a_dead_letter() -> None:
    gateway = await a_run_without_an_id()
    await gateway.process_cancellation("TR0001")
    assert [letter.problem.code for _, letter in gateway.dead_lettered] == ["EXTERNAL_ID_MISSING"]
    assert gateway.updates()[-1] is UpdateKind.CANCEL_REFUSED


async def test_a_child_of_a_run_whose_id_never_comes_is_in_fallout() -> None:
    gateway = InMemoryGateway(profile=PROFILE)
    gateway.system.plan(Purpose.SEND, NO_ID)
    gateway.system.plan(Purpose.LOOK_UP, *FORGETFUL)
    await gateway.process_request(a_tree())
    codes = {letter.problem.code for _, letter in gateway.dead_lettered}
    assert "EXTERNAL_ID_MISSING" in codes
    assert gateway.row("TR0001-1").phase is Phase.FALLOUT


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415])
async def test_a_run_that_a_system_forbids_while_it_accepts_others_is_given_up(status: int) -> None:
    class Picky(FakeSystem):
        """Accepts a run of others before each attempt, and forbids ours."""

        async def call(
            self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
        ) -> HttpResponse | NoResponse:
            await FakeSystem.call(self, spoke, call, before, admit)
            gateway.outages.note_verdict(spoke, Purpose.SEND, Verdict.ACCEPTED)
            return HttpResponse(status=status)

    gateway = InMemoryGateway(system=Picky())
    await gateway.process_request(a_document())
    assert [letter.problem.code for _, letter in gateway.dead_lettered] == ["CALL_CONFIGURATION"]
    assert gateway.row().phase is Phase.FALLOUT
    assert gateway.updates()[-1] is UpdateKind.FALLOUT


def test_wrong_credentials_keep_all_runs_waiting() -> None:
    tracker = OutageTracker()
    history = [
        tracker.history_after("record", Attempt(number, number * 60.0), "lab", Purpose.SEND, out=False, busy=True)
        for number in range(1, 50)
    ]
    assert all(attempt.is_outage for attempt in history)


def test_a_refusal_does_not_count_as_an_outage_once_another_run_was_accepted() -> None:
    tracker = OutageTracker()
    tracker.history_after("record", Attempt(1, 0.0), "lab", Purpose.SEND, out=False, busy=True)
    tracker.note_verdict("lab", Purpose.SEND, Verdict.ACCEPTED)
    second = tracker.history_after("record", Attempt(2, 1.0), "lab", Purpose.SEND, out=False, busy=True)
    assert not second.is_outage
