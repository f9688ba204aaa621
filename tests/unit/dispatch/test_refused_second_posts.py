"""A system stores a run and says that it did not, and refuses the next POST of it: the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_document
from tests.fakes.external_system import REFUSED_CONNECTION, FakeSystem, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Admit, BeforeCall, Call

NOT_PROCESSED = (423, 425, 429, 503, 507)  # retried without a look-up
REFUSAL = {"code": "nameExists", "reason": "the name exists"}


class StoresTheFirst(FakeSystem):
    """Stores the first POST, answers it as not processed, and refuses every other one; its list lags."""

    def __init__(self, *answers: int, lag: int, stores: bool = True) -> None:
        super().__init__()
        self.answers = [*answers]
        self.lag = lag  # look-ups that do not show the run yet
        self.stores = stores

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        stored = dict(self.tests)
        answer = await FakeSystem.call(self, spoke, call, before, admit)
        if isinstance(answer, NoResponse):
            return answer
        if call.purpose is Purpose.SEND:
            self.tests = stored if stored or not self.stores else self.tests
            return json_answer(self.answers.pop(0), REFUSAL)
        if call.purpose is Purpose.LOOK_UP and self.lag > 0:
            self.lag -= 1
            return json_answer(200, [], **{"x-total-count": "0"})
        return answer


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize("second", [400, 409, 412, 413, 418, 422])
@pytest.mark.parametrize("first", [*NOT_PROCESSED, 401, 403, 404, 405, 415, 501])
async def test_a_refusal_after_an_answer_that_nothing_was_processed_does_not_end_a_run_that_exists(
    first: int, second: int, lag: int
) -> None:
    gateway = InMemoryGateway(system=StoresTheFirst(first, second, lag=lag))
    await gateway.process_request(a_document())
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")
    assert gateway.results() == []


@pytest.mark.parametrize("second", [400, 409, 422])
async def test_a_refusal_two_attempts_after_such_an_answer_does_not_end_a_run_that_exists(second: int) -> None:
    gateway = InMemoryGateway(system=StoresTheFirst(503, second, lag=1))
    gateway.system.plan(Purpose.SEND, None, REFUSED_CONNECTION)
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED


@pytest.mark.parametrize("lag", [1, 2])
async def test_a_conflict_on_the_first_post_is_settled_because_the_list_may_lag(lag: int) -> None:
    gateway = InMemoryGateway(system=StoresTheFirst(409, lag=lag))
    await gateway.process_request(a_document())
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize("answers", [(409,), (503, 422), (429, 400), (401, 409)])
async def test_such_a_refusal_is_the_result_once_the_run_is_certainly_absent(answers: tuple[int, ...]) -> None:
    gateway = InMemoryGateway(system=StoresTheFirst(*answers, lag=0, stores=False))
    await gateway.process_request(a_document())
    (result,) = gateway.results()
    assert (result.state, result.reasons[0].code) == (RunState.REJECTED, "nameExists")
    assert (gateway.clock.at - NOON).total_seconds() >= 60
    assert len(gateway.system.calls_made(Purpose.SEND)) == len(answers)


async def test_a_conflict_is_not_answered_with_another_post_although_the_first_look_up_proves_nothing() -> None:
    gateway = InMemoryGateway(system=StoresTheFirst(409, lag=0, stores=False))
    gateway.system.plan(Purpose.LOOK_UP, HttpResponse(status=500))
    await gateway.process_request(a_document())
    assert [result.state for result in gateway.results()] == [RunState.REJECTED]
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize("first", NOT_PROCESSED)
async def test_a_conflict_after_such_an_answer_is_for_a_person_where_nothing_can_be_looked_up(first: int) -> None:
    gateway = InMemoryGateway(system=StoresTheFirst(first, 409, lag=0), profile={"look_up": "none"})
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.FALLOUT
    assert gateway.dead_letter_codes() == ["IN_DOUBT"]


async def test_a_refusal_after_a_refused_connection_needs_no_look_up() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, REFUSED_CONNECTION, HttpResponse(status=422))
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.FAILED
    assert gateway.system.calls_made(Purpose.LOOK_UP) == []


async def test_a_refusal_of_a_busy_system_without_look_ups_is_still_a_result() -> None:
    gateway = InMemoryGateway(profile={"look_up": "none"})
    gateway.system.plan(Purpose.SEND, HttpResponse(status=429), HttpResponse(status=422))
    await gateway.process_request(a_document())
    assert [result.state for result in gateway.results()] == [RunState.REJECTED]
