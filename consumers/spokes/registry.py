"""The registry of dialects: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.mapping.mapped_spoke import MappedSpoke
from consumers.spokes.mapping.rules import NOTHING
from consumers.spokes.tmf653.spoke import Tmf653Spoke

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.spokes.port import Spoke
    from consumers.spokes.profile import Profile

SPOKE_FACTORIES: Mapping[str, Callable[[Profile], Spoke]] = {
    "tmf653": Tmf653Spoke,
}


def spoke_for(profile: Profile) -> Spoke:
    """Return the spoke of a loaded profile, whose dialect is known."""
    spoke = SPOKE_FACTORIES[profile.dialect](profile)
    return spoke if profile.mapping is NOTHING else MappedSpoke(spoke)
