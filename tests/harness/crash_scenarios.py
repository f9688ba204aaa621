"""Scenarios of lifecycle events, reports, faults and a crash, and a gateway that runs through them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from tests.builders.runs import a_document, a_tree
from tests.harness.crashing_gateway import CrashingGateway, CrashPoint, RunFaults
from tests.harness.gateway import a_decider

if TYPE_CHECKING:
    from schemas.run_document import RunDocument

SINGLE, TREE, BUNDLE = a_document("A"), a_tree("T", 2), a_tree("B", 2, spec="fibre-bundle")
FLAT = a_tree("F", 2, spec="fibre-flat")  # only its root is sent
ASSEMBLED_HIERARCHY = (
    a_document("G", spec="fibre-tree", child_run_ids=("G-1", "G-2")),
    a_document("G-1", parent="G", order=1),
    a_document("G-2", parent="G", order=2),
)
RUNS = ("A", "T", "T-1", "T-2", "B", "B-1", "B-2", "F", "F-1", "G", "G-1", "G-2")
ROOTS: dict[str, RunDocument] = {"A": SINGLE, "T": TREE, "B": BUNDLE, "F": FLAT, "G": ASSEMBLED_HIERARCHY[0]}
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
    """Return a strategy for changes of roots."""
    root = st.sampled_from(sorted(ROOTS))
    return st.builds(
        changed_root, root, st.integers(2, 4), st.booleans(), st.sampled_from(("same", "less", "more", "other"))
    )


def changed_root(name: str, version: int, describe: bool, children: str) -> RunChanged:  # noqa: FBT001 - drawn
    """Return a change of a root, with the same, fewer, more or other children."""
    root = ROOTS[name]
    kept = root.children[1:] if children in ("less", "other") else root.children
    added = (a_document(f"{name}-9", parent=name, order=9),) if children in ("more", "other") and root.children else ()
    description = f"version {version}" if describe else None
    more = {"version": version, "description": description, "children": (*kept, *added)}
    return RunChanged(run=root.model_copy(update=more))


def _cancelled(run_id: str, reason: str | None) -> RunCancelled:
    return RunCancelled(run_id=run_id, root_run_id=run_id[0], reason=reason)


def _maybe_repeat(events: list[Any], twice: int | None) -> tuple[Any, ...]:
    """Repeat one event at the end, under another id."""
    return (*events, events[twice % len(events)]) if twice is not None else tuple(events)


EVENTS = st.builds(
    _maybe_repeat,
    st.lists(
        st.one_of(
            st.sampled_from([RunRequested(run=run) for run in (SINGLE, TREE, BUNDLE, FLAT, *ASSEMBLED_HIERARCHY)]),
            changes(),
            st.builds(_cancelled, st.sampled_from(RUNS), st.sampled_from((None, "no fault", "a duplicate"))),
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


async def run_scenario(
    scenario: CrashScenario,
    crash_point: CrashPoint,
    gateway_class: type[CrashingGateway] = CrashingGateway,
    profile: dict[str, Any] = MappingProxyType({"patchable": ["description"]}),  # type: ignore[assignment] # read only
) -> CrashingGateway:
    """Process the events of a scenario, through the crash, and everything that follows from them."""
    faults_by_run = {
        run_id: RunFaults(faults.busy_responses, faults.rejects, faults.loses_response)
        for run_id, faults in scenario.faults
    }
    decide = a_decider(_selector(scenario.max_requests)) if scenario.max_requests else a_decider()
    gateway = gateway_class(crash_point, faults_by_run, scenario.reread_records, profile={**profile}, decide=decide)
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
