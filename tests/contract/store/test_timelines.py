"""The contract of every store of timelines."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from consumers.store.databases.address import database_at
from consumers.store.sql_store import open_store
from consumers.store.tables import run_timeline
from consumers.store.timelines.sql_timeline import SqlTimelines
from router.timeline.entries import MAX_ATTEMPTS, HttpAttempt, OmittedEntries
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run
from tests.contract.store.test_every_run_store import store  # noqa: F401 - a fixture
from tests.unit.timeline.test_entries import a_change, an_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.store.port import RunStore
    from consumers.store.timelines.port import TimelineStore


@pytest.fixture
def timelines(store: RunStore) -> TimelineStore:  # noqa: F811 - the fixture
    """A store without timelines."""
    return store.timelines


async def test_what_was_appended_is_read_back_in_order_of_time(timelines: TimelineStore) -> None:
    await timelines.append({"TR1": [an_attempt(2), a_change(3)], "TR2": [a_change(1)]})
    await timelines.append({"TR1": [a_change(1)]})
    assert list(await timelines.read("TR1")) == [a_change(1), an_attempt(2), a_change(3)]
    assert list(await timelines.read("TR2")) == [a_change(1)]
    assert list(await timelines.read("TR3")) == []


async def test_a_repeated_write_shows_no_second_call(timelines: TimelineStore) -> None:
    for _ in range(2):  # the first one was cancelled at a clean stop, or its commit was never answered
        await timelines.append({"TR1": [an_attempt(1), a_change(2)]})
    assert list(await timelines.read("TR1")) == [an_attempt(1), a_change(2)]


async def test_a_long_timeline_is_summarised(timelines: TimelineStore) -> None:
    for start in range(0, 400, 20):
        await timelines.append({"TR1": [an_attempt(second) for second in range(start, start + 20)]})
    summary, *kept = await timelines.read("TR1")
    assert isinstance(summary, OmittedEntries)
    assert (summary.attempts, len(kept)) == (400 - MAX_ATTEMPTS, MAX_ATTEMPTS)
    assert all(isinstance(entry, HttpAttempt) for entry in kept)


async def test_a_long_timeline_does_not_grow_in_the_database(tmp_path: Path) -> None:
    await (await open_store(f"sqlite:///{tmp_path}/runs.db", synchronous="NORMAL")).close()
    database = database_at(f"sqlite:///{tmp_path}/runs.db", synchronous="NORMAL")
    timelines = SqlTimelines(database, draw=cycle([0.99, 0.99, 0.01]).__next__)
    for second in range(400):
        await timelines.append({"TR1": [an_attempt(second)]})
    count = select(func.count()).select_from(run_timeline)
    assert await database.read(lambda connection: connection.execute(count).scalar_one()) <= 2 * MAX_ATTEMPTS + 3
    (summary, *_) = await timelines.read("TR1")
    assert isinstance(summary, OmittedEntries)
    assert summary.attempts == 400 - MAX_ATTEMPTS
    await database.close()


async def test_a_deleted_run_takes_its_timeline_with_it(store: RunStore) -> None:  # noqa: F811 - the fixture
    await store.save(a_run("TR1", phase=Phase.FULFILLED, state=RunState.COMPLETED))
    await store.timelines.append({"TR1": [a_change(1)], "TR2": [a_change(1)]})
    await store.pruning.prune(NOON + timedelta(days=99), 10)
    assert list(await store.timelines.read("TR1")) == []
    assert list(await store.timelines.read("TR2")) == [a_change(1)]
