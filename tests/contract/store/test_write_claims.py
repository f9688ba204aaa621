"""The contract of every run store about claims on runs at targets.

tests/integration/store/test_postgres.py runs the same tests on PostgreSQL.
"""

# ruff: noqa: F811, F401 - a fixture is imported and requested by its name

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from consumers.store.claims.write_claims import NOT_WRITTEN, ClaimResult, WriteClaim, WrittenRun
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run
from tests.contract.store.test_every_run_store import a_request, store

if TYPE_CHECKING:
    from consumers.store.port import RunStore

SECOND = timedelta(seconds=1)
FIRST = WriteClaim(
    target="desk",
    run_id="TR1",
    revision=3,
    writer="one",
    at=NOON,
    abandoned_before=NOON - 30 * SECOND,
)
OTHER = replace(FIRST, writer="two", revision=4, at=NOON + SECOND, abandoned_before=NOON - 29 * SECOND)


async def test_a_run_that_was_never_written_is_not_known(store: RunStore) -> None:
    assert await store.write_claims.read("desk", "TR1") == NOT_WRITTEN


async def test_only_one_writer_has_a_run_until_it_has_written_it(store: RunStore) -> None:
    claims = store.write_claims
    assert await claims.claim(FIRST) is ClaimResult.CLAIMED
    assert await claims.claim(FIRST) is ClaimResult.CLAIMED  # the same writer makes another call
    assert await claims.claim(OTHER) is ClaimResult.BUSY
    assert await claims.claim(replace(OTHER, target="other desk")) is ClaimResult.CLAIMED
    await claims.complete(FIRST, "T-7")
    assert await claims.read("desk", "TR1") == WrittenRun(target_id="T-7", written=3)
    assert await claims.claim(OTHER) is ClaimResult.CLAIMED


@pytest.mark.parametrize("late", [FIRST, replace(FIRST, revision=2)])
async def test_a_revision_is_written_once_and_no_older_one_after_it(store: RunStore, late: WriteClaim) -> None:
    await store.write_claims.claim(FIRST)
    await store.write_claims.complete(FIRST, None)
    assert await store.write_claims.claim(replace(late, writer="two")) is ClaimResult.WRITTEN


async def test_a_forced_claim_writes_the_same_revision_again_but_no_older_one(store: RunStore) -> None:
    await store.write_claims.claim(FIRST)
    await store.write_claims.complete(FIRST, None)
    forced = replace(FIRST, writer="two", force=True)
    assert await store.write_claims.claim(replace(forced, revision=2)) is ClaimResult.WRITTEN
    assert await store.write_claims.claim(forced) is ClaimResult.CLAIMED


async def test_a_claim_counts_for_nothing_once_its_call_must_have_ended(store: RunStore) -> None:
    await store.write_claims.claim(FIRST)
    later = replace(OTHER, at=NOON + 31 * SECOND, abandoned_before=NOON + SECOND)
    assert await store.write_claims.claim(later) is ClaimResult.CLAIMED
    await store.write_claims.complete(FIRST, "T-of-one-that-woke-up")
    assert await store.write_claims.read("desk", "TR1") == NOT_WRITTEN


async def test_the_time_of_a_post_is_kept_until_its_outcome_is_known(store: RunStore) -> None:
    claims, posting = store.write_claims, replace(FIRST, posts=True)
    await claims.claim(posting)
    await claims.release(posting, posted=True)
    assert await claims.read("desk", "TR1") == WrittenRun(posted_at=NOON)
    await claims.claim(OTHER)
    assert await claims.read("desk", "TR1") == WrittenRun(posted_at=NOON)
    await claims.release(OTHER, posted=False)
    assert await claims.read("desk", "TR1") == NOT_WRITTEN


async def test_what_the_target_lost_is_forgotten(store: RunStore) -> None:
    claims = store.write_claims
    await claims.claim(FIRST)
    await claims.complete(FIRST, "T-7")
    await claims.claim(OTHER)
    await claims.forget(OTHER)
    assert await claims.read("desk", "TR1") == WrittenRun(written=3)


async def test_of_writers_at_one_moment_one_gets_the_run(store: RunStore) -> None:
    writers = [replace(FIRST, writer=f"writer {number}") for number in range(8)]
    results = await asyncio.gather(*map(store.write_claims.claim, writers))
    assert sorted(results) == [ClaimResult.BUSY] * 7 + [ClaimResult.CLAIMED]


async def test_what_was_written_is_deleted_with_its_run(store: RunStore) -> None:
    row = a_run("TR1", phase=Phase.FULFILLED, state=RunState.COMPLETED, finished_at=NOON)
    await store.save(a_request(), row)
    await store.write_claims.claim(FIRST)
    await store.write_claims.complete(FIRST, "T-7")
    assert (await store.pruning.prune(NOON + timedelta(days=40), 100)).runs == 1
    assert await store.write_claims.read("desk", "TR1") == NOT_WRITTEN
