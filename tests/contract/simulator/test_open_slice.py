"""A system like OpenSlice is served by a profile alone: a run to its result, a change, a cancellation, a look-up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from consumers.inbound.polling.poller import Poller
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.profile import Profile
from schemas.files.yaml_file import read_yaml_file
from schemas.run_document import Characteristic, RequestedMeasure
from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from southbound.simulator.behaviours import completes_by_callback
from southbound.simulator.presets.open_slice import OpenSliceLikeSystem
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.runs.run import RunRow
    from schemas.run_document import RunDocument
    from southbound.simulator.behaviours import Behaviour

PROFILE = Path(__file__).parents[3] / "docs" / "examples" / "open-slice.yaml"
MEASURES = (
    RequestedMeasure(id="TM-1", metric_name="latency"),
    RequestedMeasure(id="TM-2", metric_name="throughput"),
)
VALUES = {"latency": 12, "throughput": 940}
QUICK = completes_by_callback(0.0, values=VALUES)
NEVER = completes_by_callback(3600.0, values=VALUES)
WAITS = completes_by_callback(0.0, values=VALUES, waits_for={"profile": "line"})


def a_request(**more: Any) -> RunDocument:  # noqa: ANN401 - any field of a run document
    return a_document("TR0001", tenant="north").model_copy(update={"test_measure": MEASURES, **more})


@dataclass(slots=True)
class GatewayAndOpenSlice:
    """All handlers of the service, which call the system over HTTP."""

    gateway: InMemoryGateway
    system: OpenSliceLikeSystem

    @property
    def row(self) -> RunRow:
        return self.gateway.row("TR0001")

    @property
    def test(self) -> dict[str, Any]:
        (only,) = self.system.tests.values()
        return only

    async def poll(self, rounds: int = 1) -> None:
        poller = Poller(
            caller=self.gateway.caller,
            store=self.gateway.store,
            events=self.gateway.events,
            now=self.gateway.clock,
            warn=self.gateway.problems.append,
        )
        for _ in range(rounds):
            await self.gateway.advance(400, step=100)
            await poller.poll_silent_runs(self.gateway.caller.spoke("fibre-lab").profile)
            await self.gateway.run_until_idle()


@asynccontextmanager
async def a_gateway_and_system(behaviour: Behaviour, **more: object) -> AsyncIterator[GatewayAndOpenSlice]:
    async with OpenSliceLikeSystem(script=Script(default=behaviour)) as system:
        shipped = read_yaml_file(PROFILE).value
        assert isinstance(shipped, dict)
        fields = shipped | {"name": "fibre-lab", "base_url": system.base_url, "auth": {"kind": "none"}, **more}
        client = SpokeClient([Profile.model_validate(fields)], {})
        profile = {name: value for name, value in fields.items() if name != "name"}
        gateway = InMemoryGateway(system=client, profile=profile)  # type: ignore[arg-type] # it is used as its port only
        try:
            yield GatewayAndOpenSlice(gateway, system)
        finally:
            await client.close()


async def test_a_run_is_sent_and_ends_when_its_measures_are_there() -> None:
    wanted = (Characteristic(name="loss", value=0.5), Characteristic(name="strict", value=True))
    async with a_gateway_and_system(QUICK) as both:
        await both.gateway.process_request(a_request(characteristic=wanted))
        await wait_until(lambda: bool(both.test["testMeasure"]))
        await both.poll()
        (result,) = both.gateway.results("TR0001")
    assert (result.state, result.result) == (RunState.COMPLETED, Result.PASS)
    assert {measure.id: measure.value for measure in result.test_measure} == {"TM-1": "12", "TM-2": "940"}
    assert [each["value"] for each in both.test["characteristic"]] == [
        {"value": "0.5", "alias": "loss"},
        {"value": "true", "alias": "strict"},
    ]


async def test_a_run_whose_measures_are_not_all_there_goes_on() -> None:
    async with a_gateway_and_system(completes_by_callback(0.0, values={"latency": 12})) as both:
        await both.gateway.process_request(a_request())
        await wait_until(lambda: bool(both.test["testMeasure"]))
        await both.poll()
    assert both.gateway.results("TR0001") == []
    assert [measure.id for measure in both.row.measures] == ["TM-1"]


async def test_a_change_that_the_system_makes_is_accepted() -> None:
    async with a_gateway_and_system(NEVER) as both:
        await both.gateway.process_request(a_request())
        await both.gateway.process_change(a_request(version=2, description="Second visit"))
        assert both.test["description"] == "Second visit"
    assert both.gateway.updates("TR0001")[-1] is UpdateKind.CHANGE_ACCEPTED


async def test_a_test_that_waits_for_a_change_ends_after_it() -> None:
    async with a_gateway_and_system(WAITS) as both:
        await both.gateway.process_request(a_request(characteristic=(Characteristic(name="profile", value="quick"),)))
        await both.gateway.process_change(a_request(version=2, description="Second visit"))
        await both.poll()
        assert (both.test["testMeasure"], both.gateway.results("TR0001")) == (None, [])
        line = (Characteristic(name="profile", value="line"),)
        await both.gateway.process_change(a_request(version=3, description="Second visit", characteristic=line))
        await wait_until(lambda: bool(both.test["testMeasure"]))
        await both.poll()
        (result,) = both.gateway.results("TR0001")
    assert result.state is RunState.COMPLETED


async def test_a_change_that_the_system_only_seems_to_make_is_refused() -> None:
    before = (Characteristic(name="port", value="1"), Characteristic(name="slot", value="2"))
    async with a_gateway_and_system(NEVER) as both:
        await both.gateway.process_request(a_request(characteristic=before))
        await both.gateway.process_change(a_request(version=2, characteristic=before[:1]))
        assert len(both.test["characteristic"]) == 2  # it merges by name, so that nothing is ever removed
    assert both.gateway.updates("TR0001")[-1] is UpdateKind.CHANGE_REFUSED


async def test_a_change_of_a_run_that_the_system_has_lost_is_not_accepted() -> None:
    async with a_gateway_and_system(NEVER) as both:
        await both.gateway.process_request(a_request())
        both.system.tests.clear()
        await both.gateway.process_change(a_request(version=2, description="Second visit"))
    assert both.gateway.updates("TR0001")[-1] is UpdateKind.CHANGE_REFUSED


async def test_a_cancellation_deletes_the_run() -> None:
    async with a_gateway_and_system(NEVER) as both:
        await both.gateway.process_request(a_request())
        await both.gateway.process_cancellation("TR0001")
        assert both.system.tests == {}
        (result,) = both.gateway.results("TR0001")
    assert result.state is RunState.CANCELLED


@pytest.mark.parametrize("stored", [True, False])
async def test_a_post_without_an_answer_leads_to_one_test(*, stored: bool) -> None:
    behaviour = NEVER.model_copy(update={"reset_times": 1, "accept_before_reset": stored})
    async with a_gateway_and_system(behaviour) as both:
        await both.gateway.process_request(a_request())
        posts = [method for method, _ in both.system.requests if method == "POST"]
        assert len(both.system.tests) == 1
    assert (both.row.phase, len(posts)) == (Phase.ACCEPTED, 1 if stored else 2)


async def test_a_lost_post_is_sent_again_although_the_system_lists_hundreds_of_tests_of_its_service() -> None:
    async with a_gateway_and_system(NEVER) as both:
        for number in range(1, 151):
            await both.gateway.process_request(a_document(f"TR1{number:03}"))
        both.system._script = Script(default=NEVER.model_copy(update={"reset_times": 1}))
        await both.gateway.process_request(a_document("TR2000"))
        assert len(both.system.tests) == 151
    assert both.gateway.row("TR2000").phase is Phase.ACCEPTED
    assert not both.gateway.dead_lettered


async def test_a_run_that_the_system_has_lost_ends() -> None:
    async with a_gateway_and_system(NEVER) as both:
        await both.gateway.process_request(a_request())
        both.system.tests.clear()
        await both.poll(rounds=4)
        await both.gateway.advance(900, step=30)
        (result,) = both.gateway.results("TR0001")
    assert result.state is RunState.FAILED


async def test_every_call_names_its_request_tenant_and_trace() -> None:
    async with a_gateway_and_system(NEVER, run_headers={"tenant": "X-Tenant"}) as both:
        await both.gateway.process_request(a_request())
        await both.gateway.process_change(a_request(version=2, description="Second visit"))
        await both.poll()
        await both.gateway.process_cancellation("TR0001")
    assert [method for method, _ in both.system.requests] == ["POST", "PATCH", "GET", "DELETE"]
    about = {(each["x-conversation-id"], each["x-tenant"], each["traceparent"][:35]) for each in both.system.headers}
    ((request_id, tenant, trace),) = about
    assert (request_id, tenant) == (both.row.request_id, "north")
    assert trace.startswith("00-")
