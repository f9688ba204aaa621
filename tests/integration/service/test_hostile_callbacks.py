"""One callback of 800 KB with hundreds of thousands of problems: the result of its run arrives on a real topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.vocabulary import Result, RunState
from southbound.simulator.behaviours import stays_pending
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service
from tests.integration.service.test_many_callbacks import (
    a_notification,
    a_notification_client,
    wait_for_external_id,
)

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def with_measures(external_id: str, measures: list[object]) -> dict[str, object]:
    """Return a notification that the run is in progress, with these measures."""
    test = {"id": external_id, "state": "inProgress", "testMeasure": measures}
    return {"eventId": "HOSTILE", "eventType": "x", "event": {"serviceTest": test}}


@pytest.mark.parametrize(
    ("measures", "verdict"),
    [
        ([1] * 270_000, Result.PASS),
        ([{"metricName": f"{letter}{n}"} for letter in LETTERS for n in range(900)], Result.INCONCLUSIVE),
        ([{"metricName": "x", "value": {"value": "\u20ac" * 140_000}}], Result.PASS),
    ],
    ids=["unreadable measures", "unknown measures", "one huge value"],
)
async def test_a_result_arrives_after_a_hostile_callback(
    kafka_bootstrap: str, tmp_path: Path, measures: list[object], verdict: Result
) -> None:
    script = Script(default=stays_pending(None))
    async with a_service(kafka_bootstrap, tmp_path, script=script) as service, a_notification_client(service) as lab:
        await service.request(a_document("TR1", measures=("TM1",)))
        external_id = await wait_for_external_id(service, "TR1")
        assert await lab.send_all(with_measures(external_id, measures)) == [201]
        assert await lab.send_all(a_notification(external_id)) == [201]
        result = await service.result_of("TR1")
        assert (result.state, result.result) == (RunState.COMPLETED, verdict)
        assert [measure.value for measure in result.test_measure if measure.id == "TM1"] == [93.5]
        assert service.dead_letters() == []
        assert await service.stop()
