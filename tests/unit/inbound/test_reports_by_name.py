"""A report that names its run by our id or its name alone, and by no id of the system, reaches the run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from consumers.runtime.handler import Attempt, DeadLetter, RetryLater
from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, Result, RunState
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.runtime.handler import Record
    from consumers.spokes.port import Call

MEASURED = {"state": "completed", "testMeasure": [{"id": "TM1", "value": 7}]}
OURS = {"owner": "southbound", "externalIdentifierType": "testRunId", "id": "TR0001"}
WAYS = ["name", "externalIdentifier", "characteristic"]


def named(gateway: InMemoryGateway, way: str) -> dict[str, object]:
    """Return the field of a test by which a system names its run."""
    post = gateway.system.calls_made(Purpose.SEND)[0]
    ways: dict[str, object] = {
        "name": orjson.loads(post.body or b"")["name"],
        "externalIdentifier": [OURS],
        "characteristic": [{"name": "testRunId", "value": "TR0001"}],
    }
    return {way: ways[way]}


def a_report(gateway: InMemoryGateway) -> Record:
    callback = gateway.a_callback(None, **named(gateway, "name"), **MEASURED)
    return gateway.produce(gateway.names.inbound, callback, "by name")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [None, HttpResponse(status=202)])
async def test_fault_a_report_by_name_about_a_run_with_an_id_was_a_dead_letter(
    way: str, answer: HttpResponse | None
) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, answer)
    await gateway.process_request(a_document())
    await gateway.process_callback(None, "by name", **named(gateway, way), **MEASURED)
    assert gateway.dead_letter_codes() == []
    assert (gateway.row().state, gateway.row().result) == (RunState.COMPLETED, Result.PASS)


async def test_a_thin_report_by_name_is_read_by_the_id_of_the_run() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    gateway.system.tests["ext-TR0001"] |= MEASURED
    await gateway.process_callback(None, "by name", **named(gateway, "name"), state="completed")
    assert [call.path for call in gateway.system.calls_made(Purpose.READ)] == ["/serviceTest/ext-TR0001"]
    assert gateway.row().result is Result.PASS


async def test_fault_a_report_by_name_that_overtakes_the_answer_to_the_post_was_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    outcomes: list[object] = []

    async def report_first(_: Call) -> None:
        gateway.system.on_call = None
        outcomes.append(await gateway.attempt(a_report(gateway)))

    gateway.system.on_call = report_first
    await gateway.process_request(a_document())
    assert [type(outcome) for outcome in outcomes] == [RetryLater]
    assert (gateway.dead_letter_codes(), gateway.row().result) == ([], Result.PASS)


async def test_a_report_by_name_about_a_run_that_is_never_accepted_becomes_a_dead_letter() -> None:
    gateway = InMemoryGateway(profile={"look_up": "none"})
    gateway.system.plan(Purpose.SEND, HttpResponse(status=504))
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.FALLOUT
    report, seconds, outcome = a_report(gateway), 0.0, None
    for number in range(1, 200):
        outcome = await gateway.attempt_with(report, Attempt(number, seconds))
        if not isinstance(outcome, RetryLater):
            break
        seconds += outcome.delay
        gateway.clock.at += timedelta(seconds=outcome.delay)
    assert isinstance(outcome, DeadLetter)
    assert seconds < 70


async def test_a_report_by_name_of_another_run_is_a_dead_letter_at_once() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    await gateway.process_callback(None, "by name", name="Line test", **MEASURED)
    assert gateway.dead_letter_codes() == ["REPORT_WITHOUT_RUN"]
    assert gateway.row().state is not RunState.COMPLETED


async def test_a_report_by_name_after_the_test_was_replaced_may_be_about_the_old_one() -> None:
    gateway = InMemoryGateway(profile={"reposted": ["description"]})
    await gateway.process_request(a_document(description="1"))
    await gateway.process_change(a_document(version=2, description="2"))
    assert gateway.row().external_id != "ext-TR0001"
    await gateway.process_callback(None, "by name", **named(gateway, "name"), **MEASURED)
    assert gateway.dead_letter_codes() == ["REPORT_WITHOUT_RUN"]
