"""A change that was not answered may be made late, so a newer one is not sent before the settle time is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.handler import RetryLater
from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose
from schemas.lifecycle import RunChanged
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import REFUSED_CONNECTION, CallFault, FakeSystem, body_of
from tests.harness.gateway import InMemoryGateway, ManualClock

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.spokes.port import Admit, BeforeCall, Call

SETTLE = 60.0  # seconds, without a setting in the profile
PATCHABLE = {"patchable": ["description"]}
UNSETTLED = "CHANGE_UNSETTLED"


@dataclass(slots=True)
class TimedSystem(FakeSystem):
    """Notes when each PATCH was written, with its description."""

    clock: ManualClock = field(default_factory=ManualClock)
    changes: list[tuple[datetime, str]] = field(default_factory=list)

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        """Answer one call."""
        if call.purpose is Purpose.CHANGE:
            self.changes.append((self.clock.at, str(body_of(call).get("description"))))
        return await FakeSystem.call(self, spoke, call, before, admit)

    @property
    def contents(self) -> list[str]:
        """What was sent, in order."""
        return [description for _, description in self.changes]

    def wait_of_newest(self) -> float:
        """Return how many seconds after the last PATCH with another content the newest one was written first."""
        newest = min(at for at, description in self.changes if description == self.contents[-1])
        return (
            newest - max(at for at, description in self.changes if description != self.contents[-1])
        ).total_seconds()


def a_gateway(**profile: object) -> tuple[InMemoryGateway, TimedSystem]:
    system = TimedSystem()
    return InMemoryGateway(profile=PATCHABLE | profile, system=system, clock=system.clock), system


async def a_run_that_is_out(**profile: object) -> tuple[InMemoryGateway, TimedSystem]:
    gateway, system = a_gateway(**profile)
    await gateway.process_request(a_document(description="v1"))
    return gateway, system


def codes(gateway: InMemoryGateway) -> list[str]:
    return [each.problem.code for each in gateway.retries]


LATE = (CallFault.REQUEST_LOST, HttpResponse(status=504), HttpResponse(status=502), HttpResponse(status=499))
NOT_DONE = (REFUSED_CONNECTION, HttpResponse(status=503), HttpResponse(status=500), HttpResponse(status=423))


@pytest.mark.parametrize("answer", LATE)
async def test_a_newer_change_waits_for_one_that_was_repeated_and_accepted(answer: HttpResponse | CallFault) -> None:
    gateway, system = await a_run_that_is_out()
    system.plan(Purpose.CHANGE, answer)
    await gateway.process_change(a_document(version=2, description="v2"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED  # the second attempt; the first one may follow it
    await gateway.process_change(a_document(version=3, description="v3"))
    assert system.contents == ["v2", "v2", "v3"]
    assert (system.changes[2][0] - system.changes[0][0]).total_seconds() >= SETTLE
    assert codes(gateway).count(UNSETTLED) == 1
    assert gateway.row().accepted_version == 3


async def test_a_newer_change_waits_for_one_that_it_replaced_before_its_second_attempt() -> None:
    gateway, system = await a_run_that_is_out(settle_time=20)
    system.plan(Purpose.CHANGE, CallFault.REQUEST_LOST)
    topic = gateway.names.dispatch("fibre-lab")
    gateway.produce(gateway.names.lifecycle, RunChanged(run=a_document(version=2, description="v2")), "change 2")
    await gateway.process_next(gateway.names.lifecycle)
    assert isinstance(await gateway.attempt_next(topic), RetryLater)
    await gateway.process_change(a_document(version=3, description="v3"))
    assert system.contents == ["v2", "v3"]
    assert system.wait_of_newest() >= 20
    assert codes(gateway) == [UNSETTLED]


async def test_a_newer_change_waits_for_one_that_was_given_up() -> None:
    gateway, system = await a_run_that_is_out(retry={"max_attempts": 1})
    system.plan(Purpose.CHANGE, CallFault.REQUEST_LOST)
    await gateway.process_change(a_document(version=2, description="v2"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    await gateway.process_change(a_document(version=3, description="v3"))
    assert system.contents[-1] == "v3"
    assert system.wait_of_newest() >= SETTLE


@pytest.mark.parametrize("answer", NOT_DONE)
async def test_a_change_that_certainly_was_not_made_delays_none(answer: HttpResponse | NoResponse) -> None:
    gateway, system = await a_run_that_is_out()
    system.plan(Purpose.CHANGE, answer)
    await gateway.process_change(a_document(version=2, description="v2"))
    await gateway.process_change(a_document(version=3, description="v3"))
    assert UNSETTLED not in codes(gateway)
    assert gateway.row().failed_attempt is None
    assert system.contents[-1] == "v3"


async def test_what_a_profile_declares_as_not_done_delays_none() -> None:
    gateway, system = await a_run_that_is_out(status_meanings={"504": "transient"})
    system.plan(Purpose.CHANGE, HttpResponse(status=504))
    await gateway.process_change(a_document(version=2, description="v2"))
    await gateway.process_change(a_document(version=3, description="v3"))
    assert UNSETTLED not in codes(gateway)


async def test_a_child_of_a_bundle_waits_for_the_change_of_another_one_in_the_same_root() -> None:
    gateway, system = a_gateway(children_changed_in="root")
    await gateway.process_request(a_tree(spec="fibre-bundle", children=2))
    system.plan(Purpose.CHANGE, CallFault.REQUEST_LOST)
    for child in ("TR0001-1", "TR0001-2"):
        changed = a_document(child, spec="fibre-tree-child", parent="TR0001", version=2, description=f"v2 of {child}")
        await gateway.process_change(changed)
    assert len(system.changes) == 3
    assert (system.changes[2][0] - system.changes[0][0]).total_seconds() >= SETTLE
