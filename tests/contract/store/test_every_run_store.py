"""The contract of every run store: the in-memory store and SQLite.

tests/integration/store/test_postgres.py runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import count, product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from consumers.store.port import ConflictError, ExternalIdTakenError, RunStore, UnstorableError
from consumers.store.sql_store import open_store
from router.runs.checks.cancellation import FollowedTask
from router.runs.checks.watch import Missing, Watch
from router.runs.deadlines.deadline import Deadline
from router.runs.request_result import is_over
from router.runs.requests.progress import StateCount
from router.runs.revisions.replaced_tests import Replacement
from router.runs.run import LastNotification, RequestRow
from schemas.results import Reason, ReportedMeasure, RuleViolation
from schemas.vocabulary import MeasureIdOrigin, Phase, RunState
from tests.builders.runs import NOON, SINGLE, a_document, a_run
from tests.fakes.run_store import InMemoryRunStore
from tests.generators.run_rows import run_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from router.runs.run import RunRow

MEASURES = (
    ReportedMeasure(id="M1", id_origin=MeasureIdOrigin.REPORTED, metric_name="loss", value=1.25, unit_of_measure="dB"),
    ReportedMeasure(
        id="M2",
        id_origin=MeasureIdOrigin.METRIC_NAME,
        value={"min": 1, "max": [2]},
        capture_date_time=NOON,
        rule_violation=(RuleViolation(id="R1", severity="major"),),
    ),
)
fresh = count()


@pytest.fixture(params=["dictionary", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunStore]:
    """A run store without rows."""
    sql = request.param == "sqlite"
    store = await open_store(f"sqlite:///{tmp_path}/runs.db") if sql else InMemoryRunStore()
    yield store
    await store.close()


def a_request(request_id: str = "RQ0001", explanation: str = "row S10 matches") -> RequestRow:
    return RequestRow(
        request_id=request_id,
        root_run_id="TR0001",
        tenant="north",
        spoke="fibre-lab",
        decision=SINGLE,
        explanation=explanation,
        created_at=NOON,
    )


def next_revision(row: RunRow, **more: Any) -> RunRow:  # noqa: ANN401 - any field of a row
    return replace(row, revision=row.revision + 1, **more)


async def test_a_saved_run_is_read_back_whole(store: RunStore) -> None:
    row = a_run(
        phase=Phase.IN_PROGRESS,
        tenant="north",
        measures=MEASURES,
        reasons=(Reason(code="SLOW", message="the line is slow", property_path="$.line"),),
        processed_reports=("E1", "E1 led to progress"),
        processed_events=("E2 led to accepted",),
        last_notification=LastNotification(
            "E1", "process 1", 1, ('{"kind": "progress"}', "\0 \u00e9"), "{}", None, "redrive 1"
        ),
        cancel_requested=True,
        finished_at=NOON + timedelta(microseconds=1),
    )
    await store.save(row)
    assert await store.run("TR0001") == row


async def test_a_run_that_was_never_saved_is_not_found(store: RunStore) -> None:
    assert await store.run("TR0404") is None
    assert await store.run_by_external_id("fibre-lab", "ext-404") is None
    assert await store.runs_of_request("RQ0404") == []
    assert await store.request("RQ0404") is None
    assert not await store.has_open_runs("RQ0404")


async def test_a_run_is_found_by_the_id_its_spoke_gave_it(store: RunStore) -> None:
    here = a_run(phase=Phase.ACCEPTED, external_id="42")
    elsewhere = a_run("TR0002", phase=Phase.ACCEPTED, external_id="42", spoke="copper-lab")
    await store.save(here, elsewhere)
    assert await store.run_by_external_id("fibre-lab", "42") == here
    assert await store.run_by_external_id("copper-lab", "42") == elsewhere


async def test_a_run_is_found_by_the_tests_that_changes_have_replaced(store: RunStore) -> None:
    replaced = Replacement(ended=("41", "42"), base=a_document(description="\u00e9"))
    row = a_run(phase=Phase.ACCEPTED, external_id="43", replacement=replaced)
    await store.save(row, a_run("TR0002", phase=Phase.ACCEPTED, external_id="42", spoke="copper-lab"))
    row = next_revision(row, replacement=replace(replaced, ended=("41", "42", "44")))
    await store.save(row)
    assert [await store.run_of_replaced_test("fibre-lab", each) for each in ("41", "42", "44")] == [row] * 3
    assert await store.run_of_replaced_test("copper-lab", "42") is None
    assert await store.run_of_replaced_test("fibre-lab", "43") is None
    assert await store.run_by_external_id("fibre-lab", "42") is None


async def test_ids_of_tests_that_runs_have_or_had_are_told_from_others(store: RunStore) -> None:
    rows = [a_run(f"TR{number:04}", phase=Phase.ACCEPTED, external_id=str(number)) for number in range(1, 301)]
    replaced = a_run(
        "TR0900", phase=Phase.ACCEPTED, external_id="900", replacement=Replacement(ended=("901", "\u00e9"))
    )
    elsewhere = a_run("TR0950", phase=Phase.ACCEPTED, external_id="950", spoke="copper-lab")
    await store.save(*rows, replaced, elsewhere)
    asked = [*map(str, range(250, 1_000)), "\u00e9"]
    expected = {*map(str, range(250, 301)), "900", "901", "\u00e9"}
    assert await store.own_external_ids("fibre-lab", asked) == expected
    assert await store.own_external_ids("copper-lab", asked) == {"950"}
    assert await store.own_external_ids("fibre-lab", []) == frozenset()


async def test_a_pruned_run_leaves_no_replaced_tests(store: RunStore) -> None:
    def ended(run_id: str, external_id: str) -> RunRow:
        more: dict[str, Any] = {"external_id": external_id, "replacement": Replacement(ended=("42",))}
        return a_run(run_id, phase=Phase.FULFILLED, state=RunState.COMPLETED, **more)

    await store.save(ended("TR0001", "43"))
    await store.pruning.prune(NOON + timedelta(days=1), 10)
    assert await store.run_of_replaced_test("fibre-lab", "42") is None
    await store.save(ended("TR0002", "44"))
    found = await store.run_of_replaced_test("fibre-lab", "42")
    assert found is not None
    assert found.run_id == "TR0002"


async def test_one_external_id_of_a_spoke_cannot_belong_to_two_runs(store: RunStore) -> None:
    await store.save(a_run(phase=Phase.ACCEPTED, external_id="42"))
    with pytest.raises(ExternalIdTakenError, match="TR0001"):
        await store.save(a_run("TR0002", phase=Phase.ACCEPTED, external_id="42"))
    assert await store.run("TR0002") is None


async def test_many_runs_may_wait_for_an_external_id(store: RunStore) -> None:
    await store.save(a_run("TR0001"), a_run("TR0002"))
    assert await store.run("TR0002") == a_run("TR0002")


async def test_a_run_is_written_only_over_its_predecessor(store: RunStore) -> None:
    first = a_run()
    await store.save(first)
    second = next_revision(first, phase=Phase.SENDING)
    await store.save(second)
    with pytest.raises(ConflictError, match="TR0001"):
        await store.save(next_revision(first, phase=Phase.BLOCKED))
    assert await store.run("TR0001") == second


@pytest.mark.parametrize("revision", [2, 7])
async def test_a_run_that_is_not_there_starts_at_revision_one(store: RunStore, revision: int) -> None:
    with pytest.raises(ConflictError):
        await store.save(a_run(revision=revision))
    assert await store.run("TR0001") is None


async def test_a_run_is_inserted_once(store: RunStore) -> None:
    await store.save(a_run(phase=Phase.ROUTED))
    with pytest.raises(ConflictError):
        await store.save(a_run(phase=Phase.CREATED))
    assert await store.run("TR0001") == a_run(phase=Phase.ROUTED)


async def test_rows_are_written_together_or_not_at_all(store: RunStore) -> None:
    await store.save(a_run("TR0002"))
    with pytest.raises(ConflictError):
        await store.save(a_request(), a_run("TR0001"), a_run("TR0002"), a_run("TR0003"))
    assert await store.request("RQ0001") is None
    assert await store.run("TR0001") is None
    assert await store.run("TR0003") is None


async def test_one_save_may_take_a_run_two_steps(store: RunStore) -> None:
    first = a_run()
    second = next_revision(first, phase=Phase.SENDING)
    await store.save(first, second)
    assert await store.run("TR0001") == second


async def test_a_request_is_written_once(store: RunStore) -> None:
    await store.save(a_request(explanation="as first decided"))
    await store.save(a_request(explanation="as decided again"))
    assert await store.request("RQ0001") == a_request(explanation="as first decided")


async def test_measures_follow_the_run(store: RunStore) -> None:
    first = a_run(phase=Phase.IN_PROGRESS, measures=MEASURES)
    await store.save(first)
    fewer = next_revision(first, measures=MEASURES[1:])
    await store.save(fewer)
    assert await store.run("TR0001") == fewer
    none = next_revision(fewer, measures=())
    await store.save(none)
    assert await store.run("TR0001") == none


async def test_two_measures_may_share_an_id_and_keep_their_order(store: RunStore) -> None:
    row = a_run(measures=(MEASURES[1], MEASURES[0], MEASURES[1]))
    await store.save(row)
    assert await store.run("TR0001") == row


async def test_runs_of_a_request_come_parents_first_and_in_order(store: RunStore) -> None:
    def child(run_id: str, parent: str, order: int) -> RunRow:
        return a_run(run_id, document=a_document(run_id, root="TR0001", parent=parent, order=order))

    late, early = child("A", "TR0001", 2), child("B", "TR0001", 1)
    await store.save(child("C", "B", 9), late, a_run("TR0001"), early)
    await store.save(a_run("TR0099", request_id="RQ0099"))
    found = await store.runs_of_request("RQ0001")
    assert [row.run_id for row in found] == ["TR0001", "B", "C", "A"]


async def test_a_request_has_open_runs_until_each_of_them_has_ended_for_good(store: RunStore) -> None:
    kinds = [*product(Phase, [None, *RunState])]
    rows = [a_run(f"TR{n}", request_id=f"RQ{n}", phase=phase, external_id=None) for n, (phase, _) in enumerate(kinds)]
    rows = [replace(row, state=state) for row, (_, state) in zip(rows, kinds, strict=True)]
    await store.save(*rows, a_run("last", request_id="RQ0", state=RunState.COMPLETED))
    answers = await asyncio.gather(*(store.has_open_runs(row.request_id) for row in rows))
    assert [row for row, is_open in zip(rows, answers, strict=True) if is_open is is_over(row)] == []


async def test_one_open_run_among_ended_ones_keeps_its_request_open(store: RunStore) -> None:
    await store.save(*(a_run(f"TR{n}", phase=Phase.FULFILLED, state=RunState.COMPLETED) for n in range(9)))
    assert not await store.has_open_runs("RQ0001")
    await store.save(a_run("TR9", phase=Phase.ACCEPTED))
    assert await store.has_open_runs("RQ0001")


@pytest.mark.parametrize("letter", ["\0", "\ud800"])
async def test_an_id_that_no_row_can_have_fails_only_its_own_read(store: RunStore, letter: str) -> None:
    rows = [a_run(f"TR{n}", phase=Phase.ACCEPTED, request_id=f"RQ{n}") for n in range(20)]
    await store.save(*rows)
    guilty = f"TR3{letter}"
    answers = await asyncio.gather(
        *(store.run(row.run_id) for row in rows[:10]),
        store.run(guilty),
        store.run_by_external_id("fibre-lab", f"ext-{guilty}"),
        store.runs_of_request(guilty),
        store.has_open_runs(guilty),
        store.request(guilty),
        *(store.run_by_external_id("fibre-lab", f"ext-{row.run_id}") for row in rows[10:]),
        return_exceptions=True,
    )
    assert [*answers[:10], *answers[15:]] == rows
    assert [answer for answer in answers[10:15] if answer and not isinstance(answer, UnstorableError)] == []


async def test_a_run_is_found_by_the_task_that_cancels_it_and_checked_for_it(store: RunStore) -> None:
    later = NOON + timedelta(seconds=5)
    followed = FollowedTask(id="C1", since=NOON, due=NOON, absences=2)
    row = a_run("cancelled", phase=Phase.ACCEPTED, cancellation=followed, deadline=Deadline(expires=later))
    await store.save(row, a_run("other", phase=Phase.ACCEPTED, cancellation=replace(followed, id="C2", due=later)))
    assert await store.run_by_cancel_task("fibre-lab", "C1") == row
    assert await store.run_by_cancel_task("copper-lab", "C1") is None
    assert [each.run_id for each in await store.runs_to_check(NOON, 4)] == ["cancelled"]
    await store.save(next_revision(row, cancellation=None))
    assert await store.run_by_cancel_task("fibre-lab", "C1") is None


async def test_a_deadline_is_kept_and_is_what_a_run_is_checked_for(store: RunStore) -> None:
    later = NOON + timedelta(seconds=5)
    deadline = Deadline(expires=later, jeopardy=NOON, left=1.5, left_until_jeopardy=0.25)
    late = a_run("late", phase=Phase.ACCEPTED, deadline=deadline)
    watch = Watch(missing=Missing.STATE, since=NOON, due=later)
    await store.save(late, a_run("watched", phase=Phase.ACCEPTED, watch=watch, deadline=Deadline(expires=later)))
    assert [row.deadline for row in await store.runs_to_check(NOON, 4)] == [deadline]
    assert [row.run_id for row in await store.runs_to_check(later, 1, late)] == ["watched"]
    await store.save(replace(late, deadline=Deadline(expires=later, is_set=False), revision=2))
    assert [row.run_id for row in await store.runs_to_check(later, 4)] == ["late", "watched"]
    assert (await store.runs_to_check(later, 1))[0].deadline == Deadline(expires=later, is_set=False)


async def test_the_states_of_a_request_are_counted(store: RunStore) -> None:
    await store.save(
        a_run("TR1", phase=Phase.FULFILLED, state=RunState.COMPLETED),
        a_run("TR2", phase=Phase.FULFILLED, state=RunState.COMPLETED),
        a_run("TR3", phase=Phase.ROUTED),
        a_run("TR4", phase=Phase.ROUTED, request_id="another"),
    )
    assert sorted(await store.states_of_request("RQ0001"), key=str) == [
        StateCount(RunState.COMPLETED, Phase.FULFILLED, 2),
        StateCount(None, Phase.ROUTED, 1),
    ]
    assert list(await store.states_of_request("none")) == []


async def test_runs_to_check_are_those_whose_watch_is_due(store: RunStore) -> None:
    def watched(run_id: str, seconds: float) -> RunRow:
        due = NOON + timedelta(seconds=seconds)
        watch = Watch(missing=Missing.MEASURES, since=NOON, due=due, answers=2)
        return a_run(run_id, phase=Phase.ACCEPTED, watch=watch)

    await store.save(watched("later", 9), *(watched(f"TR{n}", n // 2) for n in range(6)), a_run("unwatched"))
    seen: list[RunRow] = []
    after: RunRow | None = None
    while page := await store.runs_to_check(NOON + timedelta(seconds=2), 4, after):
        seen += page
        after = page[-1]
    assert [row.run_id for row in seen] == [f"TR{n}" for n in range(6)]
    assert seen[5].watch == Watch(missing=Missing.MEASURES, since=NOON, due=NOON + timedelta(seconds=2), answers=2)
    await store.save(replace(seen[0], watch=None, revision=2))
    assert [row.run_id for row in await store.runs_to_check(NOON, 4)] == ["TR1"]


async def test_unmoved_runs_are_commanded_and_old(store: RunStore) -> None:
    commanded = (Phase.ROUTED, Phase.RETRYING, Phase.SENDING, Phase.IN_DOUBT)
    at = NOON - timedelta(days=2)
    await store.save(*(a_run(phase.value, phase=phase, updated_at=at) for phase in Phase))
    await store.save(a_run("young", updated_at=NOON))
    seen: list[str] = []
    after: RunRow | None = None
    while page := await store.unmoved_runs(NOON - timedelta(days=1), 3, after):
        seen += [row.run_id for row in page]
        after = page[-1]
    assert seen == sorted(phase.value for phase in commanded)


async def test_the_latest_runs_come_first_in_the_list(store: RunStore) -> None:
    for number, phase in enumerate([Phase.ROUTED, Phase.ACCEPTED, Phase.ROUTED]):
        await store.save(a_run(f"TR{number}", phase=phase, updated_at=NOON + timedelta(seconds=number)))
    assert [row.run_id for row in await store.list_runs()] == ["TR2", "TR1", "TR0"]
    assert [row.run_id for row in await store.list_runs(phase=Phase.ROUTED, spoke="fibre-lab")] == ["TR2", "TR0"]
    assert [row.run_id for row in await store.list_runs(limit=1)] == ["TR2"]
    assert await store.list_runs(spoke="copper-lab") == []


async def test_five_hundred_callers_at_once_each_get_their_own_answer(store: RunStore) -> None:
    rows = [a_run(f"TR{number}", request_id=f"RQ{number}") for number in range(500)]
    await asyncio.gather(*(store.save(row, a_request(row.request_id)) for row in rows))
    assert await asyncio.gather(*(store.run(row.run_id) for row in rows)) == rows
    requests = await asyncio.gather(*(store.request(row.request_id) for row in rows))
    assert requests == [a_request(row.request_id) for row in rows]


async def test_saves_of_one_run_at_once_behave_as_one_after_another(store: RunStore) -> None:
    first = a_run()
    second = next_revision(first, phase=Phase.SENDING)
    third = next_revision(second, phase=Phase.IN_DOUBT, measures=MEASURES)
    rival = next_revision(first, phase=Phase.BLOCKED)
    answers = await asyncio.gather(*map(store.save, (first, second, rival, third)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), type(None), ConflictError, type(None)]
    assert await store.run("TR0001") == third


async def test_a_conflict_fails_only_its_own_save(store: RunStore) -> None:
    await store.save(a_run("TR0"))
    rows = [a_run(f"TR{number}") for number in range(100)]
    answers = await asyncio.gather(*map(store.save, rows), return_exceptions=True)
    assert [number for number, answer in enumerate(answers) if answer is not None] == [0]
    assert [row.run_id for row in rows if await store.run(row.run_id) is None] == []


async def test_a_duplicate_external_id_fails_only_its_own_save(store: RunStore) -> None:
    rows = [a_run(f"TR{number}", phase=Phase.ACCEPTED) for number in range(20)]
    rows[13] = replace(rows[13], external_id="ext-TR5")
    answers = await asyncio.gather(*map(store.save, rows), return_exceptions=True)
    assert {number: type(answer) for number, answer in enumerate(answers) if answer} == {13: ExternalIdTakenError}


async def test_a_cancelled_caller_does_not_affect_other_callers(store: RunStore) -> None:
    saves = [asyncio.ensure_future(store.save(a_run(f"TR{number}"))) for number in range(3)]
    saves[1].cancel()
    await asyncio.gather(*saves, return_exceptions=True)
    assert await store.run("TR0") == a_run("TR0")
    assert await store.run("TR2") == a_run("TR2")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=run_rows())
async def test_any_row_is_read_back_as_it_was(store: RunStore, row: RunRow) -> None:
    number = next(fresh)
    row = replace(row, run_id=f"TR{number}", external_id=f"{row.external_id}{number}")
    await store.save(row)
    assert await store.run(row.run_id) == row


async def test_waiting_runs_are_those_that_were_requested_long_ago_and_never_routed(store: RunStore) -> None:
    def waiting(run_id: str, minutes: int, **more: Any) -> RunRow:  # noqa: ANN401 - any field of a row
        fields = {"phase": Phase.CREATED, "spoke": "", "decision": None, "updated_at": NOON} | more
        return a_run(run_id, created_at=NOON - timedelta(minutes=minutes), **fields)

    await store.save(waiting("young", 1), waiting("older", 10), waiting("oldest", 20))
    await store.save(waiting("given up", 30, phase=Phase.FALLOUT), waiting("routed", 30, phase=Phase.ROUTED, spoke="x"))
    since = NOON - timedelta(minutes=5)
    assert [row.run_id for row in await store.pending_runs(since, 10)] == ["oldest", "older"]
    assert [row.run_id for row in await store.pending_runs(since, 1)] == ["oldest"]


async def test_saves_in_one_group_are_each_written_or_refused_independently(store: RunStore) -> None:
    taken = a_run("TR0001", phase=Phase.ACCEPTED, external_id="42")
    await store.save(taken)
    new, late, same_external_id = (
        a_run("TR0002"),
        next_revision(next_revision(taken)),
        a_run("TR0003", phase=Phase.ACCEPTED, external_id="42"),
    )
    answers = await store.save_each([[a_request(), new], [late], [same_external_id], [next_revision(taken)]])
    assert [type(answer) for answer in answers] == [type(None), ConflictError, ExternalIdTakenError, type(None)]
    assert [await store.run(run_id) for run_id in ("TR0001", "TR0002", "TR0003")] == [next_revision(taken), new, None]
    assert await store.request("RQ0001") == a_request()


async def test_saving_no_rows_returns_at_once(store: RunStore) -> None:
    assert [*await store.save_each([])] == []


async def test_a_run_that_another_process_changed_cannot_be_sent_from_the_old_row(
    store: RunStore,
) -> None:
    routed = a_run()
    await store.save(routed)
    from_other_process = next_revision(routed, cancel_requested=True)
    await store.save(from_other_process)
    for _ in range(2):  # at most one attempt fails
        row = await store.run_to_send("TR0001")
        assert row is not None
        try:
            await store.save(next_revision(row, phase=Phase.SENDING))
        except ConflictError:
            assert row == routed
    sent = await store.run("TR0001")
    assert sent is not None
    assert (sent.phase, sent.cancel_requested) == (Phase.SENDING, True)


async def test_a_run_to_send_that_was_never_saved_is_not_found(store: RunStore) -> None:
    assert await store.run_to_send("TR0404") is None


LONG_AGO = NOON - timedelta(days=40)
MONTH = timedelta(days=30)


def an_ended_run(run_id: str, **more: Any) -> RunRow:  # noqa: ANN401 - any field of a row
    fields: dict[str, Any] = {
        "phase": Phase.FULFILLED,
        "state": RunState.COMPLETED,
        "updated_at": LONG_AGO,
        "request_id": run_id,
    }
    return a_run(run_id, **fields | more)


async def test_a_request_that_ended_long_ago_is_deleted_with_its_runs_and_measures(store: RunStore) -> None:
    old = an_ended_run("TR0001", request_id="RQ0001", measures=MEASURES)
    await store.save(old, a_request())
    result = await store.pruning.prune(NOON - MONTH, 100)
    assert result.runs == 1
    assert await store.run("TR0001") is None
    assert await store.request("RQ0001") is None
    assert await store.pruning.prune(NOON - MONTH, 100, result.last) == (0, None)
    again = replace(old, measures=())  # the id is free, and has none of the old measures
    await store.save(again)
    assert await store.run("TR0001") == again


@pytest.mark.parametrize(
    "changes",
    [
        {"updated_at": NOON - timedelta(days=29)},
        {"phase": Phase.IN_PROGRESS, "state": RunState.IN_PROGRESS},
        {"phase": Phase.ROUTED, "state": None},
        {"phase": Phase.FALLOUT, "state": RunState.FAILED},
        {"watch": Watch(missing=Missing.MEASURES, since=LONG_AGO, due=NOON)},
        {"waits_for": ("S1",)},
    ],
    ids=["young", "in progress", "routed", "in fallout", "watched", "left the queue"],
)
async def test_a_request_is_kept_whole_while_one_run_of_it_is_not_old_and_ended(
    store: RunStore, changes: dict[str, Any]
) -> None:
    others = [an_ended_run(f"TR000{n}", request_id="RQ0001") for n in (1, 2)]
    await store.save(*others, an_ended_run("TR0003", **{"request_id": "RQ0001"} | changes), a_request())
    result = await store.pruning.prune(NOON - MONTH, 100)
    assert result.runs == 0
    assert [row.run_id for row in await store.runs_of_request("RQ0001")] == ["TR0001", "TR0002", "TR0003"]


async def test_a_child_that_was_cancelled_before_its_root_was_routed_is_kept_for_the_root(store: RunStore) -> None:
    child = an_ended_run(
        "TR0002", document=a_document("TR0002", parent="TR0001"), phase=Phase.CANCELLED, state=RunState.CANCELLED
    )
    root = a_run("TR0001", phase=Phase.FALLOUT, updated_at=LONG_AGO, request_id="RQ0001")
    await store.save(child)
    await store.save(root)
    assert (await store.pruning.prune(NOON - MONTH, 100)).runs == 0
    ended = next_revision(root, phase=Phase.FAILED, state=RunState.FAILED)
    await store.save(ended)
    assert (await store.pruning.prune(NOON - MONTH, 100)).runs == 2


async def test_pages_pass_requests_that_are_kept_and_delete_all_others(store: RunStore) -> None:
    for number in range(20):
        name = f"TR{number:02}"
        at = LONG_AGO + timedelta(minutes=number // 7)
        sibling: dict[str, Any] = {"phase": Phase.FALLOUT, "state": None} if number % 3 == 0 else {}
        await store.save(
            an_ended_run(name, updated_at=at), an_ended_run(f"{name}-1", request_id=name, updated_at=at, **sibling)
        )
    last, deleted = None, 0
    for _ in range(40):
        runs, last = await store.pruning.prune(NOON - MONTH, 4, last)
        assert runs <= 4
        deleted += runs
        if last is None:
            break
    assert last is None
    assert deleted == 26
    kept = {row.run_id for row in await store.list_runs(limit=100)}
    assert kept == {name for n in range(0, 20, 3) for name in (f"TR{n:02}", f"TR{n:02}-1")}


async def test_an_update_and_the_deletion_of_a_run_exclude_each_other(store: RunStore) -> None:
    rows = [an_ended_run(f"TR{n:03}") for n in range(50)]
    await store.save_each([[row] for row in rows])
    late = [[next_revision(row, updated_at=NOON)] for row in rows]
    result, errors = await asyncio.gather(store.pruning.prune(NOON - MONTH, 1_000), store.save_each(late))
    saved = [row for (row,), error in zip(late, errors, strict=True) if error is None]
    assert all(error is None or isinstance(error, ConflictError) for error in errors)
    assert result.runs == len(rows) - len(saved)
    assert sorted(row.run_id for row in await store.list_runs(limit=100)) == sorted(row.run_id for row in saved)
