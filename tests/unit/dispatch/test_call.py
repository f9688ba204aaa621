"""The time of a call, and the check whether it may be made, begin when a connection is free."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from consumers.dispatch.call import Caller, MembershipUncertainError
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.limits.circuit_breaker import Breakers
from consumers.spokes.port import Call, do_nothing
from router.responses import HttpResponse, Purpose
from tests.builders.runs import NOON
from tests.builders.spokes import a_profile, a_spoke
from tests.fakes.transport import FakeTransport

if TYPE_CHECKING:
    from consumers.dispatch.call import ObservedCall
    from consumers.spokes.port import BeforeCall
    from consumers.spokes.transport import HttpRequest

TEN = timedelta(seconds=10)
GET = Call(purpose=Purpose.READ, method="GET", path="/serviceTest/1")


class TenSecondTransport(FakeTransport):
    """Takes ten seconds for each response, on a clock that nothing else moves."""

    now: datetime = NOON

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse:
        await before()
        await asyncio.sleep(0)
        self.now += TEN
        self.requests.append(request)
        return HttpResponse(status=200, body=b"{}")


class OneConnectionCaller:
    """A caller of one system with one connection."""

    def __init__(self, surely_ours_for: timedelta = timedelta.max) -> None:
        self.transport = TenSecondTransport()
        self.seconds: list[float] = []
        self.caller = Caller(
            spokes={"fibre-lab": a_spoke()},
            client=SpokeClient([a_profile(concurrency=1)], {}, lambda _: self.transport),
            now=lambda: self.transport.now,
            random=lambda: 0.5,
            may_send=lambda: self.transport.now - NOON < surely_ours_for,
            on_call=self._note,
            breakers=Breakers({}, lambda: self.transport.now, lambda: 0.5),
        )

    def _note(self, observed: ObservedCall) -> None:
        self.seconds.append((observed.ended - observed.began).total_seconds())


async def test_waiting_for_a_free_connection_does_not_count_as_the_systems_time() -> None:
    harness = OneConnectionCaller()
    await asyncio.gather(*(harness.caller.call("fibre-lab", GET) for _ in range(5)))
    assert harness.seconds == [10] * 5


async def test_calls_that_wait_for_longer_than_the_session_are_not_sent() -> None:
    harness = OneConnectionCaller(surely_ours_for=2 * TEN)
    outcomes = await asyncio.gather(*(harness.caller.call("fibre-lab", GET) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[2:]] == [MembershipUncertainError] * 3
    assert len(harness.transport.requests) == 2


async def test_a_worker_that_may_have_been_replaced_raises() -> None:
    with pytest.raises(MembershipUncertainError, match="has had no response from Kafka for too long"):
        OneConnectionCaller(surely_ours_for=timedelta()).caller.require_membership()
