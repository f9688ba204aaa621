"""The contract of every run store about threshold uses and the waiting queue.

tests/integration/store/test_postgres.py runs the same tests on PostgreSQL.
"""

# ruff: noqa: F811, F401 - a fixture is imported and requested by its name

from __future__ import annotations

import asyncio
from base64 import b64encode
from copy import copy
from dataclasses import replace
from datetime import timedelta
from hashlib import sha512
from typing import TYPE_CHECKING, Any

import pytest

from consumers.store.port import ConflictError, RunStore, ThresholdReachedError
from router.selection.spoke_selector import Threshold
from router.selection.thresholds import CountedDefinition
from schemas.vocabulary import Phase
from tests.builders.runs import NOON, a_run
from tests.contract.store.test_every_run_store import a_request, next_revision, store

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.run import RunRow
    from router.selection.thresholds import ThresholdUse

HOUR = timedelta(hours=1)


def a_use(at_most: int = 1, *, row: str = "S10", at: datetime = NOON, period: timedelta = HOUR) -> ThresholdUse:
    return CountedDefinition(selector="s", row=row, threshold=Threshold(max=at_most, period=period)).use_at(at)


async def uses_by_window(store: RunStore, *definitions: str) -> dict[tuple[str, datetime], int]:
    counts = await store.waiting_queue.read_counts(definitions or ("s#S10",))
    return {(count.definition, count.window.start): count.uses for count in counts if count.uses}


async def test_a_use_is_counted_with_the_rows_that_it_comes_with(store: RunStore) -> None:
    await store.save(a_request(), a_run(), a_use())
    assert await uses_by_window(store) == {("s#S10", NOON): 1}
    assert await store.run("TR0001") == a_run()


async def test_a_save_above_the_threshold_writes_nothing_and_names_the_use(store: RunStore) -> None:
    await store.save(a_run("TR1"), a_use(2))
    await store.save(a_run("TR2"), a_use(2))
    with pytest.raises(ThresholdReachedError) as full:
        await store.save(a_request(), a_run("TR3"), a_use(2))
    assert full.value.use == a_use(2)
    assert await store.run("TR3") is None
    assert await store.request("RQ0001") is None
    assert await uses_by_window(store) == {("s#S10", NOON): 2}


async def test_saving_a_stored_run_again_is_a_conflict_and_not_counted(store: RunStore) -> None:
    await store.save(a_run(), a_use(5))
    with pytest.raises(ConflictError):
        await store.save(a_run(), a_use(5))
    assert await uses_by_window(store) == {("s#S10", NOON): 1}


async def test_saving_a_stored_run_again_is_a_conflict_even_at_the_threshold(store: RunStore) -> None:
    await store.save(a_run(), a_use(1))
    with pytest.raises(ConflictError):
        await store.save(a_run(), a_use(1))


async def test_every_window_and_every_definition_is_counted_by_itself(store: RunStore) -> None:
    uses = [a_use(), a_use(at=NOON + HOUR), a_use(row="S20")]
    for number, use in enumerate(uses):
        await store.save(a_run(f"TR{number}"), use)
    assert await uses_by_window(store, "s#S10", "s#S20") == {
        ("s#S10", NOON): 1,
        ("s#S10", NOON + HOUR): 1,
        ("s#S20", NOON): 1,
    }


async def test_a_raised_threshold_has_room_again_and_a_lowered_one_has_not(store: RunStore) -> None:
    await store.save(a_run("TR1"), a_use(1))
    await store.save(a_run("TR2"), a_use(3))
    with pytest.raises(ThresholdReachedError):
        await store.save(a_run("TR3"), a_use(2))
    assert await uses_by_window(store) == {("s#S10", NOON): 2}


async def test_counters_of_past_windows_are_deleted(store: RunStore) -> None:
    for number in range(50):
        await store.save(a_run(f"TR{number}"), a_use(at=NOON + number * HOUR))
    assert await uses_by_window(store) == {("s#S10", NOON + 48 * HOUR): 1, ("s#S10", NOON + 49 * HOUR): 1}


async def test_a_use_in_a_deleted_window_is_refused(store: RunStore) -> None:
    await store.save(a_run("TR1"), a_use())
    await store.save(a_run("TR2"), a_use(at=NOON + 2 * HOUR))
    with pytest.raises(ThresholdReachedError):
        await store.save(a_run("TR3"), a_use())
    assert await uses_by_window(store) == {("s#S10", NOON + 2 * HOUR): 1}
    answers = await store.save_each(
        [[a_run("TR4"), a_use(row="S20", at=NOON + 2 * HOUR)], [a_run("TR5"), a_use(row="S20")]]
    )
    assert [type(answer) for answer in answers] == [type(None), ThresholdReachedError]


async def test_a_late_use_of_the_window_before_is_counted_in_it(store: RunStore) -> None:
    await store.save(a_run("TR1"), a_use(2))
    await store.save(a_run("TR2"), a_use(2, at=NOON + HOUR))
    await store.save(a_run("TR3"), a_use(2))
    assert await uses_by_window(store) == {("s#S10", NOON): 2, ("s#S10", NOON + HOUR): 1}


def test_the_error_that_a_definition_is_used_up_can_be_copied() -> None:
    full = ThresholdReachedError(a_use())
    assert (copy(full).use, str(copy(full))) == (a_use(), str(full))
    assert "s#S10 is used up until 2026-11-23T13:00:00" in str(full)


async def test_a_window_that_has_not_ended_is_kept_when_the_period_becomes_shorter(store: RunStore) -> None:
    day = a_use(9, period=timedelta(days=1))
    await store.save(a_run("TR1"), day)
    await store.save(a_run("TR2"), a_use(9, at=NOON + 3 * HOUR))
    assert (await uses_by_window(store))["s#S10", day.window.start] == 1


async def test_of_many_concurrent_saves_exactly_as_many_as_fit_are_written_in_order(store: RunStore) -> None:
    answers = await asyncio.gather(
        *(store.save(a_run(f"TR{number}"), a_use(7)) for number in range(100)), return_exceptions=True
    )
    assert [number for number, answer in enumerate(answers) if answer is None] == [*range(7)]
    assert {type(answer) for answer in answers[7:]} == {ThresholdReachedError}
    assert await uses_by_window(store) == {("s#S10", NOON): 7}


async def test_in_one_group_saves_without_a_use_do_not_wait_for_a_threshold(store: RunStore) -> None:
    answers = await store.save_each(
        [[a_run("TR1"), a_use()], [a_run("TR2"), a_use()], [a_run("TR3")], [a_run("TR4"), a_use(row="S20")]]
    )
    assert [type(answer) for answer in answers] == [type(None), ThresholdReachedError, type(None), type(None)]


def a_waiting_run(run_id: str, minutes: int = 0, *names: str, **more: Any) -> RunRow:  # noqa: ANN401 - any field of a row
    fields = {"phase": Phase.WAITING, "spoke": "", "decision": None, "waits_for": names or ("s#S10",)} | more
    return a_run(run_id, created_at=NOON - timedelta(minutes=minutes), **fields)


async def test_the_definitions_for_which_a_run_waits_are_stored(store: RunStore) -> None:
    row = a_waiting_run("TR1", 0, "s#S10", 's#with "quotes", commas and é')
    await store.save(row)
    assert await store.run("TR1") == row
    await store.save(next_revision(row, waits_for=()))
    assert await store.run("TR1") == next_revision(row, waits_for=())


async def test_a_run_may_wait_for_a_hundred_definitions_with_long_names(store: RunStore) -> None:
    # Names that PostgreSQL cannot compress: an index entry has at most 2,704 bytes.
    names = tuple(f"s#{b64encode(sha512(bytes([n])).digest()).decode()}" for n in range(100))
    await store.save(a_waiting_run("TR1", 0, *names))
    assert [row.run_id for row in await store.waiting_queue.read_first([names], 10)] == ["TR1"]
    assert await store.waiting_queue.read_lengths() == {names: 1}


async def test_queue_lengths_are_counted_by_definitions(store: RunStore) -> None:
    await store.save(
        a_waiting_run("TR1"), a_waiting_run("TR2"), a_waiting_run("TR3", 0, "s#S10", "s#S20"), a_run("TR4")
    )
    await store.save(a_waiting_run("child", waits_for=()), a_waiting_run("taken", phase=Phase.ROUTED))
    assert await store.waiting_queue.read_lengths() == {("s#S10",): 2, ("s#S10", "s#S20"): 1}


async def test_an_empty_queue_has_no_lengths(store: RunStore) -> None:
    await store.save(a_run())
    assert await store.waiting_queue.read_lengths() == {}
    assert await store.waiting_queue.read_first([("s#S10",)], 10) == []


async def test_the_queue_is_read_in_order_of_creation_in_pages(store: RunStore) -> None:
    await store.save(*(a_waiting_run(f"TR{n}", 10 - n // 4) for n in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)))
    await store.save(a_waiting_run("other", 99, "s#S20"), a_waiting_run("both", 98, "s#S10", "s#S20"))
    conditions = [("s#S10",), ("s#S10", "s#S20")]
    seen: list[str] = []
    after: RunRow | None = None
    while page := await store.waiting_queue.read_first(conditions, 3, after):
        seen += [row.run_id for row in page]
        after = page[-1]
    assert seen == ["both", *(f"TR{n}" for n in range(10))]


async def test_abandoned_runs_left_the_queue_a_while_ago_and_still_name_definitions(store: RunStore) -> None:
    old = NOON - timedelta(minutes=1)
    taken = a_waiting_run("taken", phase=Phase.ROUTED, updated_at=old)
    await store.save(
        taken,
        a_waiting_run("sent", phase=Phase.ACCEPTED, updated_at=old - HOUR),
        a_waiting_run("waits", updated_at=old),
    )
    await store.save(a_waiting_run("just now", phase=Phase.ROUTED), a_run("never waited", updated_at=old))
    found = await store.waiting_queue.abandoned(NOON - timedelta(seconds=30), 10)
    assert [row.run_id for row in found] == ["sent", "taken"]
    assert found[1] == taken
    assert [row.run_id for row in await store.waiting_queue.abandoned(NOON, 1)] == ["sent"]
    await store.save(replace(next_revision(taken), waits_for=()))
    assert [row.run_id for row in await store.waiting_queue.abandoned(NOON - timedelta(seconds=30), 10)] == ["sent"]
