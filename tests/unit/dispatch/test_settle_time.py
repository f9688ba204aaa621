"""The settle time lies between the POST and the moment when the last look-up was made, however slow the answers are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from router.responses import Purpose
from tests.builders.runs import a_document
from tests.fakes.external_system import CallFault
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.spokes.port import Call

SETTLE = 60.0  # seconds, without a setting in the profile


def is_about(call: Call, run: str) -> bool:
    return run in (call.body or b"").decode() or run in dict(call.query).get("name", "")


@pytest.mark.parametrize("slow", ["TR0001", "TR0002"])  # the run in doubt, or the one that shows that the filter works
@pytest.mark.parametrize("seconds", [1.0, 12.0, 70.0])
async def test_slow_answers_do_not_count_for_the_settle_time(slow: str, seconds: float) -> None:
    gateway = InMemoryGateway()
    posted: list[datetime] = []
    asked: list[datetime] = []

    async def note(call: Call) -> None:
        if call.purpose is Purpose.LOOK_UP and is_about(call, "TR0001"):
            asked.append(gateway.clock.at)
        elif call.purpose is Purpose.SEND:
            posted.append(gateway.clock.at)
        if call.purpose is Purpose.LOOK_UP and is_about(call, slow):
            gateway.clock.at += timedelta(seconds=seconds)

    await gateway.process_request(a_document("TR0002"))
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    gateway.system.on_call = note
    before = gateway.clock.at
    await gateway.process_request(a_document("TR0001"))
    assert len(gateway.system.calls_made(Purpose.SEND)) == 3
    assert len(posted) == 1  # the lost one is not noted
    assert len(asked) >= 3
    assert (asked[-1] - before).total_seconds() >= SETTLE
