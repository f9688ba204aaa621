"""The TMF653 spoke, the listener and a simulated external system work together over real connections."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from consumers.inbound.callback_auth import TokenAuthenticator
from consumers.inbound.listener import CallbackConfig, Listener
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.profile import Profile
from consumers.spokes.registry import spoke_for
from router.responses import HttpResponse, NoResponse
from router.runs.changes import FieldChange
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.commands import SendRun
from schemas.run_document import Characteristic
from schemas.vocabulary import Phase, RunState
from southbound.simulator.behaviours import Behaviour, completes_by_callback, completes_immediately, stays_pending
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.script import Script
from tests.builders.runs import NOON, SINGLE, a_document, a_run, a_tree
from tests.fakes.recording_inbound_publisher import RecordingInboundPublisher
from tests.harness.repeated_posts import repeated_posts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.spokes.port import Call, Spoke
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.run_document import RunDocument

TOKEN = {"X-Southbound-Token": "s3cret"}


@dataclass(slots=True)
class SpokeAndSystem:
    """A spoke and the external system that it calls."""

    spoke: Spoke
    client: SpokeClient
    system: ExternalSystem
    publisher: RecordingInboundPublisher

    async def call(self, call: Call | None) -> HttpResponse:
        assert call is not None
        answer = await self.client.call("fibre-lab", call)
        assert isinstance(answer, HttpResponse), answer
        return answer

    def post(self, document: RunDocument, parent: RunRow | None = None, payload: str = "per-run") -> Call:
        decision = SINGLE.model_copy(update={"payload": payload})
        command = SendRun(run=document, request_id="RQ0001", spoke="fibre-lab", decision=decision)
        return self.spoke.to_send(command, parent)

    async def send(self, document: RunDocument, parent: RunRow | None = None) -> ExternalReport:
        return self.spoke.read_reply(await self.call(self.post(document, parent)))

    async def accepted(self, document: RunDocument) -> RunRow:
        report = await self.send(document)
        row = a_run(document.run_id, phase=Phase.ACCEPTED, document=document)
        return replace(row, external_id=report.external_id, external_href=report.href)

    async def wait_for_report(self, state: RunState) -> ExternalReport:
        async with asyncio.timeout(60):
            while True:
                for report in map(self.spoke.read_callback, self.publisher.callbacks()):
                    if report.state is state:
                        return report
                self.publisher.publish_called.clear()
                await self.publisher.publish_called.wait()


@asynccontextmanager
async def a_spoke_and_system(
    behaviour: Behaviour, version: str = "4.1", **profile: object
) -> AsyncIterator[SpokeAndSystem]:
    publisher = RecordingInboundPublisher()
    authenticator = TokenAuthenticator(token="s3cret", header="X-Southbound-Token")  # noqa: S106 - nobody else's
    listener = Listener(
        host="127.0.0.1",
        port=0,
        spokes={"fibre-lab": CallbackConfig(authenticator=authenticator)},
        publisher=publisher,
        topic="testrun.inbound",
        envelope=Envelope(Codec()),
        clock=lambda: NOON,
    )
    async with listener:
        url = f"http://127.0.0.1:{listener.port}/fibre-lab/listener"
        script = Script(default=behaviour)
        async with ExternalSystem(name="fibre-lab", script=script, callback_url=url, callback_headers=TOKEN) as system:
            described = Profile.model_validate({"name": "fibre-lab", "base_url": system.base_url, **profile})
            client = SpokeClient([described], {})
            yield SpokeAndSystem(spoke_for(described), client, system, publisher)
            await client.close()


async def test_a_synchronous_answer_is_read_with_its_measures() -> None:
    async with a_spoke_and_system(completes_immediately()) as rig:
        report = await rig.send(a_document(measures=("M1", "M2")))
    assert report.state is RunState.COMPLETED
    assert [measure.id for measure in report.measures] == ["M1", "M2"]
    assert all(measure.has_value for measure in report.measures)


async def test_a_callback_reaches_the_inbound_topic_and_is_understood() -> None:
    async with a_spoke_and_system(completes_by_callback(0.02)) as rig:
        sent = await rig.send(a_document(measures=("M1",)))
        report = await rig.wait_for_report(RunState.COMPLETED)
        assert {m.key for m in rig.publisher.published} == {f"fibre-lab:{sent.external_id}".encode()}
        assert rig.system.notifications.undelivered == []
    assert (sent.state, report.external_id) == (RunState.ACKNOWLEDGED, sent.external_id)
    assert [measure.id for measure in report.measures] == ["M1"]
    assert not report.thin


async def test_a_thin_event_asks_for_a_read_and_the_read_is_whole() -> None:
    async with a_spoke_and_system(completes_by_callback(0.02, minimal_events=True)) as rig:
        await rig.send(a_document(measures=("M1",)))
        report = await rig.wait_for_report(RunState.COMPLETED)
        assert report.thin
        read = rig.spoke.read_reply(await rig.call(rig.spoke.to_read(report.external_id or "")))
    assert [measure.id for measure in read.measures] == ["M1"]


@pytest.mark.parametrize("encoding", ["native", "extension", "characteristic", "none"])
async def test_a_child_is_accepted_below_its_parent_in_every_encoding(encoding: str) -> None:
    async with a_spoke_and_system(completes_immediately(), relationship_encoding=encoding) as rig:
        parent = await rig.accepted(a_document("TR0001"))
        child = await rig.send(a_document("TR0002", parent="TR0001"), parent)
    assert child.external_id not in {None, parent.external_id}


async def test_a_bundle_is_accepted_as_a_whole() -> None:
    async with a_spoke_and_system(completes_immediately()) as rig:
        answer = await rig.call(rig.post(a_tree(children=3), payload="bundle"))
        assert answer.status == 201
        listed = await rig.call(replace(rig.spoke.to_read(""), path="/serviceTest"))
    assert answer.body.count(b'"href"') == 4
    assert listed.headers["x-total-count"] == "4"


@pytest.mark.parametrize("stored", [True, False])
async def test_after_a_reset_the_look_up_knows_whether_the_post_arrived(*, stored: bool) -> None:
    document = a_document("TR0001", name="Speed, and loss")
    async with a_spoke_and_system(completes_immediately(reset_times=1, accept_before_reset=stored)) as rig:
        lost = await rig.client.call("fibre-lab", rig.post(document))
        assert isinstance(lost, NoResponse)
        assert lost.perhaps_sent
        found = rig.spoke.read_page(await rig.call(rig.spoke.to_look_up(document)), document).found
    assert (found is not None) is stored


async def test_a_change_is_accepted_and_comes_back_in_the_result() -> None:
    slow, fast = (Characteristic(name="profile", value=value) for value in ("slow", "fast"))
    document = a_document(characteristic=(slow,), measures=("M1",), description="old")
    async with a_spoke_and_system(stays_pending(0.2, echo_characteristics=True, waits_for={"profile": "fast"})) as rig:
        row = await rig.accepted(document)
        changes = [
            FieldChange(field="characteristic", old=(slow,), new=(fast,)),
            FieldChange(field="description", old="old", new=None),
        ]
        assert (await rig.call(rig.spoke.to_change(row, changes, "key"))).status == 200
        report = await rig.wait_for_report(RunState.COMPLETED)
    assert report.measures[0].value == "fast"


async def test_a_cancellation_is_accepted_and_reported() -> None:
    async with a_spoke_and_system(stays_pending(None)) as rig:
        row = await rig.accepted(a_document())
        answer = await rig.call(rig.spoke.to_cancel(row, "not needed", "key"))
        assert rig.spoke.read_reply(answer).state is RunState.CANCELLED
        assert (await rig.wait_for_report(RunState.CANCELLED)).external_id == row.external_id


async def test_every_attempt_of_a_command_carries_the_same_key() -> None:
    async with a_spoke_and_system(completes_immediately(busy_times=1)) as rig:
        call = replace(rig.post(a_document()), idempotency_key="key-TR0001")
        assert [(await rig.call(call)).status for _ in range(2)] == [503, 201]
        assert repeated_posts(rig.system.request_log) == {"key-TR0001": 2}
