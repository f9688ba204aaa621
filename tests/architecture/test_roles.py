"""Every role is described and built from at least one part."""

import re
from pathlib import Path

import pytest

from schemas.topics import TopicNames
from southbound.service.composition.role_builders import BUILDERS
from southbound.service.roles import ROLES, Role, TopicScope


def test_every_role_is_described() -> None:
    assert set(ROLES) == set(Role)


def test_every_role_is_built_from_at_least_one_part() -> None:
    assert set(BUILDERS) == set(Role)
    assert len({id(builder) for builder in BUILDERS.values()}) == len(Role)


@pytest.mark.parametrize("role", Role)
def test_the_page_of_the_architecture_names_the_topics_of_each_role(role: Role) -> None:
    page = (Path(__file__).parents[2] / "docs/architecture.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {role.value} \|(.*)$", page, re.MULTILINE)
    scope = TopicScope(
        names=TopicNames(prefix=""),
        spokes=["<spoke>"],
        published_tables=True,
        specifications=True,
        service_test_requests=True,
    )
    assert set(re.findall(r"`(testrun\.[^`]+)`", row)) == ROLES[role].topics(scope)
