"""Every role is described and built from at least one part."""

import re
from pathlib import Path

import pytest

from docs.generate.roles import EVERYTHING
from southbound.service.composition.role_builders import BUILDERS, RoleBuilder
from southbound.service.roles import ROLES, Role
from southbound.settings.settings import sections


def test_every_role_is_described() -> None:
    assert set(ROLES) == set(Role)


def test_every_role_is_built_from_at_least_one_part() -> None:
    assert set(BUILDERS) == set(Role)
    assert len({id(builder) for builder in BUILDERS.values()}) == len(Role)


@pytest.mark.parametrize("role", Role)
def test_a_role_that_builds_workers_says_what_their_groups_read(role: Role) -> None:
    builds_workers = BUILDERS[role].workers is not RoleBuilder.__dataclass_fields__["workers"].default
    assert bool(ROLES[role].consumed(EVERYTHING)) == builds_workers


@pytest.mark.parametrize("role", Role)
def test_the_condition_of_a_role_is_a_setting(role: Role) -> None:
    group, _, name = (ROLES[role].enabled_by or "hub.enabled").partition(".")
    assert name in sections()[group].model_fields


@pytest.mark.parametrize("role", Role)
def test_the_page_of_the_architecture_names_the_topics_of_each_role(role: Role) -> None:
    page = (Path(__file__).parents[2] / "docs/architecture.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {role.value} \|(.*)$", page, re.MULTILINE)
    assert set(re.findall(r"`(testrun\.[^`]+)`", row)) == ROLES[role].topics(EVERYTHING)
