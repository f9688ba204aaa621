"""The simulated job system is served by the dialect `jobs`: a run to its result, a change, an abort, a look-up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from consumers.inbound.polling.poller import Poller
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.profile import Profile
from schemas.run_document import Characteristic
from schemas.vocabulary import RunState, UpdateKind
from southbound.simulator.presets.jobs import JobsLikeSystem
from southbound.simulator.scenario.build_systems import build_system
from southbound.simulator.scenario.scenario import ScenarioSystem
from tests.builders.runs import a_document, a_tree
from tests.fakes.callback_sink import CallbackSink
from tests.harness.gateway import InMemoryGateway
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUICK = {"transitions": [{"state": "completed"}], "values": {"metric M1": 940}}
NEVER = {"transitions": [{"state": "inProgress"}]}


@dataclass(slots=True)
class GatewayAndJobs:
    """All handlers of the service, which call the system over HTTP."""

    gateway: InMemoryGateway
    system: JobsLikeSystem

    def job(self, run_id: str = "TR0001") -> dict[str, Any]:
        (only,) = [job for job in self.system.jobs.values() if job["reference"] == run_id]
        return only

    async def poll(self) -> None:
        poller = Poller(
            caller=self.gateway.caller,
            store=self.gateway.store,
            events=self.gateway.events,
            now=self.gateway.clock,
            warn=self.gateway.problems.append,
        )
        await self.gateway.advance(400, step=100)
        await poller.poll_silent_runs(self.gateway.caller.spoke("fibre-lab").profile)
        await self.gateway.run_until_idle()


@asynccontextmanager
async def a_gateway_and_jobs(behaviour: dict[str, Any], **more: Any) -> AsyncIterator[GatewayAndJobs]:  # noqa: ANN401 - of a profile
    described = ScenarioSystem.model_validate({"name": "jobs", "preset": "jobs", "default": behaviour})
    system = build_system(described, 1, {})
    assert isinstance(system, JobsLikeSystem)
    async with system:
        profile = {
            "base_url": system.base_url,
            "dialect": "jobs",
            "auth": {"kind": "none"},
            "patchable": ["description", "characteristic"],
            "result_channels": ["poll"],
            "poll_interval": 2,
            "poll_after": 2,
            **more,
        }
        client = SpokeClient([Profile.model_validate({"name": "fibre-lab", **profile})], {})
        gateway = InMemoryGateway(system=client, profile=profile)  # type: ignore[arg-type] # it is used as its port only
        try:
            yield GatewayAndJobs(gateway, system)
        finally:
            await client.close()


async def test_a_job_ends_with_its_readings() -> None:
    async with a_gateway_and_jobs(QUICK) as both:
        await both.gateway.process_request(a_document(measures=("M1",)))
        await wait_until(lambda: both.job()["status"] == 30)
        await both.poll()
        (result,) = both.gateway.results("TR0001")
    assert result.state is RunState.COMPLETED
    assert [(measure.id, measure.value) for measure in result.test_measure] == [("M1", 940)]


async def test_an_order_is_changed_and_a_job_aborted() -> None:
    async with a_gateway_and_jobs(NEVER) as both:
        await both.gateway.process_request(a_document())
        faster = (Characteristic(name="speed", value=2),)
        await both.gateway.process_change(a_document(version=2, characteristic=faster))
        assert both.job()["parameters"] == {"speed": 2}
        assert UpdateKind.CHANGE_ACCEPTED in both.gateway.updates("TR0001")
        await both.gateway.process_cancellation("TR0001")
        assert both.job()["status"] == 50
        (result,) = both.gateway.results("TR0001")
    assert result.state is RunState.CANCELLED


async def test_what_a_behaviour_forbids_is_refused() -> None:
    async with a_gateway_and_jobs(NEVER | {"changeable": False, "cancelable": False}) as both:
        await both.gateway.process_request(a_document())
        await both.gateway.process_change(a_document(version=2, description="Second visit"))
        assert both.gateway.updates("TR0001")[-1] is UpdateKind.CHANGE_REFUSED
        await both.gateway.process_cancellation("TR0001")
        assert both.gateway.updates("TR0001")[-1] is UpdateKind.CANCEL_REFUSED


@pytest.mark.parametrize("stored", [True, False])
async def test_an_order_without_an_answer_leads_to_one_job(*, stored: bool) -> None:
    behaviour = NEVER | {"reset_times": 1, "accept_before_reset": stored}
    async with a_gateway_and_jobs(behaviour, settle_time=1) as both:
        await both.gateway.process_request(a_document())
        await both.gateway.advance(60, step=1)
        assert both.job()["status"] == 20


async def test_a_hierarchy_is_one_job_after_the_other() -> None:
    async with a_gateway_and_jobs(QUICK) as both:
        await both.gateway.process_request(a_tree(children=2))
        assert {both.job(f"TR0001-{n}")["after"] for n in (1, 2)} == {both.job()["jobId"]}


async def test_a_notification_has_the_number_and_the_state() -> None:
    async with CallbackSink() as sink:
        described = {"name": "jobs", "preset": "jobs", "default": QUICK, "callback": {"url": sink.url}}
        system = build_system(ScenarioSystem.model_validate(described), 1, {})
        assert isinstance(system, JobsLikeSystem)
        async with system:
            client = SpokeClient([Profile(name="fibre-lab", base_url=system.base_url, dialect="jobs")], {})
            gateway = InMemoryGateway(
                system=client,  # type: ignore[arg-type] # it is used as its port only
                profile={"base_url": system.base_url, "dialect": "jobs"},
            )
            await gateway.process_request(a_document())
            await wait_until(lambda: sink.events)
            await client.close()
    assert sink.events == [{"type": "job.status", "sequence": 1, "jobId": "4711", "status": 30}]
