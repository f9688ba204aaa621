"""A run that waits for its next attempt keeps the last one: its number, its error, and when the next one is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.handler import RetryLater
from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase
from tests.builders.runs import a_document
from tests.fakes.external_system import LOCKED, NO_RESPONSE, REFUSED_CONNECTION, FakeSystem, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.runtime.handler import Outcome
    from consumers.spokes.port import Admit, BeforeCall, Call
    from router.responses import NoResponse
    from router.runs.failed_attempt import FailedAttempt

DISPATCH = "testrun.dispatch.fibre-lab"


async def a_routed_run(**more: object) -> InMemoryGateway:
    gateway = InMemoryGateway(**more)  # type: ignore[arg-type] # fields of a gateway
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "r")
    await gateway.process_next(gateway.names.lifecycle)
    return gateway


async def attempt(gateway: InMemoryGateway, number: int = 1) -> tuple[Outcome, FailedAttempt | None]:
    (record,) = gateway.waiting(DISPATCH)
    outcome = await gateway.attempt(record, number)
    return outcome, gateway.row().failed_attempt


def is_now(gateway: InMemoryGateway, failed: FailedAttempt) -> bool:
    return timedelta() <= gateway.clock.at - failed.at < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("reaction", "phase", "code", "error"),
    [
        (LOCKED, Phase.RETRYING, "CALL_TRANSIENT", "HTTP_423"),
        (HttpResponse(status=503), Phase.RETRYING, "CALL_TRANSIENT", "HTTP_503"),
        (HttpResponse(status=401), Phase.RETRYING, "CALL_CONFIGURATION", "HTTP_401"),
        (REFUSED_CONNECTION, Phase.RETRYING, "CALL_TRANSIENT", "connection refused"),
        (NO_RESPONSE, Phase.IN_DOUBT, "CALL_AMBIGUOUS", "no answer within 10 s"),
        (HttpResponse(status=500), Phase.IN_DOUBT, "CALL_AMBIGUOUS", "HTTP_500"),
        (HttpResponse(status=302), Phase.IN_DOUBT, "CALL_AMBIGUOUS", "HTTP_302"),
    ],
)
async def test_a_run_that_waits_keeps_its_last_error_the_attempt_and_the_time_of_the_next(
    reaction: HttpResponse | NoResponse, phase: Phase, code: str, error: str
) -> None:
    gateway = await a_routed_run()
    gateway.system.plan(Purpose.SEND, reaction, reaction)
    for number in (1, 2) if phase is Phase.RETRYING and reaction != REFUSED_CONNECTION else (1,):
        outcome, failed = await attempt(gateway, number)
        assert isinstance(outcome, RetryLater)
        assert failed is not None
        assert (gateway.row().phase, failed.number, failed.code) == (phase, number, code)
        assert error in failed.message
        assert is_now(gateway, failed)
        assert failed.next_at == failed.at + timedelta(seconds=outcome.delay)


async def test_a_run_in_doubt_keeps_when_it_is_looked_up_again() -> None:
    gateway = await a_routed_run()
    gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    await attempt(gateway)
    gateway.system.tests.clear()
    outcome, failed = await attempt(gateway, 2)
    assert isinstance(outcome, RetryLater)
    assert failed is not None
    assert (failed.number, failed.code) == (2, "IN_DOUBT")
    assert "is looked up again in" in failed.message
    assert failed.next_at == failed.at + timedelta(seconds=outcome.delay)


async def test_look_ups_that_prove_nothing_are_stored_at_the_attempts_1_2_4_8() -> None:
    gateway = await a_routed_run(
        profile={"retry": {"max_attempts": 20, "max_elapsed": 10_000.0, "initial_interval": 1.0}}
    )
    gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    gateway.system.plan(Purpose.LOOK_UP, *[HttpResponse(status=500, body=b"no list")] * 20)
    stored, revisions = [], set()
    for number in range(1, 17):
        _, failed = await attempt(gateway, number)
        assert failed is not None
        stored.append(failed.number)
        revisions.add(gateway.row().revision)
        assert number == 1 or "no list" in failed.message
    assert stored == [1, 2, 2, 4, 4, 4, 4, *[8] * 8, 16]
    assert len(revisions) == 5


async def test_a_run_that_is_given_up_keeps_its_last_attempt_without_a_next_one() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 10)
    await gateway.process_request(a_document())
    failed = gateway.row().failed_attempt
    assert gateway.row().phase is Phase.FALLOUT
    assert failed is not None
    assert (failed.number, failed.code, failed.next_at) == (4, "CALL_TRANSIENT", None)


async def test_a_run_that_waits_because_others_fail_says_for_what_it_waits() -> None:
    gateway = InMemoryGateway()
    for number in range(12):
        gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document(f"TR{number}")), f"r{number}")
        await gateway.process_next(gateway.names.lifecycle)
    gateway.system.plan(Purpose.SEND, *[HttpResponse(status=503)] * 30)
    for record in gateway.waiting(DISPATCH):
        await gateway.attempt(record)
    messages = [row.failed_attempt.message for row in gateway.store.runs.values() if row.failed_attempt]
    assert len(messages) == 12
    assert any("no call was made, because fibre-lab does not process any" in message for message in messages)


async def test_an_accepted_run_keeps_no_failed_attempt() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, LOCKED, NO_RESPONSE)
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.row().failed_attempt is None


class StoresAndRefuses(FakeSystem):
    """Stores what is POSTed, and answers as if it had not."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        answer = await FakeSystem.call(self, spoke, call, before, admit)
        return json_answer(self.status, {"code": "no"}) if call.purpose is Purpose.SEND else answer


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 411, 415, 428, 431, 495, 501, 505, 511])
async def test_a_stored_run_that_was_refused_as_a_matter_of_configuration_is_posted_once(status: int) -> None:
    gateway = InMemoryGateway(system=StoresAndRefuses(status))
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1  # it was POSTed for ever
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")


@pytest.mark.parametrize("status", [413, 416, 418, 424, 451, 498])
async def test_a_stored_run_that_was_refused_for_the_request_is_adopted_and_does_not_end(status: int) -> None:
    gateway = InMemoryGateway(system=StoresAndRefuses(status))
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.results() == []


async def test_a_refusal_of_what_was_requested_needs_no_look_up() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=422))
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.FAILED
    assert gateway.system.calls_made(Purpose.LOOK_UP) == []


async def test_a_run_is_posted_once_the_operator_has_acted_although_look_ups_prove_nothing() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[HttpResponse(status=401)] * 3)
    gateway.system.plan(Purpose.LOOK_UP, *[HttpResponse(status=401)] * 3)
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
    assert len(gateway.system.calls_made(Purpose.SEND)) == 4


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "Correct auth in the profile"), (403, "Correct auth"), (404, "Correct base_url or paths"), (503, "")],
)
async def test_a_call_that_is_refused_says_what_of_the_profile_to_correct(status: int, remedy: str) -> None:
    gateway = await a_routed_run()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=status))
    await gateway.run_until_idle()
    sentences = [retry.problem.sentence for retry in gateway.retries]
    sentences += [letter.problem.sentence for _, letter in gateway.dead_lettered]
    assert sentences
    assert all((remedy in sentence if remedy else "Correct" not in sentence) for sentence in sentences)
