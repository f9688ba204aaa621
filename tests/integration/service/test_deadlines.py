"""A silent system: its run is late, times out, and what it says later is flagged; a refused child is compensated."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from consumers.spokes.profile import ChildRefused
from schemas.inbound import InboundReceived
from schemas.results import Reason
from schemas.vocabulary import Channel, Result, RunState, UpdateKind
from southbound.simulator.behaviours import Behaviour, rejects
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.results import RunResult, RunUpdate
    from tests.fixtures.service import ServiceUnderTest

SILENT = Behaviour(initial_state=RunState.IN_PROGRESS, notifies=False)
SCRIPT = Script(default=SILENT, specifications={"broken": rejects(Reason(code="noLine", message="there is no line"))})
TREE = a_document(
    "TREE",
    spec="fibre-tree",
    children=(
        a_document("C1", spec="fibre-tree-child", parent="TREE", order=1),
        a_document("C2", spec="broken", parent="TREE", order=2),
        a_document("C3", spec="fibre-tree-child", parent="TREE", order=3),
    ),
)


async def test_a_silent_system_and_a_refused_child(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, script=SCRIPT, started=False) as service:
        compensating = {"child_refused": ChildRefused.COMPENSATE}
        profiles = tuple(profile.model_copy(update=compensating) for profile in service.rules.profiles)
        service.rules = replace(service.rules, profiles=profiles)
        await service.start()
        # What is late and times out before it is looked at has only timed out, so there are some seconds in between.
        await service.request(a_document("TR1", measures=("TM1",), expected_duration=1, time_out=15), TREE)
        await service.wait_until(lambda: _of_kind(service, UpdateKind.JEOPARDY), "the run is late")
        result = await service.result_of("TR1")
        assert (result.state, result.result, result.reasons[-1].code) == (
            RunState.FAILED,
            Result.TIMED_OUT,
            "TIMEOUT",
        )
        await service.publish(_late_report(result))
        stale = await service.wait_until(lambda: _of_kind(service, UpdateKind.STALE), "the late result is flagged")
        assert [measure.value for measure in stale[0].test_measure] == [9.5]
        again = await service.wait_until(lambda: _results(service, "TR1")[1:], "the result with the late measure")
        assert again[0].result is Result.TIMED_OUT
        request = await service.wait_until(
            lambda: next((each for each in service.request_results() if each.root_run_id == "TREE"), None),
            "the request ends",
        )
        assert request.counts == {"cancelled": 3, "rejected": 1}
        assert [reason.code for reason in request.reasons] == ["COMPENSATED"]


def _of_kind(service: ServiceUnderTest, kind: UpdateKind) -> list[RunUpdate]:
    return [update for update in service.updates("TR1") if update.kind is kind]


def _results(service: ServiceUnderTest, run_id: str) -> list[RunResult]:
    return [result for result in service.results() if result.run_id == run_id]


def _late_report(result: RunResult) -> InboundReceived:
    test = {"id": result.external_id, "state": "completed", "testMeasure": [{"id": "TM1", "value": 9.5}]}
    return InboundReceived(
        spoke=result.spoke,
        external_id=result.external_id or "",
        channel=Channel.CALLBACK,
        received_at=datetime.now(UTC),
        content_type="application/json",
        body=orjson.dumps({"eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": test}}),
    )
