"""Choose what happens to each notification of a simulated system, by the shares of the faults."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from southbound.simulator.faults.settings import CallbackFault, CallbackFaults, choose_fault

if TYPE_CHECKING:
    from random import Random


class CallbackFaulter:
    """Draws one number per notification. `happened` counts the faults; `reordered_by` is in seconds."""

    def __init__(self, faults: CallbackFaults, dice: Random) -> None:
        self.happened: Counter[CallbackFault] = Counter()
        self.reordered_by = faults.reordered_by
        self._faults = faults
        self._dice = dice

    def draw(self) -> CallbackFault | None:
        """Return what happens to the next notification."""
        fault = choose_fault(self._faults.shares, self._dice.random())
        if fault is not None:
            self.happened[fault] += 1
        return fault
