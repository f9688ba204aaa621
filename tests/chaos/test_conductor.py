"""A short seeded part of the chaos suite; `make chaos` runs all of it. The seed is printed, and repeats it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.chaos.conductor.catalogue import SCENARIOS
from tests.chaos.conductor.conduct import Extent, conduct

if TYPE_CHECKING:
    from pathlib import Path

# Both stores, kills, pauses and stops beside failing systems and restarts of the broker; and what is held.
SHORT = {"everything": 400, "hold-under-kills": 80}  # records
LIMIT = 480.0  # seconds, shorter than the timeout of the test: the report says what was waited for
OF_SURROUNDINGS = ("broker restarts", "store outages", "system faults", "system outages")
PAUSE = (0.3, 1.0)  # seconds between two disturbances, so that a short load meets many


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SHORT)
async def test_a_short_seeded_run_has_no_violation(name: str, tmp_path: Path) -> None:
    scenario = replace(SCENARIOS[name], pause=PAUSE)
    seed = random.SystemRandom().randrange(10**6)
    command = f'make chaos ARGS="--scenario {name} --seed {seed} --events {SHORT[name]}"'
    print(command)  # noqa: T201 - pytest shows it with a failure
    extent = Extent(events=SHORT[name], minutes=None, rate=scenario.rate, limit=LIMIT)
    report = await conduct(scenario, seed, tmp_path, extent, command)
    assert report.violations == {}, report.as_markdown()
    # A short load may be over after the first disturbance of each hand, on a machine on which a stop takes seconds.
    of_processes = report.kills + report.pauses + report.counts.get("stops", 0)
    assert of_processes >= 1
    assert of_processes + sum(report.counts.get(name, 0) for name in OF_SURROUNDINGS) >= 2
    assert report.counts["commit samples"] >= 1
