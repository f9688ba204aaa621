"""A gateway whose store is lost at any point goes on with the store that was folded from its topics."""

from __future__ import annotations

import asyncio
from itertools import groupby, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from consumers.routing.commands import build_send_command
from router.recovery.fold import fold_hierarchy
from router.recovery.history import RecordedEvent
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunRequested
from schemas.partition_keys import root_run_key
from tests.builders.runs import NOON
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.crash_scenarios import (
    ASSEMBLED_HIERARCHY,
    BUNDLE,
    SCENARIOS,
    SINGLE,
    TREE,
    CrashScenario,
    changed_root,
    run_scenario,
)
from tests.harness.crashing_gateway import CrashingGateway, CrashingSystem, CrashPoint

if TYPE_CHECKING:
    from consumers.runtime.handler import Record
    from router.recovery.fold import FoldedHierarchy
    from schemas.catalogue import EventData


class RebuiltGateway(CrashingGateway):
    """A gateway that loses its store when it crashes, and goes on with the fold of its topics."""

    __slots__ = ("lifecycle",)

    def produce(self, topic: str, event: EventData, event_id: str) -> Record:
        """Append an event to a topic, and keep those of the lifecycle topic."""
        kept: list[Event] = getattr(self, "lifecycle", [])
        if topic == self.names.lifecycle:
            kept.append(Event(headers=EventHeaders(id=event_id), data=event))
        self.lifecycle = kept
        return super().produce(topic, event, event_id)

    def _restart(self) -> None:
        super()._restart()
        folded = self.fold()
        self.store = InMemoryRunStore(*[row for each in folded for row in each.runs])
        self.store.requests = {row.request_id: row for each in folded for row in each.requests}
        for row in [row for each in folded for row in each.uncommanded]:
            super().produce(self.names.dispatch(row.spoke), build_send_command(row), f"rebuilt {row.run_id}")

    def fold(self) -> list[FoldedHierarchy]:
        """Fold everything that was published so far."""
        events = [each for each in (*self.lifecycle, *self.published_events()) if root_run_key(each.data) is not None]
        events.sort(key=lambda event: root_run_key(event.data) or "")
        at = self.clock.at
        return [
            fold_hierarchy(root or "", [RecordedEvent(event, event.headers.time or NOON) for event in family], at)
            for root, family in groupby(events, key=lambda event: root_run_key(event.data))
        ]


@pytest.mark.filterwarnings(
    "ignore:coroutine 'CrashingPublisher.publish' was never awaited"
)  # the crash ends the caller
@settings(max_examples=60, deadline=None)
@given(SCENARIOS)
def test_a_store_that_is_lost_at_any_point_leads_to_no_second_post(scenario: CrashScenario) -> None:
    asyncio.run(_check_no_second_post(scenario, scenario.crash_at, after=scenario.crash_after))


REQUESTS = {
    "single run": [SINGLE],
    "hierarchy": [TREE],
    "bundle": [BUNDLE],
    "assembled hierarchy": [*ASSEMBLED_HIERARCHY],
}


@pytest.mark.filterwarnings(
    "ignore:coroutine 'CrashingPublisher.publish' was never awaited"
)  # the crash ends the caller
@pytest.mark.parametrize("kind", REQUESTS)
def test_every_run_of_a_lost_store_goes_on(kind: str) -> None:
    runs = REQUESTS[kind]
    root = runs[0].run_id
    requested = [RunRequested(run=run) for run in runs]
    requested = [RunRequested(run=run) for run in runs]
    changed = changed_root(root, 2, describe=True, children="same")
    scenario = CrashScenario(
        events=(*requested, changed), max_requests=None, faults=(), crash_at=0, crash_after=False, reread_records=1
    )
    actions = asyncio.run(run_scenario(scenario, CrashPoint())).crash_point.actions
    for moment, after in product(range(actions), (False, True)):
        gateway = asyncio.run(_check_no_second_post(scenario, moment, after=after))
        stuck = [row for row in gateway.store.runs.values() if row.phase not in (*ACCEPTED_PHASES, *ENDED_PHASES)]
        assert stuck == [], (moment, after)
        assert len(gateway.store.runs) == len({run.run_id for one in runs for run in (one, *one.children)})


async def _check_no_second_post(scenario: CrashScenario, crash_at: int, *, after: bool) -> CrashingGateway:
    undisturbed = await run_scenario(scenario, CrashPoint())
    actions = max(undisturbed.crash_point.actions, 1)
    gateway = await run_scenario(scenario, CrashPoint(at_action=crash_at % actions, after=after), RebuiltGateway)
    assert isinstance(gateway.system, CrashingSystem)
    assert gateway.system.unexplained_posts == []
    assert gateway.system.duplicated_runs() == []
    return gateway
