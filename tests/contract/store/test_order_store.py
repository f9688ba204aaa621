"""The contract of the store of orders on SQLite.

tests/integration/store/test_postgres.py runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from consumers.store.orders.port import RefusedOrders, RunQuery
from consumers.store.sql_store import SqlRunStore, open_store
from router.northbound.lists.pushdown import FieldIsOneOf, Pushdown
from router.northbound.lists.sort import SORTABLE_RUN_ATTRIBUTES, SortKey, sort_text, sorted_by
from router.northbound.order import OrderEventKind, OrderRefusal
from router.runs.request_result import is_over
from schemas.results import Reason
from schemas.vocabulary import Phase, RunState
from tests.builders.orders import CLIENT, an_order
from tests.builders.runs import NOON, a_document, a_run, a_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from router.northbound.order import Order

SECOND = timedelta(seconds=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlRunStore]:
    """A run store without rows."""
    store = await open_store(f"sqlite:///{tmp_path}/runs.db")
    yield store
    await store.close()


async def ids_of(store: SqlRunStore, pushdown: Pushdown | None = None, **more: object) -> list[str]:
    query = RunQuery(pushdown=pushdown or Pushdown(), limit=more.pop("limit", 50), **more)  # type: ignore[arg-type]
    return [view.run_id for view in await store.orders.list_views(query)]


async def test_an_order_is_read_as_it_was_saved(store: SqlRunStore) -> None:
    order = an_order(
        document=a_tree(tenant="north"),
        idempotency_key="key",
        external_id="SN-1",
        body_digest="digest",
        reason="because",
        traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    )
    assert await store.orders.save([order]) is None
    view = await store.orders.view("TR0001")
    assert view is not None
    assert (view.row, view.order) == (None, order)
    assert await store.orders.view("unknown") is None
    assert await store.orders.view("\0") is None


@pytest.mark.parametrize(
    "same",
    [{"run_id": "TR0001"}, {"idempotency_key": "key"}, {"external_id": "SN-1"}],
    ids=["run id", "key", "external id"],
)
async def test_a_second_order_under_the_same_id_or_key_gets_the_first(store: SqlRunStore, same: dict[str, str]) -> None:
    first = an_order(idempotency_key="key", external_id="SN-1")
    second = replace(an_order(same.get("run_id", "TR0002")), event_id="another", **same)  # type: ignore[arg-type]
    assert await store.orders.save([first]) is None
    assert await store.orders.save([second]) == first
    found = await store.orders.view("TR0001")
    assert found is not None
    assert found.order == first


async def test_keys_and_ids_of_another_client_are_no_conflict(store: SqlRunStore) -> None:
    mine = an_order(idempotency_key="key", external_id="SN-1")
    theirs = replace(an_order("TR0002", idempotency_key="key", external_id="SN-1"), client='[null,"them"]')
    assert [await store.orders.save([each]) for each in (mine, theirs)] == [None, None]
    assert await store.orders.run_id_of(CLIENT, "SN-1") == "TR0001"


async def test_of_many_equal_orders_at_once_exactly_one_is_written(store: SqlRunStore) -> None:
    orders = [an_order(f"TR{number}", idempotency_key="key") for number in range(20)]
    results = await asyncio.gather(*(store.orders.save([order]) for order in orders))
    [written] = [order for order, holder in zip(orders, results, strict=True) if holder is None]
    assert {holder.run_id for holder in results if holder is not None} == {written.run_id}
    assert await ids_of(store) == [written.run_id]


async def test_orders_are_written_together_or_not_at_all(store: SqlRunStore) -> None:
    taken = an_order("TR2", external_id="SN-2")
    await store.orders.save([taken])
    other = an_order("TR3", external_id="SN-2")
    assert await store.orders.save([an_order("TR1"), other]) == taken
    assert await ids_of(store) == ["TR2"]
    changed = replace(taken, event_id="change", revision=2)
    assert await store.orders.save([changed, other]) == taken
    view = await store.orders.view("TR2")
    assert view is not None
    assert view.order == taken


async def test_a_change_is_written_only_over_its_predecessor(store: SqlRunStore) -> None:
    first = an_order()
    await store.orders.save([first])
    changes = [replace(first, event_id=f"change {number}", revision=2) for number in range(5)]
    results = await asyncio.gather(*(store.orders.save([change]) for change in changes))
    [written] = [change for change, holder in zip(changes, results, strict=True) if holder is None]
    assert [holder for holder in results if holder is not None] == [written] * 4


async def test_an_order_is_unpublished_until_it_is_marked(store: SqlRunStore) -> None:
    old, new = an_order("TR1"), an_order("TR2", unpublished_since=NOON + SECOND)
    await store.orders.save([old])
    await store.orders.save([new])
    assert await store.orders.unpublished(NOON + SECOND, 10) == [old]
    assert await store.orders.unpublished(NOON + 2 * SECOND, 10) == [old, new]
    store.orders.mark_published(old)
    assert await store.orders.unpublished(NOON + 2 * SECOND, 10) == [new]
    await store.orders.flush()
    view = await store.orders.view("TR1")
    assert view is not None
    assert view.order == replace(old, unpublished_since=None)


async def test_a_mark_of_an_earlier_event_does_not_mark_a_later_one(store: SqlRunStore) -> None:
    first = an_order()
    await store.orders.save([first])
    store.orders.mark_published(first)
    change = replace(first, event_id="change", event_kind=OrderEventKind.CHANGED, revision=2)
    await store.orders.save([change])
    await store.orders.flush()
    assert await store.orders.unpublished(NOON + SECOND, 10) == [change]


async def test_runs_and_orders_are_listed_once_each_newest_first(store: SqlRunStore) -> None:
    await store.save(replace(a_run("TR1"), created_at=NOON))
    await store.save(replace(a_run("TR3"), created_at=NOON + 2 * SECOND))
    await store.orders.save([an_order("TR2", created_at=NOON + SECOND)])
    await store.orders.save([an_order("TR3", created_at=NOON + SECOND)])
    await store.orders.save([an_order("TR4", created_at=NOON + 3 * SECOND)])
    assert await ids_of(store) == ["TR4", "TR3", "TR2", "TR1"]
    assert await ids_of(store, limit=2, offset=1) == ["TR3", "TR2"]
    assert await store.orders.count_views(RunQuery(pushdown=Pushdown(), limit=100)) == 4
    await store.orders.mark_routed()
    assert await ids_of(store) == ["TR4", "TR3", "TR2", "TR1"]


async def test_a_list_has_only_runs_of_the_tenant(store: SqlRunStore) -> None:
    for number, tenant in enumerate(("north", "south", None)):
        await store.save(replace(a_run(f"TR{number}"), tenant=tenant))
        await store.orders.save([an_order(document=a_document(f"OR{number}", tenant=tenant))])
    assert await ids_of(store, tenant="north") == ["TR0", "OR0"]
    assert len(await ids_of(store)) == 6


async def test_a_deleted_run_is_not_listed(store: SqlRunStore) -> None:
    await store.save(a_run("TR1"))
    await store.orders.save([an_order("TR1", deleted_at=NOON, unrouted_since=None)])
    await store.orders.save([an_order("TR2", deleted_at=NOON)])
    assert await ids_of(store) == []
    view = await store.orders.view("TR1")
    assert view is not None
    assert view.is_deleted


@pytest.mark.parametrize(
    ("pushdown", "found"),
    [
        (Pushdown(run_ids=("TR1", "OR1", "none")), {"TR1", "OR1"}),
        (Pushdown(run_ids=()), set()),
        (Pushdown(states=("pending",)), {"TR2"}),
        (Pushdown(states=("acknowledged",)), {"TR1", "OR1", "OR2"}),
        (Pushdown(states=("completed", "cancelled")), {"TR3", "OR3"}),
        (Pushdown(fields=(FieldIsOneOf(("name",), ("special", "other")),)), {"TR1", "OR1"}),
        (Pushdown(fields=(FieldIsOneOf(("related_service", "id"), ("PI9",)),)), {"TR2"}),
        (Pushdown(fields=(FieldIsOneOf(("test_specification", "version"), ("9",)),)), set()),
    ],
)
async def test_the_database_decides_as_the_resource_shows(
    store: SqlRunStore, pushdown: Pushdown, found: set[str]
) -> None:
    rows = [
        a_run("TR1", document=a_document("TR1", name="special")),
        a_run("TR2", phase=Phase.WAITING, document=a_document("TR2", service="PI9")),
        a_run("TR3", phase=Phase.FULFILLED, state=RunState.COMPLETED),
    ]
    await store.save(*rows)
    orders = [
        an_order(document=a_document("OR1", name="special")),
        an_order("OR2"),
        an_order("OR3", cancelled_at=NOON),
    ]
    for order in orders:
        await store.orders.save([order])
    assert set(await ids_of(store, pushdown)) == found
    assert await store.orders.count_views(RunQuery(pushdown=pushdown, limit=100)) == len(found)
    views = [await store.orders.view(run_id) for run_id in ("TR1", "TR2", "TR3", "OR1", "OR2", "OR3")]
    if pushdown.states is not None:
        assert {view.run_id for view in views if view is not None and view.state.value in pushdown.states} == found


SORTED_STATES = (None, RunState.UNKNOWN, RunState.COMPLETED, RunState.FAILED)
SORTED_NAMES = ("a", "B", "ü", "\U0001f600", "\uffee")


@pytest.mark.parametrize("seed", range(6))
async def test_the_database_sorts_as_python_does_and_pages_fit_together(store: SqlRunStore, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    keys = [SortKey(name, chance.random() < 0.5) for name in chance.sample(SORTABLE_RUN_ATTRIBUTES, 3)]
    for number in range(12):
        run_id, pick = f"TR{number}", chance.randrange(4)
        document = a_document(run_id, name=chance.choice(SORTED_NAMES), service=f"PI{chance.randrange(3)}")
        at = NOON + pick * SECOND
        if number % 3:
            await store.save(
                a_run(run_id, document=document, state=SORTED_STATES[pick], created_at=NOON, updated_at=at)
            )
        else:
            await store.orders.save([an_order(document=document, created_at=at, changed_at=at + SECOND)])
    views = await store.orders.list_views(RunQuery(pushdown=Pushdown(), limit=50))
    expected = [view.run_id for view in sorted_by(views, keys, sort_text)]
    sort = tuple(keys)
    assert await ids_of(store, sort=sort) == expected
    pages = [await ids_of(store, sort=sort, limit=5, offset=offset) for offset in range(0, len(views), 5)]
    assert [run_id for page in pages for run_id in page] == expected


async def test_a_sorted_list_is_filtered_too(store: SqlRunStore) -> None:
    await store.save(*[a_run(f"TR{number}", document=a_document(f"TR{number}", name="n")) for number in range(3)])
    await store.save(a_run("TR9", tenant="north"))
    sort = (SortKey("id", is_descending=True),)
    named = Pushdown(fields=(FieldIsOneOf(("name",), ("n",)),))
    assert await ids_of(store, named, sort=sort) == ["TR2", "TR1", "TR0"]
    assert await ids_of(store, Pushdown(states=("acknowledged",)), sort=sort, limit=1, offset=1) == ["TR2"]
    assert await ids_of(store, sort=sort, tenant="north") == ["TR9"]


async def test_the_family_of_a_run_is_its_hierarchy(store: SqlRunStore) -> None:
    tree = a_tree("ROOT", children=2)
    await store.save(a_run("ROOT", document=tree), a_run("ROOT-1", document=tree.children[0]), a_run("ELSE"))
    await store.save(replace(a_run("FAR"), request_id="RQ2"))
    await store.orders.save([an_order(document=tree), an_order(document=tree.children[1])])
    view = await store.orders.view("ROOT-1")
    assert view is not None
    family = {each.run_id for each in await store.orders.family(view)}
    assert family >= {"ROOT", "ROOT-1", "ROOT-2"}
    assert "FAR" not in family


async def test_an_order_is_forgotten_with_its_run_or_if_it_never_gets_one(store: SqlRunStore) -> None:
    ended = a_run("TR1", phase=Phase.FULFILLED, state=RunState.COMPLETED)
    assert is_over(ended)
    await store.save(ended)
    await store.orders.save([an_order("TR1")])
    published = replace(an_order("TR2"), unpublished_since=None)
    waiting = an_order("TR3")
    await store.orders.save([published])
    await store.orders.save([waiting])
    await store.pruning.prune(NOON + SECOND, 100)
    await store.orders.expire_unrouted(NOON + SECOND)
    assert await ids_of(store) == ["TR3"]
    assert await store.orders.view("TR1") is None


async def test_cancellations_are_listed_newest_first(store: SqlRunStore) -> None:
    orders: list[Order] = [
        an_order("TR1", cancelled_at=NOON),
        an_order("TR2", cancelled_at=NOON + SECOND),
        an_order("TR3"),
        an_order(document=a_document("TR4", tenant="north"), cancelled_at=NOON),
    ]
    for order in orders:
        await store.orders.save([order])
    found = [view.run_id for view in await store.orders.cancellations(None, None, 10)]
    assert found == ["TR2", "TR1", "TR4"]
    assert [view.run_id for view in await store.orders.cancellations("north", None, 10)] == ["TR4"]
    assert [view.run_id for view in await store.orders.cancellations(None, ["TR1", "TR3"], 10)] == ["TR1"]


async def test_an_order_that_kafka_never_takes_is_removed_with_its_children(store: SqlRunStore) -> None:
    tree = a_tree("ROOT", children=2)
    root = an_order(document=tree)
    await store.orders.save([root, *(an_order(document=child) for child in tree.children)])
    await store.orders.remove(root)
    assert await ids_of(store) == []


# Refusals


def a_refusal(order: Order, code: str = "NO_SPOKE", *, is_request: bool = True, at: datetime = NOON) -> RefusedOrders:
    reason = Reason(code=code, message="none")
    return RefusedOrders(run_ids=[order.run_id], event_id=order.event_id, reason=reason, at=at, is_request=is_request)


async def refusal_of(store: SqlRunStore, run_id: str = "TR0001") -> OrderRefusal | None:
    view = await store.orders.view(run_id)
    assert view is not None
    assert view.order is not None
    return view.order.refusal


async def test_a_refusal_is_stored_once_and_a_change_does_not_delete_it(store: SqlRunStore) -> None:
    order = an_order()
    await store.orders.save([order])
    refused = a_refusal(order)
    expected = OrderRefusal(order.event_id, (refused.reason,), NOON)
    for at in (NOON, NOON + SECOND):
        await store.orders.refuse(replace(refused, at=at))
        assert await refusal_of(store) == expected
    assert await store.orders.save([replace(order, event_id="change", revision=2)]) is None
    assert await refusal_of(store) == expected
    assert await ids_of(store, Pushdown(states=("rejected",))) == ["TR0001"]
    assert await ids_of(store, Pushdown(states=("acknowledged",))) == []
    await store.orders.refuse(a_refusal(an_order(), "ANOTHER"))  # of an event that the change replaced
    assert await refusal_of(store) == expected


async def test_a_request_is_not_refused_once_its_run_has_a_row_and_a_change_is(store: SqlRunStore) -> None:
    order = an_order()
    await store.orders.save([order])
    await store.save(a_run())
    await store.orders.refuse(a_refusal(order))
    assert await refusal_of(store) is None
    change = replace(order, event_id="change", event_kind=OrderEventKind.CHANGED, revision=2)
    await store.orders.save([change])
    await store.orders.refuse(a_refusal(change, "UNKNOWN_SPECIFICATION", is_request=False))
    found = await refusal_of(store)
    assert found is not None
    assert found.reasons[0].code == "UNKNOWN_SPECIFICATION"


async def test_only_refused_orders_without_a_run_are_withdrawn(store: SqlRunStore) -> None:
    refused, open_ = an_order(), an_order("TR0002")
    await store.orders.save([refused, open_])
    await store.orders.refuse(a_refusal(refused))
    assert not await store.orders.withdraw([refused, open_])
    assert await ids_of(store) == ["TR0002"]
    assert await store.orders.withdraw([])


async def test_an_id_that_the_database_cannot_hold_refuses_nothing(store: SqlRunStore) -> None:
    await store.orders.save([an_order()])
    await store.orders.refuse(replace(a_refusal(an_order()), run_ids=["\0"]))
    assert await refusal_of(store) is None


@pytest.mark.parametrize("count", [1, 2, 3, 31, 32, 33, 75])
async def test_a_group_of_any_size_is_written_with_its_marks_and_without_those_whose_key_is_taken(
    store: SqlRunStore, count: int
) -> None:
    taken = an_order("TR-taken", idempotency_key="key 0")
    await store.orders.save([taken])
    orders = [an_order(f"TR{number:03}", idempotency_key=f"key {number}") for number in range(count)]
    results = await asyncio.gather(*(store.orders.save([order]) for order in orders))
    assert results == [taken, *[None] * (count - 1)]
    for order in orders[1:]:
        store.orders.mark_published(order)
    await store.orders.flush()
    assert await store.orders.unpublished(NOON + SECOND, 100) == [taken]
    assert sorted(await ids_of(store, limit=100)) == sorted(["TR-taken", *[order.run_id for order in orders[1:]]])
