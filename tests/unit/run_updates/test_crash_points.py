"""After a crash at any point, the stored and published state is the same as without it, and nothing is POSTed twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import RequestResult, RunResult, RunUpdate
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document
from tests.harness.crash_scenarios import (
    ASSEMBLED_HIERARCHY,
    BUNDLE,
    FLAT,
    ROOTS,
    SCENARIOS,
    SINGLE,
    TREE,
    CrashScenario,
    HourPassed,
    changed_root,
    run_scenario,
)
from tests.harness.crashing_gateway import CrashingSystem, CrashPoint, RunFaults

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.catalogue import EventData
    from tests.harness.crashing_gateway import CrashingGateway


@pytest.mark.filterwarnings(
    "ignore:coroutine 'CrashingPublisher.publish' was never awaited"
)  # the crash ends the caller
@settings(max_examples=60, deadline=None)
@given(SCENARIOS)
def test_a_crash_at_any_point_changes_nothing_visible(scenario: CrashScenario) -> None:
    asyncio.run(_check_crash_is_invisible(scenario))


WAITING_RUNS = (TREE, BUNDLE, *ASSEMBLED_HIERARCHY, a_document("Z"))


@pytest.mark.filterwarnings(
    "ignore:coroutine 'CrashingPublisher.publish' was never awaited"
)  # the crash ends the caller
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_each_point_of_a_release_changes_nothing_visible(after: bool) -> None:  # noqa: FBT001 - both values
    requests = [RunRequested(run=run) for run in (SINGLE, a_document("Y"), *WAITING_RUNS)]
    changed = RunChanged(run=a_document("Z", version=2, description="new"))
    scenario = CrashScenario(
        events=(*requests, changed, HourPassed(), HourPassed(), HourPassed()),
        max_requests=1,
        faults=(),
        crash_at=0,
        crash_after=after,
        reread_records=2,
    )
    actions = asyncio.run(run_scenario(scenario, CrashPoint())).crash_point.actions
    for moment in range(actions):
        asyncio.run(_check_crash_is_invisible(replace(scenario, crash_at=moment)))


def _change(root: str, version: int, children: str = "same") -> RunChanged:
    return changed_root(root, version, version > 1, children)


def _cancel(run_id: str) -> RunCancelled:
    return RunCancelled(run_id=run_id, root_run_id=run_id[0])


A, T, B, G = (
    RunRequested(run=SINGLE),
    RunRequested(run=TREE),
    RunRequested(run=BUNDLE),
    [RunRequested(run=run) for run in ASSEMBLED_HIERARCHY],
)
REGRESSIONS: dict[str, tuple[tuple[Any, ...], int | None]] = {
    "a duplicate change is read again after the end of its run": (
        (A, _cancel("A"), _change("A", 3), _change("A", 3)),
        None,
    ),
    "a duplicate change of a tree is read again after its cancellation": (
        (T, _change("T", 3, "more"), _change("T", 3, "more"), _cancel("T"), _change("T", 3, "more")),
        None,
    ),
    "a change is read again after one of its children was cancelled": (
        (B, None, _cancel("B-2"), _change("B", 3, "less"), _change("B", 3, "less")),
        None,
    ),
    "a cancellation is read again after a change has added a child": (
        (T, _cancel("T"), _change("T", 2, "other")),
        None,
    ),
    "a child that was removed before its bundle was sent has a result": ((B, _change("B", 2, "less")), None),
    "a change of a waiting run is read again after the run was sent": (
        (A, T, None, _change("T", 3), HourPassed(), _change("T", 3)),
        1,
    ),
    "a change of a waiting run is read again after its cancellation": (
        (A, *G, _change("G", 3), _cancel("G"), _change("G", 3)),
        1,
    ),
    "a cancellation of a child that was left out is read again after the child has arrived": (
        (G[0], _cancel("G-1"), G[1]),
        None,
    ),
    "a root that waited is released, and sent without its children": ((A, A, RunRequested(run=FLAT)), 1),
    "a cancellation of a child that was left out is read again after a change has named it again": (
        (G[0], _cancel("G-2"), _change("G", 2)),
        None,
    ),
    "the same, and the request is sent": ((G[0], G[1], _cancel("G-2"), _change("G", 2), G[2]), None),
    "the same, and the child has arrived": ((G[0], _cancel("G-2"), G[2], _change("G", 2)), None),
    "a root is read again after a child that it names was left out": ((G[0], G[0], _cancel("G-1")), None),
    "a request is refused again whose refusal was stored and not published": ((G[0], _cancel("G-1"), G[0]), None),
}


@pytest.mark.filterwarnings(
    "ignore:coroutine 'CrashingPublisher.publish' was never awaited"
)  # the crash ends the caller
@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_crash_that_was_once_visible_is_no_longer_visible(name: str) -> None:
    events, room = REGRESSIONS[name]
    scenario = CrashScenario(
        events=events, max_requests=room, faults=(), crash_at=0, crash_after=False, reread_records=3
    )
    actions = asyncio.run(run_scenario(scenario, CrashPoint())).crash_point.actions
    for moment, after in product(range(actions), (False, True)):
        asyncio.run(_check_crash_is_invisible(replace(scenario, crash_at=moment, crash_after=after)))


@pytest.mark.filterwarnings(
    "ignore:coroutine 'CrashingPublisher.publish' was never awaited"
)  # the crash ends the caller
@pytest.mark.parametrize("events", [(G[0], _cancel("G-1")), (G[0], G[2], _cancel("G-1"))], ids=["waits", "complete"])
@pytest.mark.parametrize("reread_records", [0, 3])
def test_fault_a_crash_makes_a_dead_letter_of_a_child_that_is_cancelled_before_it_arrives(
    events: tuple[Any, ...], reread_records: int
) -> None:
    scenario = CrashScenario(
        events=events, max_requests=None, faults=(), crash_at=0, crash_after=False, reread_records=reread_records
    )
    actions = asyncio.run(run_scenario(scenario, CrashPoint())).crash_point.actions
    for moment, after in product(range(actions), (False, True)):
        asyncio.run(_check_crash_is_invisible(replace(scenario, crash_at=moment, crash_after=after)))


@pytest.mark.filterwarnings(
    "ignore:coroutine 'CrashingPublisher.publish' was never awaited"
)  # the crash ends the caller
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("loses_response", [False, True])
def test_a_crash_at_each_point_of_a_change_by_another_post_changes_nothing_visible(
    after: bool,  # noqa: FBT001 - both values
    loses_response: bool,  # noqa: FBT001 - both values
) -> None:
    faults = (("A", RunFaults(loses_response=True)),) if loses_response else ()
    scenario = CrashScenario(
        events=(A, None, _change("A", 2), None, _change("A", 3), _change("A", 4), None, _cancel("A")),
        max_requests=None,
        faults=faults,
        crash_at=0,
        crash_after=after,
        reread_records=2,
    )
    profile = {"reposted": ["description"]}
    undisturbed = asyncio.run(run_scenario(scenario, CrashPoint(), profile=profile))
    for moment in range(undisturbed.crash_point.actions):
        died = asyncio.run(run_scenario(scenario, CrashPoint(at_action=moment, after=after), profile=profile))
        assert _comparable_row(died.store.runs["A"]) == _comparable_row(undisturbed.store.runs["A"])
        assert isinstance(died.system, CrashingSystem)
        assert died.system.unexplained_posts == []
        assert [test["state"] for test in died.system.tests.values()] == ["cancelled"] * 3
        assert _dead_letters(died) == set()


async def _check_crash_is_invisible(scenario: CrashScenario) -> None:
    undisturbed = await run_scenario(scenario, CrashPoint())
    actions = undisturbed.crash_point.actions
    if not actions:
        return
    died = await run_scenario(scenario, CrashPoint(at_action=scenario.crash_at % actions, after=scenario.crash_after))
    if not _may_differ(died, undisturbed):
        assert {run_id: _comparable_row(row) for run_id, row in died.store.runs.items()} == {
            run_id: _comparable_row(row) for run_id, row in undisturbed.store.runs.items()
        }
        assert _meanings(died) == _meanings(undisturbed)
        assert _dead_letters(died) == _dead_letters(undisturbed)
    assert _ids_with_two_contents(died) == []
    assert died.store.uses == undisturbed.store.uses
    assert isinstance(died.system, CrashingSystem)
    assert died.system.unexplained_posts == []
    assert died.system.duplicated_runs() == []


def _may_differ(died: CrashingGateway, undisturbed: CrashingGateway) -> bool:
    """Return whether a crash changed what is not promised, so that the runs go on in another way.

    Of requests that arrive together, any may be the first in the queue. A run in doubt is given up if no look-up
    can prove what became of it, for example because its system shows an older test of the run that has ended.
    """
    queued, others = _queued_roots(died), _queued_roots(undisturbed)
    doubts = [code for _, code in _dead_letters(died) - _dead_letters(undisturbed)]
    return (queued != others and len(queued) == len(others)) or "IN_DOUBT" in doubts


def _queued_roots(gateway: CrashingGateway) -> set[str]:
    return {
        run_id
        for run_id in ROOTS.keys() & gateway.store.runs.keys()
        if gateway.store.runs[run_id].phase is Phase.WAITING
    }


def _comparable_row(row: RunRow) -> tuple[object, ...]:
    reasons = tuple(reason.code for reason in row.reasons)
    values = (row.phase, row.state, row.result, row.external_id, row.measures, reasons)
    return (
        *values,
        row.requested,
        row.sent,
        row.accepted_version,
        row.cancel_requested,
        row.request_id,
        row.decision,
        row.waits_for,
    )


def _dead_letters(gateway: CrashingGateway) -> set[tuple[bytes | None, str]]:
    return {(dict(record.headers)["ce_id"], dead_letter.problem.code) for record, dead_letter in gateway.dead_lettered}


def _meanings(gateway: CrashingGateway) -> Counter[tuple[Any, ...]]:
    """Count the events by meaning, without what depends on the crash; one that was published again counts once.

    Ids cannot be compared: they name the whole content, with time and revision. IN_DOUBT is only reported after a
    crash. A change that was processed while its run waited is commanded if it is read again after the run was sent, so
    ChangeRun is left out: what is sent, accepted and published is compared instead. How often the progress of a request
    is published depends on the process.
    """
    found = {
        event.id: _comparable_event(event.data)
        for event in gateway.published_events()
        if not _is_update(event.data, UpdateKind.IN_DOUBT) and not isinstance(event.data, ChangeRun)
        if not (isinstance(event.data, RunUpdate) and event.data.request_progress)
    }
    # If two events of a hierarchy are read again together, the other one may complete it. A run that was changed before
    # it was sent is commanded with the newest document, whose id is another one. A command that is read again after its
    # run was given up is another attempt, and may be given up again.
    repeatable = {UpdateKind.WAITING, UpdateKind.FALLOUT, "SendRun"}
    once = {each for each in found.values() if any(word in repeatable for word in each if isinstance(word, str))}
    return Counter([each for each in found.values() if each not in once] + [*once])


def _ids_with_two_contents(gateway: CrashingGateway) -> list[str]:
    contents: dict[str, EventData] = {}
    return [event.id for event in gateway.published_events() if contents.setdefault(event.id, event.data) != event.data]


def _is_update(event: EventData, kind: UpdateKind) -> bool:
    return isinstance(event, RunUpdate) and event.kind is kind


def _comparable_event(event: EventData) -> tuple[Any, ...]:
    match event:
        case RunUpdate():
            # A repeated WAITING update of a child names the request that the child has joined with its root.
            request = None if event.kind is UpdateKind.WAITING else event.request_id
            return ("update", event.run_id, event.kind, request)
        case RunResult():
            return ("result", event.run_id, event.state, event.result, event.test_measure)
        case RequestResult():
            return ("request", event.request_id, event.state, tuple(sorted(event.counts.items())), event.runs)
        case SendRun():
            return (type(event).__name__, event.run.run_id, event.request_id)
        case CancelRun():
            return ("CancelRun", event.run_id, event.request_id)
        case _:
            return (type(event).__name__,)
