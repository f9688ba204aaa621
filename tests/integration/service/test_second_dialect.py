"""A system that does not speak TMF653 is ordered from, changed, cancelled, looked up and heard like any other."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from consumers.spokes.profile import RetrySettings
from schemas.lifecycle import RunCancelled, RunChanged
from schemas.run_document import Characteristic
from schemas.vocabulary import RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fixtures.job_system import a_job_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fixtures.job_system import JobSystem
    from tests.fixtures.service import ServiceUnderTest

QUICK = RetrySettings(initial_interval=0.1, backoff_coefficient=1.5, max_interval=0.5, max_attempts=20, max_elapsed=60)


@asynccontextmanager
async def a_service_with_jobs(
    kafka_bootstrap: str,
    folder: Path,
    breaks: frozenset[str] = frozenset(),
    **profile: Any,  # noqa: ANN401 - any field of a profile
) -> AsyncIterator[tuple[ServiceUnderTest, JobSystem, str]]:
    """Run the service with a system of the dialect `jobs` in the place of fibre-lab; yield its callback address too."""
    async with a_service(kafka_bootstrap, folder, started=False) as service, a_job_system(breaks) as system:
        changed = {"base_url": system.base_url, "dialect": "jobs", "retry": QUICK, "settle_time": 1.0, **profile}
        profiles = (profile.model_copy(update=changed) for profile in service.rules.profiles)
        service.rules = replace(service.rules, profiles=tuple(each for each in profiles if each.name == "fibre-lab"))
        await service.start()
        yield service, system, f"http://127.0.0.1:{service.settings.listener.port}/fibre-lab/listener"
        assert await service.stop()


async def test_a_run_is_executed_as_a_job(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service_with_jobs(kafka_bootstrap, tmp_path, frozenset({"TR2"})) as (service, system, callback):

        async def heard(run_id: str, kind: UpdateKind) -> None:
            await service.wait_until(
                lambda: kind in [update.kind for update in service.updates(run_id)], f"{kind} of {run_id}"
            )

        await service.request(*(a_document(run_id, measures=("TM0007",)) for run_id in ("TR1", "TR2", "TR3")))
        await service.request(a_tree("TR4", children=1))
        for run_id in ("TR1", "TR2", "TR3", "TR4", "TR4-1"):
            await heard(run_id, UpdateKind.ACCEPTED)
        assert [len(system.of(run_id)) for run_id in ("TR1", "TR2", "TR3")] == [1, 1, 1]  # TR2 was answered with 500
        assert system.of("TR4-1")[0]["after"] == str(system.of("TR4")[0]["jobId"])

        faster = (Characteristic(name="speed", value=2),)
        await service.publish(
            RunChanged(run=a_document("TR1", measures=("TM0007",), characteristic=faster, version=2)),
            RunCancelled(run_id="TR3", root_run_id="TR3", reason="not needed"),
        )
        await heard("TR1", UpdateKind.CHANGE_ACCEPTED)
        assert system.of("TR1")[0]["parameters"] == {"speed": 2}
        await system.complete("TR1", callback, key="TM0007", quantity="downstream", value=3000, unit="Mbit/s")

        done, cancelled = await service.result_of("TR1"), await service.result_of("TR3")
        assert [(measure.id, measure.value) for measure in done.test_measure] == [("TM0007", 3000)]
        assert (done.state, cancelled.state) == (RunState.COMPLETED, RunState.CANCELLED)
        assert service.dead_letters() == []
