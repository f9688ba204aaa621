"""Callbacks that were refused, or are easily refused, are taken, and say of their run what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.profile import Profile
from consumers.spokes.registry import spoke_for
from schemas.vocabulary import RunState
from tests.builders.spokes import a_spoke
from tests.contract.inbound.test_listener import a_listener

if TYPE_CHECKING:
    from consumers.spokes.port import Spoke

FAULTS = Path(__file__).parents[2] / "data/faults"


@pytest.mark.parametrize(
    ("file", "state", "metric"),
    [
        ("callback-with-bom.json", RunState.COMPLETED, "Flow speed"),
        ("callback-plain.json", RunState.COMPLETED, "Flow speed"),
        ("callback-servicenow-style.json", RunState.COMPLETED, "Flow speed"),
        ("callback-wholesale-envelope.json", None, None),  # it names the run, which is then read with GET
    ],
)
async def test_fault_callbacks_are_stored_and_read(file: str, state: RunState | None, metric: str | None) -> None:
    spoke = a_spoke()
    async with a_listener(check=spoke.check_callback) as rig:
        status, _ = await rig.post("/fibre-lab/listener", (FAULTS / file).read_bytes())
        assert status == 201
        (received,) = rig.publisher.callbacks()
    assert received.external_id == "EXTID"
    report = spoke.read_callback(received)
    assert report.external_id == "EXTID"
    assert report.state is state
    assert [measure.metric_name for measure in report.measures] == ([metric] if metric else [])


ONE_RUN = b'{"eventType": "ServiceTestStateChangeEvent", "eventId": "7", "event": {%s: {"state": "completed", %s}}}'
JOBS = spoke_for(Profile(name="fibre-lab", base_url="http://127.0.0.1:9", dialect="jobs"))
RENAMED = spoke_for(
    Profile.model_validate(
        {
            "name": "fibre-lab",
            "base_url": "http://127.0.0.1:9",
            "mapping": {"event": [{"from": "/test", "to": "/event/serviceTest"}]},
        }
    )
)


@pytest.mark.parametrize(
    ("spoke", "body"),
    [
        (a_spoke(), ONE_RUN % (b'"serviceTest"', b'"href": "https://lab.example/serviceTest/E1"')),
        (a_spoke(), ONE_RUN % (b'"ServiceTest"', b'"id": "E1"')),
        (a_spoke(), b'{"eventType": "x", "event": {"id": "of the event", "ServiceTest": {"id": "E1"}}}'),
        (a_spoke(), b'{"eventType": "x", "resourcePath": "/serviceTest/E1", "event": {"state": "completed"}}'),
        (JOBS, b'{"type": "job.finished", "jobId": "E1", "status": 4}'),
        (RENAMED, b'{"eventType": "x", "test": {"id": "E1", "state": "completed"}}'),
    ],
)
async def test_fault_callbacks_whose_run_only_the_spoke_finds_do_not_all_wait_for_each_other(
    spoke: Spoke, body: bytes
) -> None:
    async with a_listener(check=spoke.check_callback) as rig:
        status, _ = await rig.post("/fibre-lab/listener", body)
        assert status == 201
        (received,) = rig.publisher.callbacks()
        (message,) = rig.publisher.published
    assert spoke.read_callback(received).external_id == "E1"
    assert (received.external_id, message.key) == ("E1", b"fibre-lab:E1")


async def test_a_callback_about_the_task_that_cancels_a_run_is_stored_under_the_id_of_the_run() -> None:
    task = b'{"eventType": "x", "event": {"cancelServiceTest": {"id": "C1", "serviceTest": {"id": "E1"}}}}'
    async with a_listener(check=a_spoke().check_callback) as rig:
        await rig.post("/fibre-lab/listener", task)
        (received,) = rig.publisher.callbacks()
    assert received.external_id == "E1"
