"""The configuration of a measured process, which runs on one core."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass

import orjson

GROUP = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmConfig:
    """The configuration that an arm gets on its command line, as JSON."""

    bootstrap: str
    prefix: str  # prefix of its topics
    system: str  # base URL of the external system
    folder: str  # folder for its files
    core: int

    @property
    def events(self) -> str:
        """The topic that the arm reads."""
        return f"{self.prefix}testrun.lifecycle"

    @property
    def results(self) -> str:
        """The topic that the arm writes."""
        return f"{self.prefix}testrun.results"

    def command(self, module: str) -> list[str]:
        """Return the command that runs an arm."""
        return [sys.executable, "-m", module, orjson.dumps(asdict(self)).decode()]


def read_arm_config() -> ArmConfig:
    """Read the configuration, and bind this process and its future threads to the configured core."""
    order = ArmConfig(**orjson.loads(sys.argv[1]))
    os.sched_setaffinity(0, {order.core})
    return order
