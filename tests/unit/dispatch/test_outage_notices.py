"""The ordering service hears of its run when the system is down for long, once per outage, and when it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.dispatch.outages import MAX_RECORDS, AttemptHistory, OutageTracker
from consumers.runtime.handler import Attempt
from router.responses import HttpResponse, Purpose
from router.runs.notifications.outages import SYSTEM_DOWN
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import NOON, a_document
from tests.fakes.external_system import LOCKED, NO_RESPONSE, REFUSED_CONNECTION
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Call
    from router.responses import NoResponse

LONG = 30  # attempts, more than 5 minutes with the pauses of the harness
UNAUTHORIZED = HttpResponse(status=401)


def notices(gateway: InMemoryGateway) -> list[RunUpdate]:
    data = [event.data for event in gateway.published_events()]
    return [
        one for one in data if isinstance(one, RunUpdate) and any(reason.code == SYSTEM_DOWN for reason in one.reasons)
    ]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [(REFUSED_CONNECTION, "connection refused"), (HttpResponse(status=503), "503"), (UNAUTHORIZED, "401")],
)
async def test_a_run_whose_system_is_down_for_long_is_told_once_and_again_when_it_goes_on(
    answer: HttpResponse | NoResponse, problem: str
) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[answer] * LONG)
    await gateway.process_request(a_document())
    assert gateway.updates() == [UpdateKind.PROGRESS, UpdateKind.ACCEPTED]
    (notice,) = notices(gateway)
    assert notice.phase is Phase.RETRYING
    (reason,) = notice.reasons
    assert reason.message.startswith("fibre-lab is down or has refused calls since 2026-11-23 12:00 UTC")
    assert problem in reason.message
    assert gateway.row().reasons == ()


async def test_a_short_outage_is_not_told() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[REFUSED_CONNECTION] * 5)
    await gateway.process_request(a_document())
    assert gateway.updates() == [UpdateKind.ACCEPTED]


async def test_the_profile_says_when_an_outage_is_told() -> None:
    gateway = InMemoryGateway(profile={"outage_notice_after": 2.0})
    gateway.system.plan(Purpose.SEND, *[REFUSED_CONNECTION] * 5)
    await gateway.process_request(a_document())
    assert len(notices(gateway)) == 1


async def test_a_run_in_doubt_whose_system_goes_down_is_told() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, NO_RESPONSE)
    gateway.system.plan(Purpose.LOOK_UP, *[REFUSED_CONNECTION] * LONG)
    await gateway.process_request(a_document())
    (notice,) = notices(gateway)
    assert notice.phase is Phase.IN_DOUBT
    assert gateway.row().phase is Phase.ACCEPTED


async def test_a_run_that_only_its_system_forbids_is_no_outage() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_document())
    assert notices(gateway) == []
    assert gateway.row().phase is Phase.FALLOUT


async def test_a_cancellation_that_waits_for_a_system_is_told_and_its_end_has_no_old_reason() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.CANCEL, *[REFUSED_CONNECTION] * LONG)
    await gateway.process_cancellation("TR0001")
    assert len(notices(gateway)) == 1
    assert gateway.updates()[-1] is UpdateKind.CANCEL_ACCEPTED
    await gateway.process_callback("ext-TR0001", state="cancelled", testMeasure=[])
    assert [reason.code for result in gateway.results() for reason in result.reasons].count(SYSTEM_DOWN) == 0


async def test_a_run_that_ends_while_its_cancellation_waits_has_no_old_reason() -> None:
    gateway = InMemoryGateway(profile={"outage_notice_after": 0.001})
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.CANCEL, *[REFUSED_CONNECTION] * LONG)
    gateway.system.on_call = lambda call: gateway.end_during_call(call, Purpose.CANCEL, "completed")
    await gateway.process_cancellation("TR0001")
    (result,) = {
        result.id: result for result in gateway.published_events() if result.type.endswith("RunResult")
    }.values()
    assert SYSTEM_DOWN not in str(result.data)


async def test_a_restart_during_an_outage_tells_nothing_again() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[REFUSED_CONNECTION] * 2 * LONG)

    async def restart(_: Call) -> None:
        if len(gateway.system.calls) == LONG:
            gateway.outages = OutageTracker()

    gateway.system.on_call = restart
    await gateway.process_request(a_document())
    assert len(notices(gateway)) == 1
    assert gateway.row().phase is Phase.ACCEPTED


def test_what_is_remembered_of_outages_is_bounded() -> None:
    outages = OutageTracker()
    for number in range(MAX_RECORDS + 10):
        record = f"record {number}"
        outages.history_after(record, Attempt(1), "fibre-lab", Purpose.SEND, out=True, busy=False)
        assert outages.waits_since(record, NOON) == NOON
    assert len(outages._waits) == MAX_RECORDS
    assert isinstance(outages._tries["record 20"], AttemptHistory)
