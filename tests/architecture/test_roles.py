"""Every role is described and built from at least one part."""

from southbound.service.role_builders import BUILDERS
from southbound.service.roles import ROLES, Role


def test_every_role_is_described() -> None:
    assert set(ROLES) == set(Role)


def test_every_role_is_built_from_at_least_one_part() -> None:
    assert set(BUILDERS) == set(Role)
    assert len({id(builder) for builder in BUILDERS.values()}) == len(Role)
