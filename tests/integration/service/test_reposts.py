"""Runs that are changed by another POST have one active test each, with the newest content, and end with its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import ClientSession

from schemas.lifecycle import RunChanged
from schemas.run_document import Characteristic
from schemas.vocabulary import RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fixtures.job_system import ABORTED, COMPLETED
from tests.integration.service.test_second_dialect import a_service_with_jobs

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.run_document import RunDocument
    from tests.fixtures.job_system import JobSystem

RUN_IDS = tuple(f"TR{number}" for number in range(1, 9))
BROKEN = frozenset({"TR2", "TR5"})  # their orders are stored, and answered with 500
NEWEST = {run_id: 3 if number % 2 else 2 for number, run_id in enumerate(RUN_IDS)}


def changed(run_id: str, version: int) -> RunDocument:
    speed = (Characteristic(name="speed", value=version),)
    return a_document(run_id, version=version, characteristic=speed, service=f"PI{version}")


def active(system: JobSystem, run_id: str) -> list[dict[str, object]]:
    return [job for job in system.of(run_id) if job["status"] not in {ABORTED, COMPLETED}]


async def test_changed_runs_have_one_active_test_each_and_end_with_its_result(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    profile = {"patchable": frozenset[str](), "reposted": frozenset({"characteristic", "relatedService"})}
    async with a_service_with_jobs(kafka_bootstrap, tmp_path, BROKEN, **profile) as (service, system, callback):

        async def told(run_id: str, kind: UpdateKind, version: int) -> None:
            await service.wait_until(
                lambda: (kind, version) in [(each.kind, each.version) for each in service.updates(run_id)],
                f"{kind} of version {version} of {run_id}",
            )

        await service.request(*(a_document(run_id) for run_id in RUN_IDS))
        for run_id in RUN_IDS:
            await told(run_id, UpdateKind.ACCEPTED, 1)
        versions = ((run_id, version) for run_id in RUN_IDS for version in range(2, NEWEST[run_id] + 1))
        await service.publish(*(RunChanged(run=changed(run_id, version)) for run_id, version in versions))
        for run_id in RUN_IDS:
            await told(run_id, UpdateKind.CHANGE_ACCEPTED, NEWEST[run_id])
            (job,) = active(system, run_id)
            assert job["parameters"] == {"speed": NEWEST[run_id]}
            assert 2 <= len(system.of(run_id)) <= NEWEST[run_id]

        async with ClientSession() as session:
            for sequence, (run_id, job) in enumerate((each, job) for each in RUN_IDS for job in system.of(each)):
                status = ABORTED if job["status"] == ABORTED else COMPLETED
                job["status"] = status
                event = {"type": "job.status", "sequence": sequence, "jobId": job["jobId"], "status": status}
                async with session.post(callback, json=event) as answer:
                    assert answer.status < 300, (run_id, await answer.text())
        results = [await service.result_of(run_id) for run_id in RUN_IDS]
        assert {result.state for result in results} == {RunState.COMPLETED}
        assert [result.external_id for result in results] == [str(system.of(run_id)[-1]["jobId"]) for run_id in RUN_IDS]
        assert service.dead_letters() == []
