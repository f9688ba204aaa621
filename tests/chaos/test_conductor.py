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
SHORT = {"everything": 500, "hold-under-kills": 90}  # records
PAUSE = (0.3, 1.0)  # seconds between two disturbances, so that a short load meets many


@pytest.mark.parametrize("name", SHORT)
async def test_a_short_seeded_run_has_no_violation(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    scenario = replace(SCENARIOS[name], pause=PAUSE)
    seed = random.SystemRandom().randrange(10**6)
    command = f'make chaos ARGS="--scenario {name} --seed {seed} --events {SHORT[name]}"'
    print(command)  # noqa: T201 - pytest shows it with a failure
    extent = Extent(events=SHORT[name], minutes=None, rate=scenario.rate)
    report = await conduct(scenario, seed, _open_folder(tmp_path_factory), extent, command)
    assert report.violations == {}, report.as_markdown()
    assert report.kills + report.pauses + report.counts.get("stops", 0) >= 2
    assert report.counts["commit samples"] >= 1


def _open_folder(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the user of PostgreSQL may enter."""
    folder = factory.mktemp("chaos")
    for each in (folder, *folder.parents[:3]):
        if "pytest" in each.name:
            each.chmod(0o755)
    return folder
