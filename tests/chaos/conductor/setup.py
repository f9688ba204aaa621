"""What a scenario runs on: how many brokers and processes, which run store, and the settings of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.conductor.store_server import StoreKind

if TYPE_CHECKING:
    from collections.abc import Mapping

SPOKES = ("fibre-lab", "copper-lab")
SESSION = 3.0  # seconds until the broker gives up a member that is silent
SETTLE_TIME = 5.0  # seconds; longer than a busy machine keeps the systems from reading what was sent
ALL_ROLES = ("routing", "dispatch", "inbound", "poller", "listener")
PROFILE: dict[str, object] = {
    "result_channels": ["sync", "callback", "poll"],
    "poll_interval": 0.5,
    "poll_after": 1.5,
    "timeouts": {"connect": 1, "read": 3, "total": 6},
    "settle_time": SETTLE_TIME,
    "retry": {
        "initial_interval": 0.1,
        "backoff_coefficient": 1.5,
        "max_interval": 1.0,
        "max_attempts": 100,
        "max_elapsed": 1_800,
    },
    "circuit_breaker": {"failures": 8, "pause": 0.3, "max_pause": 2.0},
    "lost_after": 3_600,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What differs between scenarios; every setting of a worker or a profile can be overridden."""

    store: StoreKind = StoreKind.SQLITE
    small_disk: bool = False  # whether the run store is on a disk of its own that can be filled
    small_broker_disk: bool = False  # the same of the first broker
    published_tables: bool = False  # whether the workers decide by the tables of the topic, and not by files
    nodes: int = 1
    workers: int = 1  # with PostgreSQL, beside one for the listener; SQLite is for one process
    writers: int = 0  # that write runs back to an instance of ServiceNow; with PostgreSQL
    partitions: int = 3
    client: Mapping[str, object] = field(default_factory=dict)
    kafka: Mapping[str, object] = field(default_factory=dict)
    worker: Mapping[str, object] = field(default_factory=dict)
    profile: Mapping[str, object] = field(default_factory=dict)

    def roles(self) -> dict[str, tuple[str, ...]]:
        """Return the roles of each worker by its name."""
        if self.store is StoreKind.SQLITE:
            return {"worker-1": ALL_ROLES}
        processing = {f"worker-{n}": ("routing", "dispatch", "inbound", "poller") for n in range(1, self.workers + 1)}
        writing = {f"writer-{n}": ("writeback",) for n in range(1, self.writers + 1)}
        return {"listener": ("listener",), **processing, **writing}
