"""The contract of a store of subscriptions and deliveries.

tests/integration/store/test_postgres_subscriptions.py runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from consumers.store.specifications.port import SpecificationChanges
from consumers.store.sql_store import open_store
from consumers.store.subscriptions.port import (
    DuplicateSubscriptionError,
    Failure,
    PlanRequest,
    Settlement,
    SubscriptionLimits,
    TooManySubscriptionsError,
)
from router.northbound.hub.plan import Plan, RunNotice
from router.northbound.hub.run_changes import AnnouncedRun
from router.northbound.hub.subscription import NewDelivery, SubscriptionState
from router.northbound.order import RunView
from schemas.published_tables import SpecificationRecord
from schemas.vocabulary import RunState
from tests.builders.runs import NOON, a_run
from tests.builders.subscriptions import PLANNER, SPECIFICATIONS, a_subscription, published

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from consumers.store.sql_store import SqlRunStore
    from router.northbound.hub.subscription import RunSubscription
    from router.runs.run import RunRow
    from schemas.results import RunResult, RunUpdate

LATER = NOON + timedelta(minutes=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def hub_store(tmp_path: Path) -> AsyncIterator[SqlRunStore]:
    """A store without subscriptions."""
    store = await open_store(f"sqlite:///{tmp_path}/runs.db")
    yield store
    await store.close()


async def subscribe(store: SqlRunStore, *subscriptions: RunSubscription) -> None:
    for subscription in subscriptions:
        await store.subscriptions.add(subscription, subscription.subscription_id, SubscriptionLimits(10, 10))


async def announce(store: SqlRunStore, notification: RunUpdate | RunResult, row: RunRow, *, wait: bool = True) -> Plan:
    notice = RunNotice(
        event_id=f"{notification.revision}", notification=notification, view=RunView(row=row, order=None), may_wait=wait
    )
    plan = partial(PLANNER.plan, notice)
    return await store.subscriptions.announce(PlanRequest(row.run_id, row.tenant, plan, NOON))


async def announce_specifications(store: SqlRunStore, limit: int = 100) -> int:
    return await store.subscriptions.announce_specifications(partial(SPECIFICATIONS.plan, now=NOON), NOON, limit)


async def write_specification(store: SqlRunStore, spec_id: str, revision: int, **fields: object) -> None:
    document = {"id": spec_id, "name": f"Specification \0 {spec_id}", **fields}
    record = SpecificationRecord(id=spec_id, revision=revision, author="ann", changed_at=NOON, document=document)
    await store.specifications.save(SpecificationChanges(written=[record]))


async def queue_of(store: SqlRunStore, subscription_id: str = "S1") -> list[tuple[str, str]]:
    found = await store.subscriptions.first_deliveries(subscription_id, LATER, 100)
    return [(delivery.run_id, delivery.event_type.removeprefix("ServiceTest")) for delivery in found]


async def test_a_subscription_is_read_back_as_it_was(hub_store: SqlRunStore) -> None:
    subscription = a_subscription(query="state=failed", tenant="acme")
    await subscribe(hub_store, subscription)
    assert await hub_store.subscriptions.find("S1") == subscription
    assert await hub_store.subscriptions.list_all() == [(subscription, 0)]
    assert await hub_store.subscriptions.find("S2") is None


async def test_long_events_are_not_all_read_at_once(hub_store: SqlRunStore) -> None:
    await subscribe(hub_store, a_subscription())
    bodies = ["a" * 900_000] * 8

    def plan(*_: object) -> Plan:
        new = [NewDelivery("S1", f"E{number}", "T", body) for number, body in enumerate(bodies)]
        return Plan(
            announced=AnnouncedRun(run_id="TR1", revision=1, state="completed", event_ids=()),
            kept={},
            deliveries=tuple(new),
        )

    await hub_store.subscriptions.announce(PlanRequest("TR1", None, plan, NOON))
    found = await hub_store.subscriptions.first_deliveries("S1", NOON, 64)
    assert [delivery.event_id for delivery in found] == ["E0", "E1", "E2", "E3", "E4"]
    for delivery in found:
        await hub_store.subscriptions.settle(Settlement("S1", delivery.sequence, delivered=True), NOON)
    rest = await hub_store.subscriptions.first_deliveries("S1", NOON, 2)
    assert [delivery.event_id for delivery in rest] == ["E5", "E6"]


async def test_an_equal_subscription_and_one_too_many_are_refused(hub_store: SqlRunStore) -> None:
    add, two = hub_store.subscriptions.add, SubscriptionLimits(2, 2)
    await add(a_subscription("S1"), "same", two)
    with pytest.raises(DuplicateSubscriptionError) as refused:
        await add(a_subscription("S2"), "same", two)
    assert refused.value.subscription_id == "S1"
    await add(a_subscription("S2"), "other", two)
    with pytest.raises(TooManySubscriptionsError):
        await add(a_subscription("S3"), "third", two)


async def test_equal_subscriptions_at_the_same_moment_are_one(hub_store: SqlRunStore) -> None:
    added = await asyncio.gather(
        *[
            hub_store.subscriptions.add(a_subscription(f"S{number}"), "same", SubscriptionLimits(10, 10))
            for number in range(5)
        ],
        return_exceptions=True,
    )
    assert sum(1 for each in added if each is None) == 1
    assert len(await hub_store.subscriptions.list_all()) == 1


async def test_an_event_is_announced_once_and_only_to_who_subscribed(hub_store: SqlRunStore) -> None:
    await subscribe(hub_store, a_subscription("S1"), a_subscription("S2", query="state=failed"))
    first, second = published(RunState.ACKNOWLEDGED, RunState.COMPLETED)
    assert (await announce(hub_store, *second)).waits
    for notification, row in (first, first, second, first, second):
        await announce(hub_store, notification, row)
    assert await queue_of(hub_store) == [("TR0001", "CreateEvent"), ("TR0001", "StateChangeEvent")]
    assert await queue_of(hub_store, "S2") == []


async def test_without_subscriptions_nothing_is_kept(hub_store: SqlRunStore) -> None:
    [event] = published(RunState.ACKNOWLEDGED)
    assert await announce(hub_store, *event) == Plan()
    assert await hub_store.subscriptions.gone_runs("", 10) == ([], None)


async def test_concurrent_events_of_a_run_keep_their_order(hub_store: SqlRunStore) -> None:
    await subscribe(hub_store, a_subscription())
    runs = [published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, run_id=f"TR{number}") for number in range(20)]
    events = [event for run in runs for event in run]

    async def until_announced(notification: RunUpdate | RunResult, row: RunRow) -> None:
        while (await announce(hub_store, notification, row)).waits:
            pass

    await asyncio.gather(*[until_announced(*event) for event in reversed(events)])
    queue = await queue_of(hub_store)
    assert len(queue) == 40
    for number in range(20):
        of_run = [event_type for run_id, event_type in queue if run_id == f"TR{number}"]
        assert of_run == ["CreateEvent", "StateChangeEvent"]


async def test_what_was_delivered_or_given_up_is_deleted_and_counted(hub_store: SqlRunStore) -> None:
    store = hub_store.subscriptions
    await subscribe(hub_store, a_subscription())
    for event in published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS):
        await announce(hub_store, *event)
    first, second = await store.first_deliveries("S1", NOON, 10)
    await store.settle(Settlement("S1", first.sequence, delivered=True), NOON)
    await store.settle(Settlement("S1", second.sequence, delivered=False, problem="it answered with 400"), NOON)
    found = await store.find("S1")
    assert found is not None
    assert (found.delivered, found.refused, found.last_delivered_at) == (1, 1, NOON)
    assert found.problem == "it answered with 400"
    assert await queue_of(hub_store) == []


async def test_a_refused_event_lets_its_run_wait_and_no_other(hub_store: SqlRunStore) -> None:
    store = hub_store.subscriptions
    await subscribe(hub_store, a_subscription())
    for run_id in ("TR1", "TR2"):
        for event in published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, run_id=run_id):
            await announce(hub_store, *event)
    first, *_ = await store.first_deliveries("S1", NOON, 10)
    await store.settle(Settlement("S1", first.sequence, delivered=False, retry_at=LATER), NOON)
    assert {delivery.run_id for delivery in await store.first_deliveries("S1", NOON, 10)} == {"TR2"}
    again = await store.first_deliveries("S1", LATER, 10)
    assert [delivery.run_id for delivery in again] == ["TR1", "TR1", "TR2", "TR2"]
    assert again[0] == first._replace(attempts=1)


async def test_one_process_delivers_for_a_subscription_until_it_releases_it_or_is_gone(hub_store: SqlRunStore) -> None:
    store = hub_store.subscriptions
    await subscribe(hub_store, a_subscription())
    assert await store.due(NOON) == []
    for event in published(RunState.ACKNOWLEDGED):
        await announce(hub_store, *event)
    assert [found.subscription_id for found in await store.due(NOON)] == ["S1"]
    assert await store.claim("S1", "first", NOON, LATER) is not None
    assert await store.due(NOON) == []
    assert await store.claim("S1", "second", NOON, LATER) is None
    assert await store.renew("S1", "first", NOON, LATER + MINUTE)
    assert await store.claim("S1", "second", LATER, LATER + MINUTE) is None
    assert await store.claim("S1", "second", LATER + MINUTE, LATER + 2 * MINUTE) is not None
    assert not await store.renew("S1", "first", LATER + MINUTE, LATER + 3 * MINUTE)
    await store.release("S1", "first")
    assert await store.claim("S1", "first", LATER + MINUTE, LATER + 2 * MINUTE) is None
    await store.release("S1", "second")
    assert await store.claim("S1", "first", LATER + MINUTE, LATER + 2 * MINUTE) is not None


async def test_a_subscriber_that_fails_is_left_alone_until_its_next_attempt_and_parked_until_resumed(
    hub_store: SqlRunStore,
) -> None:
    store = hub_store.subscriptions
    await subscribe(hub_store, a_subscription())
    for event in published(RunState.ACKNOWLEDGED):
        await announce(hub_store, *event)
    failing = Failure("silent", 3, NOON, LATER, parked=False)
    await store.fail("S1", failing)
    assert await store.due(NOON) == []
    assert len(await store.due(LATER)) == 1
    await store.fail("S1", failing._replace(parked=True))
    parked = await store.find("S1")
    assert parked is not None
    assert (parked.state, parked.problem, parked.failures) == (SubscriptionState.PARKED, "silent", 3)
    assert await store.due(LATER) == []
    assert await store.claim("S1", "first", LATER, LATER + MINUTE) is None
    assert await store.resume("S1", NOON)
    assert len(await store.due(NOON)) == 1
    assert not await store.resume("unknown", NOON)


async def test_too_many_and_too_old_deliveries_are_dropped_and_counted(hub_store: SqlRunStore) -> None:
    store = hub_store.subscriptions
    await subscribe(hub_store, a_subscription("S1"), a_subscription("S2", query="eventType=ServiceTestCreateEvent"))
    for event in published(*[RunState.ACKNOWLEDGED, RunState.IN_PROGRESS] * 3):
        await announce(hub_store, *event)
    assert await store.expire(NOON - MINUTE, 4) == {"S1": 2}
    assert (await queue_of(hub_store))[0][1] == "StateChangeEvent"
    assert await store.expire(LATER, 4) == {"S1": 4, "S2": 1}
    assert [(found.expired, waiting) for found, waiting in await store.list_all()] == [(6, 0), (1, 0)]


async def test_a_deleted_subscription_leaves_nothing(hub_store: SqlRunStore) -> None:
    store = hub_store.subscriptions
    await subscribe(hub_store, a_subscription())
    for event in published(RunState.ACKNOWLEDGED):
        await announce(hub_store, *event)
    assert await store.remove("S1")
    assert not await store.remove("S1")
    assert await queue_of(hub_store) == []


async def test_a_run_that_the_store_deleted_is_announced_once_as_deleted(hub_store: SqlRunStore) -> None:
    store = hub_store.subscriptions
    await subscribe(hub_store, a_subscription())
    for run_id in ("TR1", "TR2", "TR3"):
        for event in published(RunState.ACKNOWLEDGED, run_id=run_id):
            await announce(hub_store, *event)
    await hub_store.save(replace(a_run("TR2"), revision=1))
    gone, after = await store.gone_runs("", 2)
    assert ([run.run_id for run in gone], after) == (["TR1"], "TR2")
    more, after = await store.gone_runs("TR2", 2)
    assert ([run.run_id for run in more], after) == (["TR3"], None)
    plan = partial(PLANNER.deletions, NOON)
    assert await store.announce_deletions(["TR1", "TR3"], plan, NOON) == 2
    assert await store.announce_deletions(["TR1", "TR3"], plan, NOON) == 0
    assert [run_id for run_id, event_type in await queue_of(hub_store) if event_type == "DeleteEvent"] == ["TR1", "TR3"]


async def test_nothing_is_announced_about_a_run_that_was_announced_as_deleted(hub_store: SqlRunStore) -> None:
    await subscribe(hub_store, a_subscription())
    first, second = published(RunState.ACKNOWLEDGED, RunState.COMPLETED)
    await hub_store.save(a_run())
    await announce(hub_store, *first)
    await hub_store.subscriptions.announce_deletions(["TR0001"], partial(PLANNER.deletions, NOON), NOON)
    await announce(hub_store, *second)
    assert [event_type for _, event_type in await queue_of(hub_store)] == ["CreateEvent", "DeleteEvent"]


async def test_an_event_that_cannot_be_planned_fails_alone(hub_store: SqlRunStore) -> None:
    await subscribe(hub_store, a_subscription())

    def fail(*_: object) -> Plan:
        raise ValueError("no plan")

    [event] = published(RunState.ACKNOWLEDGED)
    failed, announced = await asyncio.gather(
        hub_store.subscriptions.announce(PlanRequest("TR9", None, fail, NOON)),
        announce(hub_store, *event),
        return_exceptions=True,
    )
    assert isinstance(failed, ValueError)
    assert isinstance(announced, Plan)
    assert len(announced.deliveries) == 1


async def test_each_difference_of_a_specification_is_announced_once(hub_store: SqlRunStore) -> None:
    await subscribe(hub_store, a_subscription())
    await write_specification(hub_store, "A", 1)
    await write_specification(hub_store, "B", 1)
    assert [await announce_specifications(hub_store), await announce_specifications(hub_store)] == [2, 0]
    await write_specification(hub_store, "A", 2, description="other", version="2")
    assert await announce_specifications(hub_store) == 1
    await hub_store.specifications.save(SpecificationChanges(deleted={"A": 2}))
    assert [await announce_specifications(hub_store), await announce_specifications(hub_store)] == [1, 0]
    await write_specification(hub_store, "A", 4)
    assert await announce_specifications(hub_store) == 1
    assert await queue_of(hub_store) == [
        ("specification A", "SpecificationCreateEvent"),
        ("specification B", "SpecificationCreateEvent"),
        ("specification A", "SpecificationAttributeValueChangeEvent"),
        ("specification A", "SpecificationDeleteEvent"),
        ("specification A", "SpecificationCreateEvent"),
    ]


async def test_what_was_there_before_a_subscription_is_no_news_to_it(hub_store: SqlRunStore) -> None:
    await write_specification(hub_store, "A", 1)
    assert await announce_specifications(hub_store) == 1
    await write_specification(hub_store, "B", 1)
    await subscribe(hub_store, a_subscription(created_at=NOON + MINUTE))
    assert await announce_specifications(hub_store) == 1
    assert await queue_of(hub_store) == []


async def test_processes_that_announce_specifications_at_the_same_time_announce_each_once(
    hub_store: SqlRunStore,
) -> None:
    await subscribe(hub_store, a_subscription())
    for number in range(10):
        await write_specification(hub_store, f"S{number}", 1)
    await asyncio.gather(*[announce_specifications(hub_store, 4) for _ in range(6)])
    assert sorted(await queue_of(hub_store)) == [
        (f"specification S{number}", "SpecificationCreateEvent") for number in range(10)
    ]
