"""Call targets: the caller of external systems, with the profiles of targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.dispatch.call import SystemCaller
from consumers.spokes.port import UnknownSpokeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.northbound.writeback.target import WritebackTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCaller(SystemCaller):
    """Calls the targets of the role `writeback`."""

    targets: Mapping[str, WritebackTarget]

    def profile_of(self, name: str) -> WritebackTarget:
        """Return the profile of one target.

        Raises:
            UnknownSpokeError: no profile has this name.
        """
        if name not in self.targets:
            raise UnknownSpokeError.named(name, self.targets)
        return self.targets[name]
