"""All rule files are read at once, and every mistake is reported once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from southbound.service.load_rules import InvalidConfigurationError, load_rules
from southbound.settings.settings import RoutingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

NOWHERE = Path("/nowhere")


def errors_of(**paths: Path) -> list[str]:
    with pytest.raises(InvalidConfigurationError) as raised:
        load_rules(RoutingSettings(**paths))
    return raised.value.mistakes


def test_the_shipped_rules_have_no_mistakes() -> None:
    assert [profile.name for profile in load_rules(RoutingSettings()).profiles] == ["copper-lab", "fibre-lab"]


@pytest.mark.parametrize(
    "paths",
    [{"policy": NOWHERE / "policy.yaml"}, {"selector": NOWHERE / "selector.yaml"}, {"spokes": NOWHERE}],
)
def test_a_path_that_does_not_exist_is_one_mistake_that_names_it(paths: Mapping[str, Path]) -> None:
    (mistake,) = errors_of(**paths)
    assert str(*paths.values()) in mistake


def test_the_mistakes_of_all_files_are_reported_together(tmp_path: Path) -> None:
    profile, table = tmp_path / "lab.yaml", tmp_path / "policy.yaml"
    profile.write_text("{name: LAB, base_url: nonsense, concurrency: 0, patchable: [colour], version: 9}")
    table.write_text("{table: x, policy: first, inputs: [], outputs: [], rows: []}")
    mistakes = errors_of(spokes=tmp_path, policy=table, selector=NOWHERE / "selector.yaml")
    for file in ("lab.yaml", "policy.yaml", "selector.yaml"):
        assert any(file in mistake for mistake in mistakes)
    assert len(mistakes) >= 7
