"""The scenarios by name: what is disturbed, and what is expected beyond an oracle without violations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.conductor.load import MIXED, Shape
from tests.chaos.conductor.setup import Setup
from tests.chaos.conductor.store_server import StoreKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.chaos.conductor.hands import Disturbance, Hand

PAIR = Setup(store=StoreKind.POSTGRES, workers=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosScenario:
    """One line of the catalogue, or a part of one.

    `mix` is drawn from for as long as there is load; `script` happens once, beside the load.
    """

    name: str
    group: str  # of the catalogue
    disturbance: str
    expectation: str
    setup: Setup = PAIR
    events: int = 600  # lifecycle records
    rate: float = 60.0  # records per second
    shapes: Mapping[Shape, int] = field(default_factory=lambda: MIXED)
    mix: Mapping[Disturbance, int] = field(default_factory=dict)
    infrastructure: Mapping[Disturbance, int] = field(default_factory=dict)  # a second hand's mix
    pause: tuple[float, float] = (1.0, 4.0)  # seconds between two disturbances of a hand
    script: Callable[[Hand], Awaitable[None]] | None = None
