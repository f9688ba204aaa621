"""Callbacks that were refused, or are easily refused, are taken, and say of their run what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.vocabulary import RunState
from tests.builders.spokes import a_spoke
from tests.contract.inbound.test_listener import a_listener

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
