"""An empty store is filled with rebuilt rows as a whole or not at all; on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from consumers.store.bulk_load import AcceptedGateway, RebuiltRows, StoreNotEmptyError
from consumers.store.port import ThresholdReachedError, UnstorableError
from consumers.store.sql_store import SqlRunStore, open_store
from router.runs.run import RequestRow, replace
from router.selection.spoke_selector import Threshold
from router.selection.thresholds import CountedDefinition, UseCount, window_at
from router.store_continuity import GatewayHistory, StoreMark, TopicEnds, find_discontinuity
from schemas.results import ReportedMeasure
from schemas.vocabulary import MeasureIdOrigin, Phase
from tests.builders.runs import NOON, SINGLE, a_run
from tests.integration.store.postgres_database import empty_database, run_store_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

__all__ = ["run_store_url"]  # a fixture
LOST = StoreMark("b" * 32, 41)
RECORDED = TopicEnds(topic="p.testrun.lifecycle", topic_id="Vw0", ends={0: 12})
GATEWAY = AcceptedGateway("p.", LOST, RECORDED)
MEASURE = ReportedMeasure(id="M1", id_origin=MeasureIdOrigin.REPORTED, value=3)
REQUEST = RequestRow(
    request_id="RQ0001",
    root_run_id="TR1",
    tenant=None,
    spoke="fibre-lab",
    decision=SINGLE,
    explanation="",
    created_at=NOON,
)


class PowerCutError(Exception):
    """The end of the process, between two batches."""


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    return empty_database(request, tmp_path / "runs.db")


@pytest.fixture
async def store(address: str) -> AsyncIterator[SqlRunStore]:
    """A store without rows."""
    store = await open_store(address)
    yield store
    await store.close()


def batches() -> Iterator[RebuiltRows]:
    yield RebuiltRows([replace(a_run("TR1", phase=Phase.FULFILLED), measures=(MEASURE,), revision=7)], [REQUEST])
    yield RebuiltRows([a_run("TR2", phase=Phase.IN_DOUBT, request_id="RQ0002")], [])


async def test_a_filled_store_has_all_rows_and_continues_its_gateway(store: SqlRunStore) -> None:
    await store.fill(batches, GATEWAY)
    ended, in_doubt = await store.run("TR1"), await store.run("TR2")
    assert ended is not None
    assert (ended.revision, ended.measures) == (7, (MEASURE,))
    assert in_doubt is not None
    assert in_doubt.phase is Phase.IN_DOUBT
    assert await store.request("RQ0001") == REQUEST
    assert [row.run_id for row in await store.runs_after("", 1)] == ["TR1"]
    assert [row.run_id for row in await store.runs_after("TR1", 5)] == ["TR2"]
    history = GatewayHistory(prefix="p.", mark=LOST, has_published=True)
    assert find_discontinuity(await store.identity.state(), history) is None
    assert await store.identity.recorded() == RECORDED


async def test_a_filled_store_has_the_uses_and_counts_on_from_them(store: SqlRunStore) -> None:
    counted = UseCount(definition="s#A", window=window_at(timedelta(hours=1), NOON), uses=2)
    await store.fill(lambda: [RebuiltRows([a_run("TR1")], [], [counted])], GATEWAY)
    assert [*(await store.waiting_queue.read_counts(["s#A"]))] == [counted]
    use = CountedDefinition(selector="s", row="A", threshold=Threshold(max=3, period=timedelta(hours=1))).use_at(NOON)
    await store.save(a_run("TR2"), use)
    with pytest.raises(ThresholdReachedError):
        await store.save(a_run("TR3"), use)


async def test_a_rebuild_that_is_interrupted_leaves_an_empty_store(store: SqlRunStore) -> None:
    def interrupted() -> Iterator[RebuiltRows]:
        yield from batches()
        raise PowerCutError

    with pytest.raises(PowerCutError):
        await store.fill(interrupted, GATEWAY)
    state = await store.identity.state()
    assert (state.has_runs, state.bound_to, state.accepted) == (False, None, {})
    await store.fill(batches, GATEWAY)  # it is started again
    assert (await store.identity.state()).has_runs


async def test_a_store_with_runs_is_not_filled(store: SqlRunStore) -> None:
    await store.save(a_run("TR9"))
    with pytest.raises(StoreNotEmptyError):
        await store.fill(batches, GATEWAY)
    state = await store.identity.state()
    assert (state.bound_to, await store.run("TR1")) == (None, None)


async def test_a_row_that_the_database_does_not_accept_names_the_store(store: SqlRunStore) -> None:
    twice = [RebuiltRows([a_run("TR1"), a_run("TR1")], [])]
    with pytest.raises(UnstorableError, match="does not accept a rebuilt row"):
        await store.fill(lambda: twice, GATEWAY)
