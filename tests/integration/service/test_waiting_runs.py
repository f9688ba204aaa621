"""The command line names the last error, the attempt and the next one of every run that waits for its system."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.profile import RetrySettings
from schemas.vocabulary import Phase
from tests.builders.runs import a_document
from tests.fixtures.odd_system import an_odd_system, answers_nothing
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from router.runs.run import RunRow
    from tests.fixtures.service import ServiceUnderTest

SOUTHBOUND = (sys.executable, "-c", "from southbound.cli.app import main; main()")
GROWING = RetrySettings(
    initial_interval=0.2, backoff_coefficient=10.0, max_interval=600, max_attempts=20, max_elapsed=86_400
)
ONCE = RetrySettings(max_attempts=1)


@pytest.mark.parametrize("command", ["why", "runs show"])
async def test_why_and_show_name_the_last_attempt_and_the_next(
    kafka_bootstrap: str, tmp_path: Path, command: str
) -> None:
    async with (
        a_service(kafka_bootstrap, tmp_path, started=False) as service,
        an_odd_system(answers_nothing, {"LOCKED": 423, "DOUBT": 500, "GIVEN-UP": 423}) as system,
    ):
        retries = {"fibre-lab": GROWING, "copper-lab": ONCE}
        profiles = tuple(
            profile.model_copy(update={"base_url": system.base_url, "retry": retries[profile.name]})
            for profile in service.rules.profiles
        )
        service.rules = replace(service.rules, profiles=profiles)
        await service.start()
        await service.request(a_document("LOCKED"), a_document("DOUBT"), a_document("GIVEN-UP", spec="copper-line"))
        await row_with(service, "LOCKED", Phase.RETRYING, 2)
        await row_with(service, "DOUBT", Phase.IN_DOUBT, 2)
        await row_with(service, "GIVEN-UP", Phase.FALLOUT, 1)
        locked, doubt, given_up = [await printed(service, command, run) for run in ("LOCKED", "DOUBT", "GIVEN-UP")]
        assert re.search(rf"last attempt +number [2-9] at {TIME}: CALL_TRANSIENT: Run LOCKED .*423", locked)
        assert re.search(rf"next attempt +{TIME} ", locked)
        assert re.search(rf"last attempt +number [2-9] at {TIME}: CALL_AMBIGUOUS: Run DOUBT could not be sent", doubt)
        assert re.search(rf"next attempt +{TIME} ", doubt)
        assert re.search(rf"last attempt +number 1 at {TIME}: CALL_TRANSIENT: Run GIVEN-UP .*423", given_up)
        assert "next attempt" not in given_up
        assert await service.stop()


TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


async def row_with(service: ServiceUnderTest, run_id: str, phase: Phase, number: int) -> RunRow:
    """Wait for the row of a run in a phase, after at least so many attempts."""
    store = await service.store()
    try:
        async with asyncio.timeout(90):
            while True:
                row = await store.run(run_id)
                if row and row.phase is phase and row.failed_attempt and row.failed_attempt.number >= number:
                    return row
                await asyncio.sleep(0.05)  # the store has no event for it
    finally:
        await store.close()


async def printed(service: ServiceUnderTest, command: str, run_id: str) -> str:
    """Return what `southbound why` or `southbound runs show` prints about a run, in a process of its own."""
    kafka = service.settings.kafka
    environment = os.environ | {
        "SOUTHBOUND_KAFKA__BOOTSTRAP": kafka.servers,
        "SOUTHBOUND_KAFKA__PREFIX": kafka.prefix,
        "SOUTHBOUND_KAFKA__GROUP": kafka.group,
        "SOUTHBOUND_STORE__URL": service.settings.store.url.get_secret_value(),
        "COLUMNS": "400",
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [*SOUTHBOUND, *command.split(), run_id],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout
