"""What becomes of families in line, and of those whom two selectors share, on every run store.

tests/integration/test_run_store_on_postgres.py makes the same claims about PostgreSQL.
"""

# ruff: noqa: F811, F401 - a fixture is imported by its name, and asked for by it

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
from tests.builders import a_document
from tests.contract.test_run_store import store
from tests.gateway import Gateway, tables

if TYPE_CHECKING:
    from router.runs.run import RunRow

HOUR = timedelta(hours=1)
MOON = 'when: {spec: "moon-line"}'


def a_selector(name: str = "S1", when: str = 'when: {spec: "not(moon-line)"}') -> str:
    then = "then: {spoke: fibre-lab}, threshold: {max: 1, period: PT1H}"
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]"
    return f"selector: s\n{inputs}\nrows:\n  - {{id: {name}, order: 1, {when}, {then}}}\n"


def a_gateway(store: RunStore, selector: str = "", beside: Gateway | None = None) -> Gateway:
    """Have a process over this store, and over the topics and the clock of another."""
    decide = tables(selector or a_selector())
    if beside is None:
        return Gateway(store=store, decide=decide)  # type: ignore[arg-type] # a real one does as well
    return Gateway(store=store, decide=decide, publisher=beside.publisher, clock=beside.clock)  # type: ignore[arg-type]


async def a_family(store: RunStore, name: str = "G") -> Gateway:
    """Use the definition up, and let a root and three children wait, each with a row; the third is below the first."""
    gateway = a_gateway(store)
    named = tuple(f"{name}-{n}" for n in (1, 2, 3))
    await gateway.requested(a_document(f"{name}-before"))
    await gateway.requested(a_document(name, spec="fibre-tree", child_run_ids=named))
    await gateway.requested(a_document(f"{name}-1", parent=name))
    await gateway.requested(a_document(f"{name}-2", parent=name))
    await gateway.requested(a_document(f"{name}-3", root=name, parent=f"{name}-1"))
    assert {row.phase for row in await rows(store, name)} == {Phase.WAITING}
    return gateway


async def rows(store: RunStore, name: str = "G") -> list[RunRow]:
    found = [await store.run(run_id) for run_id in (name, *(f"{name}-{n}" for n in (1, 2, 3)))]
    return [row for row in found if row is not None]


async def phases(store: RunStore, name: str = "G") -> list[Phase]:
    return [row.phase for row in await rows(store, name)]


async def an_hour_later(gateway: Gateway) -> None:
    gateway.clock.at += HOUR
    await gateway.turns.release_due()
    await gateway.settle()


async def test_a_cancelled_child_is_taken_out_of_what_is_stored_of_its_root_and_the_rest_goes(store: RunStore) -> None:
    gateway = await a_family(store)
    await gateway.cancelled("G-1", root="G")
    root, cancelled, _, below = await rows(store)
    assert (root.phase, root.requested.child_run_ids) == (Phase.WAITING, ("G-2",))
    assert (cancelled.phase, below.phase) == (Phase.CANCELLED, Phase.BLOCKED)
    assert cancelled.request_id == below.request_id == root.request_id
    await an_hour_later(gateway)
    assert gateway.system.posted()[1:] == ["Line test G", "Line test G-2"]
    for run_id in ("G", "G-2"):
        await gateway.reported(f"ext-{run_id}", state="completed", testMeasure=[])
    assert gateway.request_results()[-1].counts == {"completed": 2, "cancelled": 2}


async def test_a_root_is_cancelled_whole(store: RunStore) -> None:
    gateway = await a_family(store)
    await gateway.cancelled("G")
    assert await phases(store) == [Phase.CANCELLED] * 4
    assert gateway.request_results()[-1].counts == {"cancelled": 4}
    assert await store.waiting_queue.lengths() == {}


@pytest.mark.parametrize("run_id", ["G-1", "G"])
async def test_a_death_between_storing_and_telling_a_cancellation_loses_no_end(store: RunStore, run_id: str) -> None:
    gateway = await a_family(store)
    gateway.put(gateway.names.lifecycle, RunCancelled(run_id=run_id, root_run_id="G"), "cancel")
    gateway.publisher.refuse(gateway.names.results)
    await gateway.attempt_head(gateway.names.lifecycle)
    ended = [row.run_id for row in await rows(store) if row.finished_at]
    assert not gateway.results("G-1")
    gateway.publisher.accept(gateway.names.results)
    await gateway.settle()
    assert [name for name in ("G", "G-1", "G-2", "G-3") if gateway.results(name)] == ended
    await an_hour_later(gateway)
    assert Phase.WAITING not in await phases(store)


async def test_a_family_is_given_up_whole_although_the_process_dies_between_telling_and_storing(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await a_family(store)
    gateway.decide = tables(a_selector(when=MOON))

    async def dies(*_: object) -> None:
        raise StoreUnavailableError("gone")

    with monkeypatch.context() as death:
        death.setattr(store, "save", dies)
        with pytest.raises(StoreUnavailableError):
            await gateway.turns.release_due()
    assert await phases(store) == [Phase.WAITING] * 4
    await gateway.turns.release_due()
    assert await phases(store) == [Phase.FALLOUT] * 4
    assert await store.waiting_queue.lengths() == {}
    told = [event.id for event in gateway.said() if is_told(event.data, UpdateKind.FALLOUT)]
    assert (len(told), len({*told})) == (8, 4)


@pytest.mark.parametrize("number", range(8))
async def test_a_cancelled_child_and_the_turn_of_its_root_may_meet_and_nobody_is_left_behind(
    store: RunStore, number: int
) -> None:
    gateway = await a_family(store)
    other = a_gateway(store, beside=gateway)
    gateway.clock.at += HOUR
    gateway.put(gateway.names.lifecycle, RunCancelled(run_id="G-1", root_run_id="G"), "cancel")

    async def cancels() -> None:
        for _ in repeat(None, number):
            await asyncio.sleep(0)  # so that they meet at different places
        await gateway.settle()

    await asyncio.gather(other.turns.release_due(), cancels())
    await other.settle()
    await gateway.settle()
    await an_hour_later(gateway)
    assert UpdateKind.FALLOUT not in gateway.updates("G")
    assert not {Phase.WAITING, Phase.CREATED, Phase.FALLOUT} & {*await phases(store)}
    assert not gateway.dead


async def test_two_selectors_over_one_store_send_nobody_to_and_fro_and_strand_nobody(store: RunStore) -> None:
    old = a_gateway(store)
    new = a_gateway(store, a_selector("S2"), beside=old)
    for run_id in ("A", "B", "C"):
        await old.requested(a_document(run_id))
    await new.requested(a_document("A2"))
    old_turns, new_turns = old.turns, new.turns
    await old_turns.release_due()
    for second in range(90):
        old.clock.at += timedelta(seconds=1)
        await new_turns.release_due()
        await old_turns.release_due()
        if second == 45:
            await old.requested(a_document("D"))
    assert await store.waiting_queue.lengths() == {("s#S2",): 2, ("s#S1",): 1}
    for _ in range(3):
        new.clock.at += HOUR
        await new_turns.release_due()
    assert await store.waiting_queue.lengths() == {}
    assert [old.updates(run_id).count(UpdateKind.WAITING) for run_id in ("B", "C", "D")] == [2, 2, 1]


def is_told(word: object, kind: UpdateKind) -> bool:
    return isinstance(word, RunUpdate) and word.kind is kind
