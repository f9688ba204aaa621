"""The registry of dialects: those that are shipped, and those of installed packages."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from consumers.spokes.jobs.spoke import JobsSpoke
from consumers.spokes.mapping.mapped_spoke import MappedSpoke
from consumers.spokes.mapping.rules import NOTHING
from consumers.spokes.tmf653.spoke import Tmf653Spoke
from schemas.codec.printable import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.spokes.port import Spoke
    from consumers.spokes.profile import Profile

    SpokeFactory = Callable[[Profile], Spoke]

# A package registers its dialect here: `southbound spokes new` writes one.
ENTRY_POINT_GROUP = "southbound.dialects"

SPOKE_FACTORIES: Mapping[str, SpokeFactory] = {
    "jobs": JobsSpoke,
    "tmf653": Tmf653Spoke,
}


class DialectError(Exception):
    """A dialect is not known, or the installed package that has it cannot be loaded; the message says which."""


def spoke_for(profile: Profile) -> Spoke:
    """Return the spoke of a loaded profile.

    Raises:
        DialectError: as `spoke_factory`.
    """
    spoke = spoke_factory(profile.dialect)(profile)
    return spoke if profile.mapping is NOTHING else MappedSpoke(spoke)


def spoke_factory(dialect: str) -> SpokeFactory:
    """Return what makes spokes of a dialect. Shipped dialects cannot be replaced by those of packages.

    Raises:
        DialectError: the dialect is not known, or its package cannot be loaded.
    """
    if dialect in SPOKE_FACTORIES:
        return SPOKE_FACTORIES[dialect]
    installed = entry_points(group=ENTRY_POINT_GROUP)
    if dialect not in installed.names:
        known = ", ".join(sorted({*SPOKE_FACTORIES, *installed.names}))
        raise DialectError(f"'{excerpt(dialect)}' is not known here, only {known}: install the package that has it")
    entry = installed[dialect]
    try:
        factory: SpokeFactory = entry.load()
    except Exception as error:
        raise DialectError(f"'{dialect}' cannot be loaded from {entry.value}: {error!r}"[:500]) from error
    return factory
