"""Two processes poll one system: each run is asked for once in an interval."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.spokes.profile import ResultChannel
from schemas.vocabulary import RunState
from southbound.service.roles import Role
from southbound.simulator.behaviours import Behaviour
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest

SILENT = Script(default=Behaviour(initial_state=RunState.IN_PROGRESS, notifies=False))
RUNS = tuple(f"TR{number}" for number in range(6))
INTERVAL = 0.5  # seconds
ASKED = 12  # times that a run is asked for
POLLED = {
    "result_channels": frozenset({ResultChannel.POLL}),
    "poll_after": 0.2,
    "poll_interval": INTERVAL,
    "poll_max_interval": INTERVAL,
}


async def test_two_processes_ask_for_each_run_once_in_an_interval(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, script=SILENT, started=False) as service:
        profiles = tuple(profile.model_copy(update=POLLED) for profile in service.rules.profiles)
        service.rules = replace(service.rules, profiles=profiles)
        other = replace(service)  # the same settings, store and systems
        await service.start()
        try:
            await other.start([Role.POLLER])
            await service.request(*(a_document(run_id) for run_id in RUNS))
            await service.wait_until(lambda: len(_asked(service)) == len(RUNS), "both processes poll")
            began, before = time.monotonic(), _asked(service)
            await service.wait_until(lambda: max((_asked(service) - before).values(), default=0) >= ASKED, "polls")
            intervals = (time.monotonic() - began) / INTERVAL
        finally:
            await other.stop()
        # Rounds have jitter, so an interval is a tenth shorter at least, and one answer may have been under way before.
        # Slow machines only ask less often; two processes that both ask do so 12 times in 6 intervals.
        assert intervals / 0.9 + 2 >= ASKED


def _asked(service: ServiceUnderTest) -> Counter[str]:
    received = [each for system in service.systems.values() for each in system.received]
    return Counter(each.path for each in received if each.method == "GET")
