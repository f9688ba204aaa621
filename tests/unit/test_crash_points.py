"""Wherever the process dies, what is stored and told in the end is the same, and nothing is posted twice."""

from __future__ import annotations

import asyncio
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
from tests.builders import a_document, a_tree
from tests.gateway import tables
from tests.unit.crashing import Fate, MortalGateway, MortalSystem, Temper

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.catalogue import Message
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument

SINGLE, TREE, BUNDLE = a_document("A"), a_tree("T", 2), a_tree("B", 2, spec="fibre-bundle")
GATHERED = (
    a_document("G", spec="fibre-tree", child_run_ids=("G-1", "G-2")),
    a_document("G-1", parent="G", order=1),
    a_document("G-2", parent="G", order=2),
)
RUNS = ("A", "T", "T-1", "T-2", "B", "B-1", "B-2", "G", "G-1", "G-2")
ROOTS: dict[str, RunDocument] = {"A": SINGLE, "T": TREE, "B": BUNDLE, "G": GATHERED[0]}
STATES = ("inProgress", "completed", "failed", "cancelled")


@dataclass(frozen=True)
class Report:
    """What the external system says about a run."""

    run_id: str
    state: str
    number: int


@dataclass(frozen=True)
class Hour:
    """An hour passes, and the windows of all thresholds open again."""


@dataclass(frozen=True)
class CrashScenario:
    """What happens, how the system behaves, how much room there is in an hour, and how the process dies."""

    events: tuple[RunRequested | RunChanged | RunCancelled | Report | Hour | None, ...]  # None: time to settle
    room: int | None
    tempers: tuple[tuple[str, Temper], ...]
    dies_at: int
    dies_after: bool
    again: int


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


def _perhaps_twice(events: list[Any], twice: int | None) -> tuple[Any, ...]:
    """Let one event come once more at the end, under another id."""
    return (*events, events[twice % len(events)]) if twice is not None else tuple(events)


EVENTS = st.builds(
    _perhaps_twice,
    st.lists(
        st.one_of(
            st.sampled_from([RunRequested(run=run) for run in (SINGLE, TREE, BUNDLE, *GATHERED)]),
            changes(),
            st.builds(lambda run_id: RunCancelled(run_id=run_id, root_run_id=run_id[0]), st.sampled_from(RUNS)),
            st.builds(Report, st.sampled_from(RUNS), st.sampled_from(STATES), st.integers(1, 3)),
            st.none(),
            st.just(Hour()),
        ),
        min_size=2,
        max_size=9,
    ),
    st.none() | st.integers(0, 8),
)
STORIES = st.builds(
    CrashScenario,
    events=EVENTS,
    room=st.sampled_from((None, 1, 2)),
    tempers=st.lists(
        st.tuples(
            st.sampled_from(RUNS),
            st.one_of(
                st.builds(Temper, busy=st.sampled_from((1, 99))),
                st.just(Temper(refuses=True)),
                st.just(Temper(loses=True)),
            ),
        ),
        max_size=2,
    ).map(tuple),
    dies_at=st.integers(0, 10_000),
    dies_after=st.booleans(),
    again=st.integers(0, 4),
)


@pytest.mark.filterwarnings("ignore:coroutine 'MortalPublisher.publish' was never awaited")  # its caller is dead
@settings(max_examples=60, deadline=None)
@given(STORIES)
def test_a_death_at_any_moment_changes_nothing_that_anybody_can_see(story: CrashScenario) -> None:
    asyncio.run(_dies_unnoticed(story))


LINE = (TREE, BUNDLE, *GATHERED, a_document("Z"))


@pytest.mark.filterwarnings("ignore:coroutine 'MortalPublisher.publish' was never awaited")  # its caller is dead
@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_each_moment_of_a_line_that_moves_changes_nothing_either(after: bool) -> None:  # noqa: FBT001 - both
    requests = [RunRequested(run=run) for run in (SINGLE, a_document("Y"), *LINE)]
    changed = RunChanged(run=a_document("Z", version=2, description="new"))
    story = CrashScenario(
        events=(*requests, changed, Hour(), Hour(), Hour()), room=1, tempers=(), dies_at=0, dies_after=after, again=2
    )
    deeds = asyncio.run(_told(story, Fate())).fate.deeds
    for moment in range(deeds):
        asyncio.run(_dies_unnoticed(replace(story, dies_at=moment)))


def _change(root: str, version: int, children: str = "same") -> RunChanged:
    return _changed(root, version, version > 1, children)


def _cancel(run_id: str) -> RunCancelled:
    return RunCancelled(run_id=run_id, root_run_id=run_id[0])


A, T, B, G = (
    RunRequested(run=SINGLE),
    RunRequested(run=TREE),
    RunRequested(run=BUNDLE),
    [RunRequested(run=run) for run in GATHERED],
)
BITING: dict[str, tuple[tuple[Any, ...], int | None]] = {
    "a change that was wanted already is read again after the end": (
        (A, _cancel("A"), _change("A", 3), _change("A", 3)),
        None,
    ),
    "a change of a tree that was wanted already is read again after its cancellation": (
        (T, _change("T", 3, "more"), _change("T", 3, "more"), _cancel("T"), _change("T", 3, "more")),
        None,
    ),
    "a child that cannot come back is told of a change that is read again": (
        (B, None, _cancel("B-2"), _change("B", 3, "less"), _change("B", 3, "less")),
        None,
    ),
    "a cancellation is read again after a change has added a child": (
        (T, _cancel("T"), _change("T", 2, "other")),
        None,
    ),
    "a change of who waits is read again after he has gone": (
        (A, T, None, _change("T", 3), Hour(), _change("T", 3)),
        1,
    ),
    "a request of who waits is read again after his cancellation": (
        (A, *G, _change("G", 3), _cancel("G"), _change("G", 3)),
        1,
    ),
}


@pytest.mark.filterwarnings("ignore:coroutine 'MortalPublisher.publish' was never awaited")  # its caller is dead
@pytest.mark.parametrize("name", BITING)
def test_a_story_in_which_a_death_was_noticed_once_is_told_to_its_end_now(name: str) -> None:
    events, room = BITING[name]
    story = CrashScenario(events=events, room=room, tempers=(), dies_at=0, dies_after=False, again=3)
    deeds = asyncio.run(_told(story, Fate())).fate.deeds
    for moment, after in product(range(deeds), (False, True)):
        asyncio.run(_dies_unnoticed(replace(story, dies_at=moment, dies_after=after)))


async def _dies_unnoticed(story: CrashScenario) -> None:
    undisturbed = await _told(story, Fate())
    deeds = undisturbed.fate.deeds
    if not deeds:
        return
    died = await _told(story, Fate(at=story.dies_at % deeds, after=story.dies_after))
    assert {run_id: _seen(row) for run_id, row in died.store.runs.items()} == {
        run_id: _seen(row) for run_id, row in undisturbed.store.runs.items()
    }
    assert _meanings(died) == _meanings(undisturbed)
    assert _letters(died) == _letters(undisturbed)
    assert died.store.uses == undisturbed.store.uses
    assert isinstance(died.system, MortalSystem)
    assert died.system.unexplained == []
    assert died.system.doubles() == []


async def _told(story: CrashScenario, fate: Fate) -> MortalGateway:
    tempers = {run_id: Temper(temper.busy, temper.refuses, temper.loses) for run_id, temper in story.tempers}
    decide = tables(_selector(story.room)) if story.room else tables()
    gateway = MortalGateway(fate, tempers, story.again, profile={"patchable": ["description"]}, decide=decide)
    for number, event in enumerate(story.events):
        if isinstance(event, Report):
            word = gateway.callback(f"ext-{event.run_id}", state=event.state, testMeasure=[])
            gateway.put(gateway.names.inbound, word, f"{event}")
        elif isinstance(event, Hour):
            await gateway.live()
            await gateway.an_hour_passes()
        elif event is not None:
            gateway.put(gateway.names.lifecycle, event, f"event {number}")
        else:
            await gateway.live()
    await gateway.live()
    await gateway.an_hour_passes()
    return gateway


def _selector(room: int) -> str:
    """Have a definition for all runs and another for single ones, both with so much room in an hour."""
    threshold = f"threshold: {{max: {room}, period: PT1H}}"
    return (
        "selector: spoke-selector\n"
        "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
        "rows:\n"
        f'  - {{id: S1, order: 1, when: {{spec: "-"}}, then: {{spoke: fibre-lab}}, {threshold}}}\n'
        f"  - {{id: S2, order: 2, when: {{spec: fibre-line}}, then: {{spoke: fibre-lab}}, {threshold}}}\n"
    )


def _seen(row: RunRow) -> tuple[object, ...]:
    reasons = tuple(reason.code for reason in row.reasons)
    told = (row.phase, row.state, row.result, row.external_id, row.measures, reasons)
    return (
        *told,
        row.requested,
        row.sent,
        row.accepted_version,
        row.cancel_asked,
        row.request_id,
        row.decision,
        row.waits_for,
    )


def _letters(gateway: MortalGateway) -> set[tuple[bytes | None, str]]:
    return {(dict(record.headers)["ce_id"], letter.problem.code) for record, letter in gateway.dead}


def _meanings(gateway: MortalGateway) -> dict[str, set[tuple[Any, ...]]]:
    """Give what was said under each id, but for what depends on the disturbance.

    A doubt is told only where there was one. A change that was taken in while its run waited is commanded if it is read
    again after the run has gone: there is nothing left to share then, and what is sent, accepted and told is compared.
    """
    found: dict[str, set[tuple[Any, ...]]] = {}
    for event in gateway.said():
        if not _is_told_as(event.data, UpdateKind.IN_DOUBT) and not isinstance(event.data, ChangeRun):
            found.setdefault(_name(event), set()).add(_meaning(event.data))
    return found


def _name(event: Event) -> str:
    # A hierarchy is completed by another of its events, if two of them are read again in one go.
    return "waiting" if _is_told_as(event.data, UpdateKind.WAITING) else event.id


def _is_told_as(word: Message, kind: UpdateKind) -> bool:
    return isinstance(word, RunUpdate) and word.kind is kind


def _meaning(word: Message) -> tuple[Any, ...]:
    match word:
        case RunUpdate():
            # That a child waits, if told again later, is told of the request to which it has come with its root.
            request = None if word.kind is UpdateKind.WAITING else word.request_id
            return ("update", word.run_id, word.kind, request)
        case RunResult():
            return ("result", word.run_id, word.state, word.result, word.test_measure)
        case RequestResult():
            return ("request", word.request_id, word.state, tuple(sorted(word.counts.items())), word.runs)
        case SendRun():
            return (type(word).__name__, word.run.run_id, word.request_id)
        case CancelRun():
            return ("CancelRun", word.run_id, word.request_id)
        case _:
            return (type(word).__name__,)
