"""A store knows who it is, counts its marks up, and can doubt what it has; on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from consumers.store.identity import Gateway
from consumers.store.sql_store import SqlRunStore, open_store
from router.store_continuity import StoreMark
from schemas.vocabulary import Phase
from southbound.service.store_check import StoreDiscontinuedError, StoreMarker
from tests.builders.runs import NOON, a_run
from tests.integration.store.postgres_database import empty_database, run_store_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["run_store_url"]  # a fixture
GATEWAY = Gateway(prefix="p.", group="southbound")


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


async def test_processes_that_start_at_once_find_one_identity_and_bind_it_once(address: str) -> None:
    stores = await asyncio.gather(*(open_store(address) for _ in range(4)))
    await asyncio.gather(*(one.identity.bind(GATEWAY) for one in stores))
    marks = [mark for one in stores for mark in (await one.identity.next_mark(), await one.identity.next_mark())]
    states = [await one.identity.state(GATEWAY) for one in stores]
    for one in stores:
        await one.close()
    assert len({mark.store_id for mark in marks}) == 1
    assert sorted(mark.mark for mark in marks) == [*range(1, 9)]
    assert {(state.mark, state.bound, state.has_runs, state.unmarked) for state in states} == {(8, True, False, False)}


async def test_a_gateway_with_other_topics_or_groups_is_not_bound(store: SqlRunStore) -> None:
    await store.identity.bind(GATEWAY)
    assert (await store.identity.state(GATEWAY)).bound
    assert not (await store.identity.state(Gateway(prefix="p.", group="other"))).bound
    assert not (await store.identity.state(Gateway(prefix="", group="southbound"))).bound


async def test_what_is_accepted_and_recorded_is_kept(store: SqlRunStore) -> None:
    own = (await store.identity.state(GATEWAY)).store_id
    await store.identity.accept(GATEWAY, {own: 7, "b" * 32: 3}, {"p.testrun.lifecycle": {"0": 12}})
    await store.identity.bind(GATEWAY)
    state = await store.identity.state(GATEWAY)
    assert (state.mark, state.bound, state.accepted) == (7, True, {"b" * 32: 3})
    assert await store.identity.recorded(GATEWAY) == {"p.testrun.lifecycle": {"0": 12}}
    assert await store.identity.next_mark() == StoreMark(own, 8)


async def test_runs_that_were_perhaps_sent_are_in_doubt_and_the_others_as_before(store: SqlRunStore) -> None:
    rows = [
        a_run(f"TR-{phase.value}", request_id=f"RQ-{phase.value}", phase=phase, sent_at=None, external_id=None)
        for phase in Phase
    ]
    await store.save(*rows)
    assert await store.identity.mark_in_doubt(NOON) == 7
    after = {phase: await store.run(f"TR-{phase.value}") for phase in Phase}
    in_doubt = {phase for phase, row in after.items() if row and row.phase is Phase.IN_DOUBT}
    assert in_doubt == {Phase.ROUTED, Phase.RETRYING, Phase.SENDING, Phase.IN_DOUBT}
    presumed_sent = {phase for phase, row in after.items() if row and row.sent_at is not None}
    assert presumed_sent == in_doubt | {Phase.CREATED, Phase.WAITING, Phase.FALLOUT}
    assert {row.revision for phase, row in after.items() if row and phase not in presumed_sent} == {1}
    assert await store.identity.requests_in_doubt("", 3) == ["RQ-inDoubt", "RQ-retrying", "RQ-routed"]
    assert await store.identity.requests_in_doubt("RQ-routed", 3) == ["RQ-sending"]


async def test_a_store_that_is_restored_while_a_process_works_with_it_is_noticed(store: SqlRunStore) -> None:
    marker = StoreMarker(store.identity, store.name, GATEWAY)
    assert marker.metadata() == ""
    await marker.advance()
    await marker.advance()
    assert marker.metadata().endswith("mark=2")
    await store._database.write(lambda connection: connection.exec_driver_sql("UPDATE store_identity SET mark = 0"))
    with pytest.raises(StoreDiscontinuedError, match=r"is older than the committed offsets.*--accept-empty-store"):
        await marker.advance()
