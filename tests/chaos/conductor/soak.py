"""Sample what must stay flat under load: memory, files, threads, tasks, the store's size per run and the metrics."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.conductor.world import World

WARM_UP = 0.25  # share of the samples that is left out: caches fill, pools open
MAX_GROWTH = 0.10  # of the median of the last quarter over that of the first quarter after the warm-up
MIN_SAMPLES = 12
SMALL = {
    "memory_kib": 8_192,
    "files": 8,
    "threads": 4,
    "tasks": 300,
    "series": 20,
    "store_bytes_per_run": 256,
}  # always allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSample:
    """One moment; the figures of a worker are those of its present process."""

    at: float  # seconds
    ended: int  # runs
    worker: str
    process: int
    memory_kib: int
    files: int
    threads: int
    tasks: int
    series: int  # time series that /metrics shows
    store_bytes_per_run: int


@dataclass(slots=True, kw_only=True)
class Sampler:
    """Samples all workers."""

    world: World
    every: float
    samples: list[SoakSample] = field(default_factory=list)

    async def run(self) -> None:
        """Sample until this task is cancelled."""
        while True:
            await asyncio.sleep(self.every)
            await self.sample()

    async def sample(self) -> None:
        """Take one sample of each worker that is up."""
        size = await asyncio.to_thread(self.world.store.size)
        ended = len(self.world.oracle.results)
        for worker in self.world.workers.values():
            metrics = await worker.get("/metrics") if worker.is_up else ""
            if not metrics or worker.process is None:
                continue
            status = worker.process._status
            self.samples.append(
                SoakSample(
                    at=round(self.world.now(), 1),
                    ended=ended,
                    worker=worker.name,
                    process=worker.starts,
                    memory_kib=worker.process.resident_kib(),
                    files=worker.process.open_files(),
                    threads=int(status("Threads")),
                    tasks=_value_of("southbound_tasks", metrics),
                    series=sum(not line.startswith("#") for line in metrics.splitlines()),
                    store_bytes_per_run=size // max(ended, 1),
                )
            )


def _value_of(name: str, metrics: str) -> int:
    """Return the value of a metric without labels; 0 if it is not there."""
    found = [line.split()[1] for line in metrics.splitlines() if line.startswith(f"{name} ")]
    return int(float(found[0])) if found else 0


def judge_flatness(samples: Sequence[SoakSample]) -> dict[str, dict[str, object]]:
    """Return first and last level of each figure by worker, and whether it stayed flat.

    Only samples of one process are compared: the one that ran longest.
    """
    verdicts: dict[str, dict[str, object]] = {}
    for worker in sorted({sample.worker for sample in samples}):
        of_worker = [sample for sample in samples if sample.worker == worker]
        longest = max({s.process for s in of_worker}, key=lambda n: sum(s.process == n for s in of_worker))
        kept = [asdict(sample) for sample in of_worker if sample.process == longest]
        kept = kept[int(len(kept) * WARM_UP) :]
        if len(kept) < MIN_SAMPLES:
            continue
        quarter = len(kept) // 4
        for name, allowed in SMALL.items():
            first, last = _median(kept[:quarter], name), _median(kept[-quarter:], name)
            flat = last - first <= max(allowed, MAX_GROWTH * first)
            verdicts[f"{worker} {name}"] = {"first": first, "last": last, "flat": flat}
    return verdicts


def _median(samples: Sequence[dict[str, object]], name: str) -> int:
    values = sorted(int(str(sample[name])) for sample in samples)
    return values[len(values) // 2]
