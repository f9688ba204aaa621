"""After a crash at any point, the stored and published state is the same as without it, and nothing is POSTed twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import RequestResult, RunResult, RunUpdate
from schemas.vocabulary import UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.harness.crashing_gateway import CrashingGateway, CrashingSystem, CrashPoint, RunFaults
from tests.harness.gateway import a_decider

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.catalogue import Message
    from schemas.run_document import RunDocument

SINGLE, TREE, BUNDLE = a_document("A"), a_tree("T", 2), a_tree("B", 2, spec="fibre-bundle")
ASSEMBLED_HIERARCHY = (
    a_document("G", spec="fibre-tree", child_run_ids=("G-1", "G-2")),
    a_document("G-1", parent="G", order=1),
    a_document("G-2", parent="G", order=2),
)
RUNS = ("A", "T", "T-1", "T-2", "B", "B-1", "B-2", "G", "G-1", "G-2")
ROOTS: dict[str, RunDocument] = {"A": SINGLE, "T": TREE, "B": BUNDLE, "G": ASSEMBLED_HIERARCHY[0]}
STATES = ("inProgress", "completed", "failed", "cancelled")


@dataclass(frozen=True)
class StateReport:
    """A report of the external system about the state of a run."""

    run_id: str
    state: str
    number: int


@dataclass(frozen=True)
class HourPassed:
    """An hour passes, and new windows of all thresholds begin."""


@dataclass(frozen=True)
class CrashScenario:
    """The events, the behaviour of the external system, the requests per hour, and the point of the crash."""

    events: tuple[
        RunRequested | RunChanged | RunCancelled | StateReport | HourPassed | None, ...
    ]  # None: process all records
    max_requests: int | None
    faults: tuple[tuple[str, RunFaults], ...]
    crash_at: int
    crash_after: bool
    reread_records: int


def changes() -> st.SearchStrategy[RunChanged]:
    root = st.sampled_from(sorted(ROOTS))
    return st.builds(
        _changed, root, st.integers(2, 4), st.booleans(), st.sampled_from(("same", "less", "more", "other"))
    )


def _changed(name: str, version: int, describe: bool, children: str) -> RunChanged:  # noqa: FBT001 - drawn
    root = ROOTS[name]
    kept = root.children[1:] if children in ("less", "other") else root.children
    added = (a_document(f"{name}-9", parent=name, order=9),) if children in ("more", "other") and root.children else ()
    description = f"version {version}" if describe else None
    more = {"version": version, "description": description, "children": (*kept, *added)}
    return RunChanged(run=root.model_copy(update=more))


def _maybe_repeat(events: list[Any], twice: int | None) -> tuple[Any, ...]:
    """Repeat one event at the end, under another id."""
    return (*events, events[twice % len(events)]) if twice is not None else tuple(events)


EVENTS = st.builds(
    _maybe_repeat,
    st.lists(
        st.one_of(
            st.sampled_from([RunRequested(run=run) for run in (SINGLE, TREE, BUNDLE, *ASSEMBLED_HIERARCHY)]),
            changes(),
            st.builds(lambda run_id: RunCancelled(run_id=run_id, root_run_id=run_id[0]), st.sampled_from(RUNS)),
            st.builds(StateReport, st.sampled_from(RUNS), st.sampled_from(STATES), st.integers(1, 3)),
            st.none(),
            st.just(HourPassed()),
        ),
        min_size=2,
        max_size=9,
    ),
    st.none() | st.integers(0, 8),
)
SCENARIOS = st.builds(
    CrashScenario,
    events=EVENTS,
    max_requests=st.sampled_from((None, 1, 2)),
    faults=st.lists(
        st.tuples(
            st.sampled_from(RUNS),
            st.one_of(
                st.builds(RunFaults, busy_responses=st.sampled_from((1, 99))),
                st.just(RunFaults(rejects=True)),
                st.just(RunFaults(loses_response=True)),
            ),
        ),
        max_size=2,
    ).map(tuple),
    crash_at=st.integers(0, 10_000),
    crash_after=st.booleans(),
    reread_records=st.integers(0, 4),
)


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
    actions = asyncio.run(_run_scenario(scenario, CrashPoint())).crash_point.actions
    for moment in range(actions):
        asyncio.run(_check_crash_is_invisible(replace(scenario, crash_at=moment)))


def _change(root: str, version: int, children: str = "same") -> RunChanged:
    return _changed(root, version, version > 1, children)


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
    actions = asyncio.run(_run_scenario(scenario, CrashPoint())).crash_point.actions
    for moment, after in product(range(actions), (False, True)):
        asyncio.run(_check_crash_is_invisible(replace(scenario, crash_at=moment, crash_after=after)))


async def _check_crash_is_invisible(scenario: CrashScenario) -> None:
    undisturbed = await _run_scenario(scenario, CrashPoint())
    actions = undisturbed.crash_point.actions
    if not actions:
        return
    died = await _run_scenario(scenario, CrashPoint(at_action=scenario.crash_at % actions, after=scenario.crash_after))
    assert {run_id: _comparable_row(row) for run_id, row in died.store.runs.items()} == {
        run_id: _comparable_row(row) for run_id, row in undisturbed.store.runs.items()
    }
    assert _meanings(died) == _meanings(undisturbed)
    assert _ids_with_two_contents(died) == []
    assert _dead_letters(died) == _dead_letters(undisturbed)
    assert died.store.uses == undisturbed.store.uses
    assert isinstance(died.system, CrashingSystem)
    assert died.system.unexplained_posts == []
    assert died.system.duplicated_runs() == []


async def _run_scenario(scenario: CrashScenario, crash_point: CrashPoint) -> CrashingGateway:
    faults_by_run = {
        run_id: RunFaults(faults.busy_responses, faults.rejects, faults.loses_response)
        for run_id, faults in scenario.faults
    }
    decide = a_decider(_selector(scenario.max_requests)) if scenario.max_requests else a_decider()
    gateway = CrashingGateway(
        crash_point, faults_by_run, scenario.reread_records, profile={"patchable": ["description"]}, decide=decide
    )
    for number, event in enumerate(scenario.events):
        if isinstance(event, StateReport):
            callback = gateway.a_callback(f"ext-{event.run_id}", state=event.state, testMeasure=[])
            gateway.produce(gateway.names.inbound, callback, f"{event}")
        elif isinstance(event, HourPassed):
            await gateway.run_through_crash()
            await gateway.advance_one_hour()
        elif event is not None:
            gateway.produce(gateway.names.lifecycle, event, f"event {number}")
        else:
            await gateway.run_through_crash()
    await gateway.run_through_crash()
    await gateway.advance_one_hour()
    return gateway


def _selector(max_requests: int) -> str:
    """Return a selector with a definition for all runs and one for single runs, both with this threshold per hour."""
    threshold = f"threshold: {{max: {max_requests}, period: PT1H}}"
    return (
        "selector: spoke-selector\n"
        "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
        "rows:\n"
        f'  - {{id: S1, order: 1, when: {{spec: "-"}}, then: {{spoke: fibre-lab}}, {threshold}}}\n'
        f"  - {{id: S2, order: 2, when: {{spec: fibre-line}}, then: {{spoke: fibre-lab}}, {threshold}}}\n"
    )


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
    ChangeRun is left out: what is sent, accepted and published is compared instead.
    """
    found = {
        event.id: _comparable_event(event.data)
        for event in gateway.published_events()
        if not _is_update(event.data, UpdateKind.IN_DOUBT) and not isinstance(event.data, ChangeRun)
    }
    # If two events of a hierarchy are read again together, the other one may complete it. A run that was changed before
    # it was sent is commanded with the newest document, whose id is another one.
    once = {each for each in found.values() if UpdateKind.WAITING in each or "SendRun" in each}
    return Counter([each for each in found.values() if each not in once] + [*once])


def _ids_with_two_contents(gateway: CrashingGateway) -> list[str]:
    contents: dict[str, Message] = {}
    return [event.id for event in gateway.published_events() if contents.setdefault(event.id, event.data) != event.data]


def _is_update(event: Message, kind: UpdateKind) -> bool:
    return isinstance(event, RunUpdate) and event.kind is kind


def _comparable_event(event: Message) -> tuple[Any, ...]:
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
