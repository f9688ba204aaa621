"""Subscriptions and deliveries in PostgreSQL fulfil the contract of their store, also with several processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from consumers.store.sql_store import open_store
from schemas.vocabulary import RunState
from tests.builders.subscriptions import a_subscription, published
from tests.contract.store.test_subscriptions import *  # noqa: F403 - the same tests, on PostgreSQL
from tests.contract.store.test_subscriptions import announce, queue_of, subscribe
from tests.integration.store.postgres_database import execute, run_store_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.store.sql_store import SqlRunStore
    from router.runs.run import RunRow
    from schemas.results import RunResult, RunUpdate

__all__ = ["run_store_url"]  # a fixture


TABLES = "runs, subscriptions, deliveries, announced_runs, specifications, announced_specifications"


@pytest.fixture  # type: ignore[no-redef]  # replaces the library's
async def hub_store(run_store_url: str) -> AsyncIterator[SqlRunStore]:
    """A store without subscriptions."""
    store = await open_store(run_store_url)
    await execute(
        run_store_url,
        f"TRUNCATE {TABLES}",
    )
    yield store
    await store.close()


async def test_two_processes_announce_the_events_of_a_run_once_and_in_order(
    hub_store: SqlRunStore, run_store_url: str
) -> None:
    other = await open_store(run_store_url)
    await subscribe(hub_store, a_subscription())
    runs = [
        published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.COMPLETED, run_id=f"TR{number}")
        for number in range(10)
    ]

    async def until_announced(store: SqlRunStore, notification: RunUpdate | RunResult, row: RunRow) -> None:
        while (await announce(store, notification, row)).waits:
            pass

    events = [event for run in reversed(runs) for event in reversed(run)]
    try:
        await asyncio.gather(*[until_announced(store, *event) for event in events for store in (hub_store, other)])
    finally:
        await other.close()
    queue = await queue_of(hub_store)
    assert len(queue) == 30
    for number in range(10):
        of_run = [event_type for run_id, event_type in queue if run_id == f"TR{number}"]
        assert of_run == ["CreateEvent", "StateChangeEvent", "StateChangeEvent"]
