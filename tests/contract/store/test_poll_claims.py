"""The contract of every run store about runs that are silent, and the claims of those who poll them.

tests/integration/store/test_postgres.py runs the same tests on PostgreSQL.
"""

# ruff: noqa: F811, F401 - a fixture is imported and requested by its name

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from consumers.store.claims.poll_claims import PollClaim
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run
from tests.contract.store.test_every_run_store import MEASURES, a_request, next_revision, store

if TYPE_CHECKING:
    from consumers.store.port import RunStore
    from router.runs.run import RunRow

SECOND = timedelta(seconds=1)
SINCE = NOON - timedelta(minutes=5)
LONG_AGO = NOON - timedelta(hours=1)
CLAIM = PollClaim(run_id="TR1", revision=1, until=NOON + 27 * SECOND, answers=1)


def out(run_id: str, minutes: int = 60, **more: Any) -> RunRow:  # noqa: ANN401 - any field of a row
    phase = more.pop("phase", Phase.ACCEPTED)
    return a_run(run_id, phase=phase, updated_at=NOON - timedelta(minutes=minutes), **more)


async def silent(store: RunStore, seconds: float = 0, **more: Any) -> list[tuple[str, int]]:  # noqa: ANN401 - any argument
    """Return which runs may be polled so many seconds after noon, with their numbers of answers."""
    chosen = {"spoke": "fibre-lab", "since": SINCE, "limit": 10, **more}
    found = await store.poll_claims.silent_runs(at=NOON + seconds * SECOND, **chosen)
    return [(each.row.run_id, each.answers) for each in found]


async def test_silent_runs_are_accepted_runs_without_recent_reports(store: RunStore) -> None:
    await store.save(out("young", 1), out("older", 10), out("oldest", 20, phase=Phase.IN_PROGRESS, measures=MEASURES))
    await store.save(out("ended", 30, phase=Phase.FULFILLED), out("routed", 30, phase=Phase.ROUTED))
    await store.save(out("elsewhere", 30, spoke="copper-lab"))
    found = await store.poll_claims.silent_runs("fibre-lab", SINCE, NOON, 10)
    assert [each.row.run_id for each in found] == ["oldest", "older"]
    assert found[0].row == await store.run("oldest")
    assert found[0].row.measures == MEASURES
    assert await silent(store, limit=1) == [("oldest", 0)]


async def test_silent_runs_come_in_pages_even_if_many_have_the_same_time(store: RunStore) -> None:
    await store.save(*(out(f"TR{n}", 10 + n // 4) for n in range(10)))
    seen: list[str] = []
    after: RunRow | None = None
    while page := await store.poll_claims.silent_runs("fibre-lab", NOON, NOON, 3, after):
        seen += [each.row.run_id for each in page]
        after = page[-1].row
    assert seen == ["TR8", "TR9", "TR4", "TR5", "TR6", "TR7", "TR0", "TR1", "TR2", "TR3"]


async def test_one_process_polls_a_run_until_its_claim_ends(store: RunStore) -> None:
    await store.save(out("TR1"), out("TR2"))
    other = replace(CLAIM, until=NOON + 40 * SECOND)
    assert await store.poll_claims.claim([CLAIM], NOON) == {"TR1"}
    assert await silent(store, 26.9) == [("TR2", 0)]
    assert await store.poll_claims.claim([other, replace(other, run_id="TR2")], NOON + 26.9 * SECOND) == {"TR2"}
    assert await silent(store, 27) == [("TR1", 1)]
    assert await store.poll_claims.claim([other], NOON + 27 * SECOND) == {"TR1"}
    assert await silent(store, 39.9) == []


async def test_a_run_that_has_changed_since_its_claim_is_free_but_not_for_whoever_has_read_it_before(
    store: RunStore,
) -> None:
    await store.save(out("TR1"))
    await store.poll_claims.claim([replace(CLAIM, answers=3)], NOON)
    await store.save(next_revision(out("TR1"), state=RunState.PENDING))
    assert await silent(store) == [("TR1", 0)]
    assert await store.poll_claims.claim([replace(CLAIM, revision=2)], NOON) == {"TR1"}
    assert await store.poll_claims.claim([CLAIM], NOON) == set()
    assert await silent(store) == []


async def test_a_shortened_claim_ends_earlier_and_has_no_answers(store: RunStore) -> None:
    await store.save(out("TR1"), out("TR2"))
    long = replace(CLAIM, until=NOON + 108 * SECOND, answers=3)
    await store.poll_claims.claim([long, replace(long, run_id="TR2")], NOON)
    await store.poll_claims.shorten([long, replace(CLAIM, run_id="TR2")], NOON + 27 * SECOND)  # that of TR2 is another
    assert await silent(store, 27) == [("TR1", 0)]
    assert await silent(store, 108) == [("TR1", 0), ("TR2", 3)]


async def test_of_two_that_claim_many_runs_at_once_each_gets_those_that_the_other_does_not(store: RunStore) -> None:
    ids = [f"TR{n:03}" for n in range(200)]
    await store.save(*(out(run_id) for run_id in ids))
    wanted = [replace(CLAIM, run_id=run_id) for run_id in ids]
    orders = [wanted, wanted[::-1], wanted[100:] + wanted[:100]]
    answers = await asyncio.gather(*(store.poll_claims.claim(order, NOON) for order in orders))
    assert sorted(run_id for answer in answers for run_id in answer) == ids


async def test_a_claim_goes_with_its_run(store: RunStore) -> None:
    await store.save(a_request(), out("TR1", phase=Phase.FULFILLED, state=RunState.COMPLETED))
    await store.poll_claims.claim([replace(CLAIM, answers=5)], NOON)
    await store.pruning.prune(NOON, 10)
    await store.save(out("TR1"))
    assert await silent(store) == [("TR1", 0)]
