"""What is stored and shown of a run tells whether the orderer, its system or Southbound has cancelled it, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from router.responses import HttpResponse, Purpose
from router.runs.events import CANCEL_REQUESTED
from schemas.lifecycle import RunCancelled, RunRequested
from schemas.vocabulary import Phase, RunState, UpdateKind
from southbound.operations.explain_run import explanation_json
from southbound.operations.run_views import format_time, status_sentences
from southbound.operations.why.diagnosis import explain_stored_run
from tests.builders.runs import a_document
from tests.fakes.external_system import REFUSED_CONNECTION
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from router.runs.run import RunRow

WHY = "the fault is gone"


async def a_sent_run() -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    return gateway


async def cancel(gateway: InMemoryGateway, why: str | None = WHY, event_id: str = "cancel") -> None:
    cancelled = RunCancelled(run_id="TR0001", root_run_id="TR0001", reason=why)
    await gateway.process_lifecycle_event(cancelled, event_id)


def canceller(row: RunRow) -> object:
    return explanation_json(row, None)["cancelled_by"]


def messages(row: RunRow) -> list[str]:
    return [reason.message for reason in row.reasons if reason.code == CANCEL_REQUESTED]


async def test_the_reason_of_the_orderer_is_kept_and_published_with_the_result() -> None:
    gateway = await a_sent_run()
    await cancel(gateway)
    await gateway.process_callback("ext-TR0001", state="cancelled")
    row = gateway.row()
    assert (row.phase, canceller(row)) == (Phase.CANCELLED, "orderer")
    assert messages(row) == [f"The ordering service requested the cancellation: {WHY}"]
    assert gateway.results()[-1].reasons == row.reasons
    sentences = status_sentences(row)
    assert sentences[0].startswith("the ordering service has cancelled it, since ")
    assert any(WHY in line for line in sentences)


@pytest.mark.parametrize("why", [None, "", "  "])
async def test_a_cancellation_without_a_reason_is_that_of_the_orderer(why: str | None) -> None:
    gateway = await a_sent_run()
    await cancel(gateway, why)
    await gateway.process_callback("ext-TR0001", state="cancelled")
    assert (canceller(gateway.row()), gateway.row().reasons) == ("orderer", ())


async def test_a_run_that_its_system_cancels_by_itself_says_so() -> None:
    gateway = await a_sent_run()
    await gateway.process_callback("ext-TR0001", state="cancelled")
    row = gateway.row()
    assert (row.phase, canceller(row)) == (Phase.CANCELLED, "system")
    sentence = "fibre-lab has cancelled it, without a request of the ordering service, since "
    assert status_sentences(row)[0].startswith(sentence)


async def test_a_cancellation_that_waits_shows_its_reason() -> None:
    gateway = await a_sent_run()
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await cancel(gateway)
    assert gateway.row().phase is Phase.ACCEPTED
    assert any(WHY in line for line in status_sentences(gateway.row()))
    assert canceller(gateway.row()) is None


async def test_a_run_that_ends_otherwise_does_not_name_the_reason() -> None:
    gateway = await a_sent_run()
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=409))
    await cancel(gateway)
    await gateway.process_callback("ext-TR0001", state="completed")
    assert (gateway.row().state, gateway.row().reasons) == (RunState.COMPLETED, ())


async def test_of_repeated_cancellations_the_last_reason_is_kept() -> None:
    gateway = await a_sent_run()
    gateway.system.plan(Purpose.CANCEL, *[HttpResponse(status=409)] * 200)
    for number in range(120):
        await cancel(gateway, f"reason {number}", f"cancel {number}")
    assert messages(gateway.row()) == ["The ordering service requested the cancellation: reason 119"]


async def test_a_run_that_was_never_sent_names_the_orderer_and_its_reason() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, REFUSED_CONNECTION)
    gateway.produce(gateway.names.lifecycle, _request(), "request")
    gateway.produce(gateway.names.lifecycle, RunCancelled(run_id="TR0001", root_run_id="TR0001", reason=WHY), "cancel")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.run_until_idle()
    row = gateway.row()
    assert (row.phase, canceller(row)) == (Phase.CANCELLED, "orderer")
    assert status_sentences(row)[0].startswith("the ordering service has cancelled it before it was sent")
    assert any(WHY in line for line in status_sentences(row))


async def test_an_ended_run_shows_when_it_ended_whatever_was_refused_later() -> None:
    gateway = await a_sent_run()
    await gateway.process_callback("ext-TR0001", state="completed")
    ended = gateway.row().finished_at
    assert ended is not None
    gateway.clock.at += timedelta(hours=3)
    await cancel(gateway)
    row = gateway.row()
    assert UpdateKind.CANCEL_REFUSED in gateway.updates()
    assert row.updated_at > ended + timedelta(hours=2)
    assert f"since {format_time(ended)}" in explain_stored_run(row)
    assert explanation_json(row, None)["since"] == ended


async def test_an_accepted_run_shows_when_it_was_accepted() -> None:
    gateway = await a_sent_run()
    accepted = gateway.row().accepted_at
    assert accepted is not None
    gateway.clock.at += timedelta(hours=3)
    await gateway.process_callback("ext-TR0001", state="acknowledged", testMeasure=[{"id": "M1", "value": 1}])
    assert gateway.row().updated_at > accepted + timedelta(hours=2)
    assert f"since {format_time(accepted)}" in explain_stored_run(gateway.row())


def _request() -> RunRequested:
    return RunRequested(run=a_document())
