"""The instance of ServiceNow that runs are written back to, and what its table has to show in the end.

What is expected follows from the requested runs and the published results alone.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from southbound.simulator.instance.rules import ENDED
from southbound.simulator.instance.service_now import InstanceFault, ServiceNowInstance
from tests.chaos.conductor.oracle import Breach

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from southbound.simulator.instance.run_table import RunRecord
    from tests.chaos.conductor.oracle import Oracle

LATENCY = 0.02  # seconds of each request, so that a kill meets some
STALLED = 120.0  # seconds without a write after which what is missing counts as lost
RANK = {"pending": 0, "acknowledged": 1, "inProgress": 2, **dict.fromkeys(ENDED, 3)}
SPELLINGS = {"cancelled": "canceled"}
PROFILE: dict[str, object] = {
    "name": "desk",
    "timeouts": {"connect": 0.5, "read": 1.0, "total": 1.0},
    "settle_time": 1.0,
    "retry": {"initial_interval": 0.1, "max_interval": 0.5, "max_attempts": 1_000, "max_elapsed": 1_800},
    "concurrency": 4,
    "updates": ["accepted", "progress", "changeAccepted", "waiting"],
}


@dataclass(frozen=True, slots=True)
class PublishedEnd:
    """The state and the ids of measures of a `RunResult`."""

    state: str
    measures: frozenset[str]


@dataclass(slots=True, kw_only=True)
class ConductedDesk:
    """The instance, with faults that a seed draws for a share of its writes."""

    dice: random.Random
    ends: dict[str, PublishedEnd] = field(default_factory=dict)  # by run, as they were published
    planned: int = 0  # faults
    instance: ServiceNowInstance = field(default_factory=lambda: ServiceNowInstance(latency=LATENCY))

    def plan_faults(self, count: int) -> None:
        """Let so many of the next writes fail, each in a way of its own."""
        self.planned += count
        self.instance.faults.extend(self.dice.choices(tuple(InstanceFault), k=count))

    @property
    def requests(self) -> int:
        """How many requests the instance has received."""
        return len(self.instance.requests)

    def write_target(self, folder: Path) -> Path:
        """Write the profile of the instance, and return its folder."""
        targets = folder / "targets"
        targets.mkdir()
        with (targets / "desk.yaml").open("w") as stream:
            YAML(typ="safe").dump({**PROFILE, "base_url": self.instance.base_url}, stream)
        return targets

    async def wait_until_complete(self, runs: set[str]) -> None:
        """Return when nothing is missing in the table, or nothing has been written for a long time."""
        seen, since = -1, time.monotonic()
        while any(mistakes_at_desk(self.by_run(), self.ends, runs)):
            if self.requests != seen:
                seen, since = self.requests, time.monotonic()
            if time.monotonic() - since > STALLED:
                return
            await asyncio.sleep(0.2)

    def by_run(self) -> dict[str, list[RunRecord]]:
        """Return the records of each run."""
        found: dict[str, list[RunRecord]] = {}
        for record in self.instance.table.records:
            found.setdefault(record.shown_id, []).append(record)
        return found

    def judge(self, oracle: Oracle) -> None:
        """Record as violations what the table lacks, has twice, or had in another order."""
        oracle.counts["writes at the target"] = sum(record.writes for record in self.instance.table.records)
        oracle.counts["faults at the target"] = self.planned - len(self.instance.faults)
        for kind, words in mistakes_at_desk(self.by_run(), self.ends, oracle.expected):
            oracle.breach(kind, words)


def mistakes_at_desk(
    records: Mapping[str, Sequence[RunRecord]], ends: Mapping[str, PublishedEnd], runs: set[str]
) -> Iterator[tuple[Breach, str]]:
    """Yield what is wrong with the table: every run has one record with its end, in the order of its states."""
    for run in sorted(runs):
        found, end = records.get(run, ()), ends.get(run)
        if len(found) != 1:
            kind = Breach.CREATED_TWICE if found else Breach.LOST
            yield kind, f"{run} has {len(found)} records at the target"
            continue
        record = found[0]
        ranks = [RANK[state] for state in record.states]
        if ranks != sorted(ranks) or ranks.count(RANK["completed"]) > 1:
            yield Breach.REORDERED, f"{run} was {', '.join(record.states)} at the target"
        if end is not None and record.fields.get("state") != end.state:
            yield Breach.LOST, f"{run} is {record.fields.get('state')} at the target, and ended as {end.state}"
        if end is not None and not end.measures <= record.measures().keys():
            yield Breach.LOST, f"{run} lacks measures at the target: it has {sorted(record.measures())}"
    for run in sorted(records.keys() - runs):
        yield Breach.UNREQUESTED, f"{run} is at the target and was never requested"
