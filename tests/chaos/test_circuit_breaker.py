"""A system that answers 503 to everything is asked by one call at a time, and all its runs go when it is back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from southbound.simulator.behaviours import completes_immediately
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.processes import a_deployment, unique_id

if TYPE_CHECKING:
    from pathlib import Path

FAILURES = 8  # in a row, until the breaker of a profile opens
RUNS = 400
CONCURRENCY = 4
PAUSE = 0.5  # seconds
PROFILE = {
    "concurrency": CONCURRENCY,
    "circuit_breaker": {"failures": FAILURES, "pause": PAUSE, "max_pause": PAUSE},
}
BUSY = completes_immediately(busy_times=1_000_000)


async def test_a_busy_system_is_probed_and_all_its_runs_go_in_order_when_it_is_back(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    script = Script(specifications={"fibre-line": BUSY}, default=completes_immediately())
    async with a_deployment(kafka_bootstrap, tmp_path, script=script, profile=PROFILE) as deployment:
        service, tag = deployment.service, unique_id("busy")
        process = await deployment.start()
        fibre = [f"{tag}-f{number}" for number in range(RUNS)]
        copper = [f"{tag}-c{number}" for number in range(RUNS)]
        posts = service.systems["fibre-lab"].request_log.posts
        began = time.monotonic()
        await service.request(*(a_document(run) for run in fibre))
        await service.wait_until(lambda: len(posts()) >= FAILURES, "the breaker opens")
        await service.request(*(a_document(run, spec="copper-line") for run in copper))
        await service.wait_until(lambda: deployment.ended_runs().issuperset(copper), "the results of the other system")
        probes = len(posts())
        await service.wait_until(lambda: len(posts()) >= probes + 3, "three more probes")
        pauses = (time.monotonic() - began) / (PAUSE / 2)
        # Calls that were under way when it opened, and one for each pause; it was one for each run and retry.
        assert len(posts()) <= FAILURES + CONCURRENCY + pauses
        assert "system is down" in process.log_text()
        script.specifications["fibre-line"] = completes_immediately()
        await service.wait_until(lambda: deployment.ended_runs().issuperset(fibre), "the results of the system")
        assert "system is back" in process.log_text()
        assert service.dead_letters() == []
        # Whatever was turned away was asked once more, and everything else once.
        assert len(posts()) <= RUNS + FAILURES + CONCURRENCY + (time.monotonic() - began) / (PAUSE / 2)
