"""The configuration of a measured process, and the binding to its one core."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass

import orjson

GROUP = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmConfig:
    """What an arm is told on its command line, as JSON."""

    bootstrap: str
    prefix: str  # of its topics
    system: str  # base URL of the external system
    folder: str  # for files of its own
    core: int

    @property
    def events(self) -> str:
        """The topic that is read."""
        return f"{self.prefix}testrun.lifecycle"

    @property
    def results(self) -> str:
        """The topic that is written."""
        return f"{self.prefix}testrun.results"

    def command(self, module: str) -> list[str]:
        """Return the command that runs an arm."""
        return [sys.executable, "-m", module, orjson.dumps(asdict(self)).decode()]


def read_arm_config() -> ArmConfig:
    """Read the order, and stay on its core from now on, with every thread that comes."""
    order = ArmConfig(**orjson.loads(sys.argv[1]))
    os.sched_setaffinity(0, {order.core})
    return order
