"""A system that says too little, or in another order, over Kafka and HTTP: no run is left open, or moved back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiohttp import ClientSession, web

from schemas.lifecycle import RunCancelled
from schemas.vocabulary import RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.misanswering_system import MisansweringSystem, a_misanswering_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest

ENDS, GOES_ON = "TR8", "TR9"


class SilentSystem(MisansweringSystem):
    """Takes each cancellation for later, and reports nothing."""

    async def change(self, request: web.Request) -> web.Response:
        """Answer 202."""
        return web.Response(status=202, text=request.match_info["id"])


async def accepted(service: ServiceUnderTest, run_id: str, kind: UpdateKind = UpdateKind.ACCEPTED) -> None:
    await service.wait_until(lambda: kind in [each.kind for each in service.updates(run_id)], f"{kind} of {run_id}")


async def test_accepted_cancellations_end_their_runs_or_become_dead_letters(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        a_misanswering_system(SilentSystem()) as system,
    ):
        changed = {"base_url": system.base_url, "cancel_deadline": 1.0}
        service.rules = replace(
            service.rules, profiles=tuple(each.model_copy(update=changed) for each in service.rules.profiles)
        )
        await service.start()
        await service.request(a_document(ENDS), a_document(GOES_ON))
        for run_id in (ENDS, GOES_ON):
            await accepted(service, run_id)
        await service.publish(*(RunCancelled(run_id=each, root_run_id=each) for each in (ENDS, GOES_ON)))
        for run_id in (ENDS, GOES_ON):
            await accepted(service, run_id, UpdateKind.CANCEL_ACCEPTED)
        system.tests[ENDS]["state"] = "cancelled"
        assert (await service.result_of(ENDS)).state is RunState.CANCELLED
        await accepted(service, GOES_ON, UpdateKind.CANCEL_REFUSED)
        (letter,) = await service.wait_until(service.dead_letters, "the dead letter")
        assert letter.header("southbound-dlq-code") == "CANCEL_NOT_SHOWN"
        assert [result.run_id for result in service.results()] == [ENDS]


async def test_events_out_of_order_end_at_the_newer_state(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        a_misanswering_system(SilentSystem()) as system,
    ):
        changed = {"base_url": system.base_url}
        service.rules = replace(
            service.rules, profiles=tuple(each.model_copy(update=changed) for each in service.rules.profiles)
        )
        await service.start()
        await service.request(a_document(GOES_ON))
        await accepted(service, GOES_ON)
        now = datetime.now(UTC)
        for state, seconds in (("inProgress", 2), ("pending", 1), ("pending", 3)):
            await report(service, state, now + timedelta(milliseconds=seconds))
        await service.wait_until(
            lambda: [one.state for one in service.updates(GOES_ON)][-1:] == [RunState.PENDING], "the newest state"
        )
        told = [one.state for one in service.updates(GOES_ON) if one.kind is UpdateKind.PROGRESS]
        assert told == [RunState.IN_PROGRESS, RunState.PENDING]
        store = await service.store()
        row = await store.run(GOES_ON)
        await store.close()
        assert row is not None
        assert (row.state_event_at, row.reasons) == (now + timedelta(milliseconds=3), ())


async def report(service: ServiceUnderTest, state: str, at: datetime) -> None:
    run = {"id": f"ext-{GOES_ON}", "state": state}
    event = {"eventType": "ServiceTestAttributeValueChangeEvent", "eventTime": at.isoformat(), "event": run}
    address = f"http://127.0.0.1:{service.settings.listener.port}/fibre-lab/listener"
    async with ClientSession() as session, session.post(address, json=event) as answer:
        assert answer.status == 201, await answer.text()
