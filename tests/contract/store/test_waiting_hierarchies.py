"""Hierarchies in the waiting queue, and requests shared by two selectors, on every run store.

tests/integration/store/test_postgres.py runs the same tests on PostgreSQL.
"""

# ruff: noqa: F811, F401 - a fixture is imported and requested by its name

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from consumers.store.port import RunStore, StoreUnavailableError
from schemas.lifecycle import RunCancelled
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document
from tests.contract.store.test_every_run_store import store
from tests.harness.gateway import InMemoryGateway, a_decider

if TYPE_CHECKING:
    from router.runs.run import RunRow

HOUR = timedelta(hours=1)
MOON_LINE_ROW = 'when: {spec: "moon-line"}'


def a_selector(name: str = "S1", when: str = 'when: {spec: "not(moon-line)"}') -> str:
    then = "then: {spoke: fibre-lab}, threshold: {max: 1, period: PT1H}"
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]"
    return f"selector: s\n{inputs}\nrows:\n  - {{id: {name}, order: 1, {when}, {then}}}\n"


def a_gateway(store: RunStore, selector: str = "", sharing_with: InMemoryGateway | None = None) -> InMemoryGateway:
    """Return a gateway over this store; with `sharing_with`, it shares the topics and the clock of another gateway."""
    decide = a_decider(selector or a_selector())
    if sharing_with is None:
        return InMemoryGateway(store=store, decide=decide)  # type: ignore[arg-type] # any run store
    return InMemoryGateway(store=store, decide=decide, publisher=sharing_with.publisher, clock=sharing_with.clock)  # type: ignore[arg-type]


async def a_waiting_hierarchy(store: RunStore, name: str = "G") -> InMemoryGateway:
    """Use the definition up, then queue a root and three children as rows of their own.

    The third is below the first.
    """
    gateway = a_gateway(store)
    named = tuple(f"{name}-{n}" for n in (1, 2, 3))
    await gateway.process_request(a_document(f"{name}-before"))
    await gateway.process_request(a_document(name, spec="fibre-tree", child_run_ids=named))
    await gateway.process_request(a_document(f"{name}-1", parent=name))
    await gateway.process_request(a_document(f"{name}-2", parent=name))
    await gateway.process_request(a_document(f"{name}-3", root=name, parent=f"{name}-1"))
    assert {row.phase for row in await rows(store, name)} == {Phase.WAITING}
    return gateway


async def rows(store: RunStore, name: str = "G") -> list[RunRow]:
    found = [await store.run(run_id) for run_id in (name, *(f"{name}-{n}" for n in (1, 2, 3)))]
    return [row for row in found if row is not None]


async def phases(store: RunStore, name: str = "G") -> list[Phase]:
    return [row.phase for row in await rows(store, name)]


async def an_hour_later(gateway: InMemoryGateway) -> None:
    gateway.clock.at += HOUR
    await gateway.waiting_release.release_due()
    await gateway.run_until_idle()


async def test_a_cancelled_child_is_removed_from_its_waiting_root_and_the_rest_is_sent(store: RunStore) -> None:
    gateway = await a_waiting_hierarchy(store)
    await gateway.process_cancellation("G-1", root="G")
    root, cancelled, _, below = await rows(store)
    assert (root.phase, root.requested.child_run_ids) == (Phase.WAITING, ("G-2",))
    assert (cancelled.phase, below.phase) == (Phase.CANCELLED, Phase.BLOCKED)
    assert cancelled.request_id == below.request_id == root.request_id
    await an_hour_later(gateway)
    assert gateway.system.posted_names()[1:] == ["Line test G", "Line test G-2"]
    for run_id in ("G", "G-2"):
        await gateway.process_callback(f"ext-{run_id}", state="completed", testMeasure=[])
    assert gateway.request_results()[-1].counts == {"completed": 2, "cancelled": 2}


async def test_cancelling_a_waiting_root_cancels_all_its_runs(store: RunStore) -> None:
    gateway = await a_waiting_hierarchy(store)
    await gateway.process_cancellation("G")
    assert await phases(store) == [Phase.CANCELLED] * 4
    assert gateway.request_results()[-1].counts == {"cancelled": 4}
    assert await store.waiting_queue.read_lengths() == {}


@pytest.mark.parametrize("run_id", ["G-1", "G"])
async def test_a_crash_between_storing_and_publishing_a_cancellation_loses_no_result(
    store: RunStore, run_id: str
) -> None:
    gateway = await a_waiting_hierarchy(store)
    gateway.produce(gateway.names.lifecycle, RunCancelled(run_id=run_id, root_run_id="G"), "cancel")
    gateway.publisher.fail_topic(gateway.names.results)
    await gateway.attempt_next(gateway.names.lifecycle)
    ended = [row.run_id for row in await rows(store) if row.finished_at]
    assert not gateway.results("G-1")
    gateway.publisher.restore_topic(gateway.names.results)
    await gateway.run_until_idle()
    assert [name for name in ("G", "G-1", "G-2", "G-3") if gateway.results(name)] == ended
    await an_hour_later(gateway)
    assert Phase.WAITING not in await phases(store)


async def test_a_hierarchy_is_given_up_completely_despite_a_crash_between_publishing_and_storing(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await a_waiting_hierarchy(store)
    gateway.decide = a_decider(a_selector(when=MOON_LINE_ROW))

    async def dies(*_: object) -> None:
        raise StoreUnavailableError("no connection")

    with monkeypatch.context() as death:
        death.setattr(store, "save", dies)
        with pytest.raises(StoreUnavailableError):
            await gateway.waiting_release.release_due()
    assert await phases(store) == [Phase.WAITING] * 4
    await gateway.waiting_release.release_due()
    assert await phases(store) == [Phase.FALLOUT] * 4
    assert await store.waiting_queue.read_lengths() == {}
    ids = [event.id for event in gateway.published_events() if is_update(event.data, UpdateKind.FALLOUT)]
    assert (len(ids), len({*ids})) == (8, 4)


@pytest.mark.parametrize("number", range(8))
async def test_a_child_cancelled_while_its_root_is_released_leaves_no_run_behind(store: RunStore, number: int) -> None:
    gateway = await a_waiting_hierarchy(store)
    other = a_gateway(store, sharing_with=gateway)
    gateway.clock.at += HOUR
    gateway.produce(gateway.names.lifecycle, RunCancelled(run_id="G-1", root_run_id="G"), "cancel")

    async def cancels() -> None:
        for _ in repeat(None, number):
            await asyncio.sleep(0)  # so that the two interleave differently
        await gateway.run_until_idle()

    await asyncio.gather(other.waiting_release.release_due(), cancels())
    await other.run_until_idle()
    await gateway.run_until_idle()
    await an_hour_later(gateway)
    assert UpdateKind.FALLOUT not in gateway.updates("G")
    assert not {Phase.WAITING, Phase.CREATED, Phase.FALLOUT} & {*await phases(store)}
    assert not gateway.dead_lettered


async def test_two_selectors_over_one_store_neither_move_requests_back_and_forth_nor_leave_one_behind(
    store: RunStore,
) -> None:
    old = a_gateway(store)
    new = a_gateway(store, a_selector("S2"), sharing_with=old)
    for run_id in ("A", "B", "C"):
        await old.process_request(a_document(run_id))
    await new.process_request(a_document("A2"))
    old_turns, new_turns = old.waiting_release, new.waiting_release
    await old_turns.release_due()
    for second in range(90):
        old.clock.at += timedelta(seconds=1)
        await new_turns.release_due()
        await old_turns.release_due()
        if second == 45:
            await old.process_request(a_document("D"))
    assert await store.waiting_queue.read_lengths() == {("s#S2",): 2, ("s#S1",): 1}
    for _ in range(3):
        new.clock.at += HOUR
        await new_turns.release_due()
    assert await store.waiting_queue.read_lengths() == {}
    assert [old.distinct_updates(run_id).count(UpdateKind.WAITING) for run_id in ("B", "C", "D")] == [2, 2, 1]


def is_update(event: object, kind: UpdateKind) -> bool:
    return isinstance(event, RunUpdate) and event.kind is kind
