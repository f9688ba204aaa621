"""Ended runs are deleted in batches until none is old enough, also across outages of the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import structlog

from consumers.metrics import RUNS_PRUNED, Metrics
from consumers.prune_store import StorePruner
from consumers.store.port import PrunePosition, PruneResult, StoreUnavailableError
from schemas.topics import all_topics
from schemas.vocabulary import Phase, RunState
from southbound.service.composition.tasks import store_pruner
from southbound.settings.settings import MIN_KEEP_ENDED, Settings, StoreSettings
from tests.builders.runs import NOON, a_run
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.waiting import wait_until
from tests.unit.service.test_composition import some_parts

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.run import RunRow

LONG_AGO = NOON - timedelta(days=31)


def a_store(ended: int) -> InMemoryRunStore:
    return InMemoryRunStore(*(an_ended_run(f"TR{n}", LONG_AGO) for n in range(ended)), an_ended_run("YOUNG", NOON))


def an_ended_run(run_id: str, at: datetime) -> RunRow:
    return a_run(run_id, phase=Phase.FULFILLED, state=RunState.COMPLETED, request_id=f"RQ of {run_id}", updated_at=at)


def a_pruner(store: InMemoryRunStore, batches: list[int], warnings: list[str]) -> StorePruner:
    return StorePruner(
        pruning=store.pruning,
        keep=timedelta(days=30),
        now=lambda: NOON,
        warn=warnings.append,
        on_pruned=batches.append,
        every=0.01,
        batch_size=10,
    )


async def test_everything_that_is_old_enough_is_deleted_in_bounded_batches() -> None:
    store, batches = a_store(25), list[int]()
    assert await a_pruner(store, batches, []).prune() == 25
    assert batches == [10, 10, 5]
    assert [*store.runs] == ["YOUNG"]


async def test_an_outage_of_the_store_is_reported_and_pruning_goes_on_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store, warnings = a_store(1), list[str]()
    working = store.pruning.prune
    outages = [StoreUnavailableError("locked")]

    async def prune(*arguments: object) -> PruneResult:
        if outages:
            raise outages.pop()
        return await working(*arguments)  # type: ignore[arg-type] # those of `prune`

    monkeypatch.setattr(store.pruning, "prune", prune)
    running = asyncio.create_task(a_pruner(store, [], warnings).run())
    await wait_until(lambda: [*store.runs] == ["YOUNG"])
    running.cancel()
    assert warnings == ["Ended runs could not be deleted; this will be retried: locked"]


async def test_a_batch_leaves_most_of_the_time_to_others() -> None:
    pauses: list[float] = []

    class SlowPruning:
        async def prune(self, *_: object) -> PruneResult:
            began = asyncio.get_running_loop().time()
            pauses.append(began)
            await asyncio.sleep(0.02)
            return PruneResult(1, None if len(pauses) == 3 else PrunePosition(LONG_AGO, "TR1"))

    await replace(a_pruner(a_store(0), [], []), pruning=SlowPruning()).prune()
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(pauses))


async def test_deleted_runs_are_counted_and_logged() -> None:
    store = a_store(3)
    resources = some_parts(store)
    pruner = store_pruner(resources)
    assert pruner is not None
    with structlog.testing.capture_logs() as logged:
        pruner.on_pruned(3)
    assert resources.metrics.registry.get_sample_value(RUNS_PRUNED.name) == 3
    assert [(line["event"], line["runs"]) for line in logged] == [("ended runs deleted", 3)]


def test_the_shortest_time_covers_the_retention_of_lifecycle_events() -> None:
    lifecycle, *_ = all_topics()
    assert lifecycle.retention_ms == MIN_KEEP_ENDED * 24 * 60 * 60 * 1000


@pytest.mark.parametrize("days", [0.5, 6.9, -1])
def test_runs_are_not_forgotten_while_their_events_can_be_read_again(days: float) -> None:
    with pytest.raises(ValueError, match="keep_ended"):
        StoreSettings(keep_ended=days)


def test_runs_can_be_kept_for_ever() -> None:
    assert Settings(store=StoreSettings(keep_ended=0)).store.keep_ended == 0
    assert Metrics().registry.get_sample_value(RUNS_PRUNED.name) is None
