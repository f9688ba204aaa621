"""The fold of the events that runs produced equals their rows in what matters."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.recovery.differences import differences
from router.recovery.fold import fold_hierarchy
from router.recovery.history import RecordedEvent
from router.responses import HttpResponse, Purpose
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.partition_keys import root_run_key
from tests.builders.runs import NOON, a_document
from tests.harness.crash_scenarios import ROOTS, SCENARIOS, CrashScenario, run_scenario
from tests.harness.crashing_gateway import CrashPoint
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from router.recovery.fold import FoldedHierarchy


def lifecycle_of(scenario: CrashScenario) -> list[Event]:
    return [
        Event(headers=EventHeaders(id=f"event {number}"), data=event)
        for number, event in enumerate(scenario.events)
        if isinstance(event, RunRequested | RunChanged | RunCancelled)
    ]


def fold_of(lifecycle: list[Event], gateway: InMemoryGateway) -> list[FoldedHierarchy]:
    events = [event for event in (*lifecycle, *gateway.published_events()) if root_run_key(event.data) is not None]
    events.sort(key=lambda event: root_run_key(event.data) or "")
    return [
        fold_hierarchy(root or "", [RecordedEvent(event, event.headers.time or NOON) for event in family], NOON)
        for root, family in groupby(events, key=lambda event: root_run_key(event.data))
    ]


@settings(max_examples=800, deadline=None)
@given(SCENARIOS)
def test_the_fold_of_all_events_equals_the_rows_of_the_store(scenario: CrashScenario) -> None:
    gateway = asyncio.run(run_scenario(scenario, CrashPoint()))
    folded = fold_of(lifecycle_of(scenario), gateway)
    rows = {row.run_id: row for each in folded for row in each.runs}
    found = [
        difference
        for run_id in rows.keys() | gateway.store.runs.keys()
        for difference in differences(run_id, gateway.store.runs.get(run_id), rows.get(run_id))
    ]
    assert found == []
    assert [each for folded_one in folded for each in (*folded_one.uncommanded, *folded_one.unpublished)] == []
    assert fold_of([*lifecycle_of(scenario), *map(replayed, lifecycle_of(scenario))], gateway) == folded


@settings(max_examples=300, deadline=None)
@given(SCENARIOS, st.sampled_from([{"reposted": ["description"]}, {"reposted": ["description"], "cancel": "delete"}]))
def test_the_fold_knows_the_tests_that_changes_have_replaced(scenario: CrashScenario, profile: dict[str, Any]) -> None:
    gateway = asyncio.run(run_scenario(scenario, CrashPoint(), profile=profile))
    rows = {row.run_id: row for each in fold_of(lifecycle_of(scenario), gateway) for row in each.runs}
    known = gateway.store.runs
    ids = rows.keys() | known.keys()
    assert [each for run_id in ids for each in differences(run_id, known.get(run_id), rows.get(run_id))] == []


async def test_the_fold_knows_which_part_of_a_change_was_refused() -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"]})
    first = a_document()
    changed = a_document(version=2, description="fast", service="PI0099")
    await gateway.process_request(first, "event 0")
    await gateway.process_change(changed, "event 1")
    lifecycle = [
        Event(headers=EventHeaders(id="event 0"), data=RunRequested(run=first)),
        Event(headers=EventHeaders(id="event 1"), data=RunChanged(run=changed)),
    ]
    [folded] = fold_of(lifecycle, gateway)
    assert folded.runs[0].sent == a_document(version=2, description="fast")
    assert differences("TR0001", gateway.row(), folded.runs[0]) == ()


def replayed(event: Event) -> Event:
    """Return the copy of an event that a replay publishes."""
    return event._replace(headers=event.headers._replace(replay="replay-1"))


def test_a_change_does_not_remove_a_child_that_a_later_one_adds() -> None:
    """The fold knows all children from the beginning, also those that were added after the change that it applies."""
    root = ROOTS["B"]
    added = a_document("B-9", parent="B", order=9)
    newer = root.model_copy(update={"version": 2})
    newest = root.model_copy(update={"version": 3, "children": (*root.children, added)})
    events = (RunRequested(run=root), RunChanged(run=newer), RunChanged(run=newest), None)
    scenario = CrashScenario(
        events=events, max_requests=None, faults=(), crash_at=0, crash_after=False, reread_records=0
    )
    gateway = asyncio.run(run_scenario(scenario, CrashPoint()))
    [folded] = fold_of(lifecycle_of(scenario), gateway)
    rows = {row.run_id: row for row in folded.runs}
    assert not rows["B-9"].cancel_requested
    assert [each for run_id, row in rows.items() for each in differences(run_id, gateway.store.runs[run_id], row)] == []


def test_a_change_that_came_before_the_request_names_no_child_that_is_cancelled_later() -> None:
    root = ROOTS["G"]
    changed = root.model_copy(update={"version": 2})
    events = (
        RunChanged(run=changed),
        RunRequested(run=root),
        RunCancelled(run_id="G-1", root_run_id="G"),
        RunChanged(run=changed),
    )
    scenario = CrashScenario(
        events=events, max_requests=None, faults=(), crash_at=0, crash_after=False, reread_records=0
    )
    gateway = asyncio.run(run_scenario(scenario, CrashPoint()))
    [folded] = fold_of(lifecycle_of(scenario), gateway)
    assert folded.runs[0].requested.child_run_ids == root.child_run_ids
    assert differences("G", gateway.store.runs["G"], folded.runs[0]) == ()


@pytest.mark.parametrize("reasons", [("a", "b"), ("a", "a"), ("a", None)])
async def test_fault_a_second_cancellation_leaves_two_reasons_in_a_rebuilt_row(
    reasons: tuple[str | None, ...],
) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.CANCEL, *[HttpResponse(status=202)] * 4)
    await gateway.process_request(a_document(), "event 0")
    lifecycle = [Event(headers=EventHeaders(id="event 0"), data=RunRequested(run=a_document()))]
    for number, reason in enumerate(reasons, 1):
        cancelled = RunCancelled(run_id="TR0001", root_run_id="TR0001", reason=reason)
        await gateway.process_lifecycle_event(cancelled, f"event {number}")
        lifecycle.append(Event(headers=EventHeaders(id=f"event {number}"), data=cancelled))
    [folded] = fold_of(lifecycle, gateway)
    assert folded.runs[0].reasons == gateway.row().reasons
    assert len(gateway.row().reasons) == 1
