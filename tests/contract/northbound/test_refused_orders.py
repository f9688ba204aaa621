"""An order whose event became a dead letter is shown as rejected, with the reason, until it is accepted after all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from consumers.failure_notices import FailureNotices
from consumers.northbound.hub.announce_events import HubEventHandler
from consumers.run_updates.announce import Announcer
from consumers.run_updates.updater import RunUpdater
from consumers.runtime.handler import Attempt, Done, Partition, Record
from consumers.store.orders.port import RefusedOrders, RunQuery
from consumers.store.subscriptions.port import SubscriptionLimits
from router.northbound.lists.pushdown import Pushdown
from router.northbound.order import OrderRefusal
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.lifecycle import RunCancelled
from schemas.problem import Problem
from schemas.results import Reason, RunUpdate
from schemas.vocabulary import RunState, UpdateKind
from tests.builders.orders import an_order
from tests.builders.runs import NOON, a_run
from tests.builders.subscriptions import PLANNER, a_subscription
from tests.fixtures.northbound_server import NorthboundServer, a_northbound_server, an_order_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from consumers.store.sql_store import SqlRunStore
    from schemas.codec.envelope import Event

ENVELOPE = Envelope(Codec())
NO_SPOKE = Problem(code="NO_SPOKE", sentence="No definition of the spoke selector matches this run.")
UNKNOWN_RUN = Problem(code="UNKNOWN_RUN", sentence="There is no such run.")
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass(slots=True)
class RefusingRouting:
    """What routing does with events that it refuses, over the store of an interface."""

    api: NorthboundServer
    warnings: list[Problem] = field(default_factory=list)

    async def refuse(self, event: Event, problem: Problem = NO_SPOKE) -> None:
        """Do what happens before the dead letter of this event is published."""
        announcer = Announcer(events=self.api.book.events, now=lambda: datetime.now(UTC))
        updater = RunUpdater(store=self.api.store, announcer=announcer, now=lambda: datetime.now(UTC))
        notices = FailureNotices(
            updater=updater, envelope=ENVELOPE, warn=self.warnings.append, orders=self.api.store.orders
        )
        value, headers = ENVELOPE.encode(event)
        partition = Partition(topic="testrun.lifecycle", number=0, epoch=1)
        assert await notices.notify(Record(partition, 0, b"key", value, headers, 0), problem) is None
        assert self.warnings == []

    async def accept(self, run_id: str) -> None:
        """Store the row that routing makes of an order whose dead letter was redriven."""
        view = await self.api.store.orders.view(run_id)
        assert view is not None
        await self.api.store.save(a_run(document=view.document.model_copy(update={"children": ()})))

    def updates(self) -> list[Event]:
        """Return the updates that were published."""
        return [event for event in self.api.events if isinstance(event.data, RunUpdate)]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[NorthboundServer]:
    """The interface without runs."""
    async with a_northbound_server(tmp_path) as server:
        yield server


@pytest.fixture
def routing(api: NorthboundServer) -> RefusingRouting:
    """The part of routing that handles dead letters."""
    return RefusingRouting(api)


def ours(resource: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return one of our characteristics; None if it is not shown."""
    shown = {each["name"]: each["value"] for each in resource["characteristic"]}
    return shown.get(f"southbound.{name}")


async def a_refused_order(api: NorthboundServer, routing: RefusingRouting, **more: Any) -> Any:  # noqa: ANN401 - JSON
    """Order a run that routing refuses, and return it as it is read afterwards."""
    run_id = (await api.order(**more))["id"]
    await routing.refuse(api.events[-1])
    return (await api.call("GET", run_id)).body


# What a client reads


async def test_a_refused_order_is_shown_as_rejected_with_the_reason(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    ordered = await api.order()
    before = await api.call("GET", ordered["id"])
    assert before.body["state"] == "acknowledged"
    await routing.refuse(api.events[-1])
    after = await api.call("GET", ordered["id"])
    assert after.body["state"] == "rejected"
    assert ours(after.body, "reasons") == [{"code": "NO_SPOKE", "message": NO_SPOKE.sentence}]
    assert ours(after.body, "finishedAt")
    assert after.headers["ETag"] != before.headers["ETag"]
    [update] = routing.updates()
    assert isinstance(update.data, RunUpdate)
    assert (update.data.kind, update.data.reasons[0].code) == (UpdateKind.FALLOUT, "NO_SPOKE")


async def test_rejected_runs_are_found_by_their_state(api: NorthboundServer, routing: RefusingRouting) -> None:
    rejected = await a_refused_order(api, routing)
    other = await api.order(name="another")
    for states, expected in (("rejected", [rejected["id"]]), ("acknowledged", [other["id"]])):
        found = await api.call("GET", "", params={"state": states})
        assert [each["id"] for each in found.body] == expected


async def test_every_run_of_a_refused_hierarchy_is_rejected(api: NorthboundServer, routing: RefusingRouting) -> None:
    children = [an_order_body(name=f"child {number}") for number in (1, 2)]
    root = await a_refused_order(api, routing, childServiceTest=children)
    related = [each["id"] for each in root["serviceTestRelationship"]]
    assert len(related) == 2
    for run_id in (root["id"], *related):
        assert (await api.call("GET", run_id)).body["state"] == "rejected"


async def test_the_same_refusal_again_changes_nothing_and_a_later_one_shows_the_newer_reason(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    rejected = await a_refused_order(api, routing)
    event = api.events[0]
    first = await api.call("GET", rejected["id"])
    await routing.refuse(event)
    assert (await api.call("GET", rejected["id"])).headers["ETag"] == first.headers["ETag"]
    await routing.refuse(event, replace(NO_SPOKE, code="UNKNOWN_SPECIFICATION"))
    assert [each["code"] for each in ours((await api.call("GET", rejected["id"])).body, "reasons")] == [
        "UNKNOWN_SPECIFICATION"
    ]


async def test_an_order_whose_dead_letter_is_accepted_later_is_shown_as_its_run(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    rejected = await a_refused_order(api, routing)
    await routing.accept(rejected["id"])
    await api.store.orders.mark_routed()
    await routing.refuse(api.events[0])  # an old delivery, by a process that has lost its partition
    shown = (await api.call("GET", rejected["id"])).body
    assert shown["state"] == "acknowledged"
    assert ours(shown, "reasons") is None
    assert (await api.call("PATCH", rejected["id"], {"description": "new"}, headers=MERGE)).status == 200


async def test_a_repeated_post_of_a_refused_order_shows_that_it_is_rejected(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await api.call("POST", "", an_order_body(), headers=headers)
    await routing.refuse(api.events[-1])
    again = await api.call("POST", "", an_order_body(), headers=headers)
    assert (again.status, again.body["id"], again.body["state"]) == (201, first.body["id"], "rejected")


# What a client does with it


@pytest.mark.parametrize("patch", [{"description": "another"}, {"state": "cancelled"}])
async def test_a_rejected_run_is_neither_changed_nor_cancelled(
    api: NorthboundServer, routing: RefusingRouting, patch: dict[str, str]
) -> None:
    rejected = await a_refused_order(api, routing)
    published = len(api.events)
    answer = await api.call("PATCH", rejected["id"], patch, headers=MERGE)
    assert answer.status == 409
    assert "rejected" in answer.body["reason"]
    assert len(api.events) == published


async def test_a_rejected_run_takes_no_children(api: NorthboundServer, routing: RefusingRouting) -> None:
    rejected = await a_refused_order(api, routing)
    parent = [{"id": rejected["id"], "role": "parent", "relationshipType": "dependency"}]
    answer = await api.call("POST", "", an_order_body(serviceTestRelationship=parent))
    assert answer.status == 409
    assert "rejected" in answer.body["reason"]


async def test_a_rejected_run_is_deleted_without_an_event_and_its_id_is_free(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    children = [an_order_body(name="child")]
    rejected = await a_refused_order(api, routing, id="SN-1", childServiceTest=children)
    published = len(api.events)
    assert (await api.call("DELETE", rejected["id"])).status == 204
    assert len(api.events) == published
    for run_id in (rejected["id"], rejected["serviceTestRelationship"][0]["id"]):
        assert (await api.call("GET", run_id)).status == 404
    again = await api.order(id="SN-1", name="as the tables want it")
    assert (again["id"], again["state"]) == (rejected["id"], "acknowledged")


async def test_a_run_that_is_accepted_while_it_is_deleted_is_cancelled(
    api: NorthboundServer, routing: RefusingRouting, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejected = await a_refused_order(api, routing)
    withdraw = type(api.store.orders).withdraw

    async def accepted_before(store: Any, orders: Any) -> bool:  # noqa: ANN401 - of the method
        monkeypatch.undo()
        await routing.accept(rejected["id"])
        return await withdraw(store, orders)

    monkeypatch.setattr(type(api.store.orders), "withdraw", accepted_before)
    assert (await api.call("DELETE", rejected["id"])).status == 204
    assert isinstance(api.events[-1].data, RunCancelled)
    assert (await api.call("GET", rejected["id"])).status == 404


# Which refusals count


async def test_a_change_that_overtakes_the_refusal_of_its_run_keeps_the_first_reason(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    ordered = await api.order()
    requested = api.events[-1]
    assert (await api.call("PATCH", ordered["id"], {"description": "new"}, headers=MERGE)).status == 200
    await routing.refuse(requested)
    await routing.refuse(api.events[1], UNKNOWN_RUN)
    shown = (await api.call("GET", ordered["id"])).body
    assert shown["state"] == "rejected"
    assert [each["code"] for each in ours(shown, "reasons")] == ["NO_SPOKE"]


async def test_a_refusal_that_overtakes_a_change_which_is_under_way_is_kept(api: NorthboundServer) -> None:
    store, order = api.store.orders, an_order()
    await store.save([order])
    refused = RefusedOrders(
        run_ids=[order.run_id],
        event_id=order.event_id,
        reason=Reason(code="NO_SPOKE", message="none"),
        at=NOON,
        is_request=True,
    )
    await store.refuse(refused)
    assert await store.save([replace(order, event_id="change", revision=2)]) is None
    view = await store.view(order.run_id)
    assert view is not None
    assert view.refusal == OrderRefusal(order.event_id, (refused.reason,), NOON)


async def test_an_event_of_another_producer_about_the_same_run_refuses_no_order(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    ordered = await api.order()
    event = api.events[-1]
    await routing.refuse(event._replace(headers=event.headers._replace(id="of another producer")))
    assert (await api.call("GET", ordered["id"])).body["state"] == "acknowledged"


async def test_a_refused_change_is_shown_with_the_document_that_holds(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    ordered = await api.order(description="as it was")
    await routing.accept(ordered["id"])
    assert (await api.call("PATCH", ordered["id"], {"description": "refused"}, headers=MERGE)).status == 200
    await routing.refuse(api.events[-1], replace(NO_SPOKE, code="UNKNOWN_SPECIFICATION"))
    shown = (await api.call("GET", ordered["id"])).body
    assert (shown["state"], shown["description"]) == ("acknowledged", "as it was")
    assert [each["code"] for each in ours(shown, "refusedChange")] == ["UNKNOWN_SPECIFICATION"]
    assert (await api.call("PATCH", ordered["id"], {"description": "again"}, headers=MERGE)).status == 200
    assert ours((await api.call("GET", ordered["id"])).body, "refusedChange") is None


async def test_a_refused_cancellation_is_shown_and_can_be_ordered_again(
    api: NorthboundServer, routing: RefusingRouting
) -> None:
    ordered = await api.order()
    await routing.accept(ordered["id"])
    cancel = {"state": "cancelled"}
    assert (await api.call("PATCH", ordered["id"], cancel, headers=MERGE)).status == 200
    assert ours((await api.call("GET", ordered["id"])).body, "cancelRequested") is True
    await routing.refuse(api.events[-1], replace(NO_SPOKE, code="UNEXPECTED"))
    shown = (await api.call("GET", ordered["id"])).body
    assert [each["code"] for each in ours(shown, "refusedChange")] == ["UNEXPECTED"]
    assert ours(shown, "cancelRequested") is None
    assert (await api.call("PATCH", ordered["id"], cancel, headers=MERGE)).status == 200
    assert ours((await api.call("GET", ordered["id"])).body, "cancelRequested") is True
    assert sum(isinstance(event.data, RunCancelled) for event in api.events) == 2


async def test_refused_orders_are_deleted_after_the_retention(api: NorthboundServer, routing: RefusingRouting) -> None:
    rejected = await a_refused_order(api, routing)
    await api.store.orders.flush()
    await api.store.orders.expire_unrouted(datetime(2100, 1, 1, tzinfo=UTC))
    assert (await api.call("GET", rejected["id"])).status == 404
    assert await api.store.orders.list_views(RunQuery(pushdown=Pushdown(), limit=5)) == []


# What subscribers hear


@dataclass(slots=True)
class AnnouncingHub:
    """The hub over the store of an interface, without deliveries over HTTP."""

    store: SqlRunStore

    async def read(self, event: Event) -> None:
        """Read a published event."""
        handler = HubEventHandler(
            orders=self.store.orders,
            subscriptions=self.store.subscriptions,
            planner=PLANNER,
            now=lambda: datetime.now(UTC),
            on_announced=lambda: None,
            on_overtaken=lambda: None,
        )
        assert await handler.handle(event, Attempt(1)) == Done()

    async def told(self) -> list[tuple[str, str | None]]:
        """Return the types and states of all deliveries so far."""
        found = await self.store.subscriptions.first_deliveries("S1", datetime(2100, 1, 1, tzinfo=UTC), 50)
        bodies = [json.loads(each.body) for each in found]
        return [
            (body["eventType"].removeprefix("ServiceTest"), body["event"]["serviceTest"].get("state"))
            for body in bodies
        ]

    async def look_for_deleted_runs(self) -> None:
        """Announce the runs that were deleted."""
        gone, _ = await self.store.subscriptions.gone_runs("", 10)
        now = datetime.now(UTC)
        await self.store.subscriptions.announce_deletions(
            [run.run_id for run in gone], lambda run, known: PLANNER.deletions(now, run, known), now
        )


@pytest.fixture
async def hub(api: NorthboundServer) -> AnnouncingHub:
    """The hub with one subscription to everything."""
    await api.store.subscriptions.add(a_subscription(), "S1", SubscriptionLimits(10, 10))
    return AnnouncingHub(api.store)


async def test_subscribers_hear_that_a_run_is_rejected_and_that_it_is_accepted_later(
    api: NorthboundServer, routing: RefusingRouting, hub: AnnouncingHub
) -> None:
    rejected = await a_refused_order(api, routing)
    [update] = routing.updates()
    for _ in range(2):  # a repetition leads to nothing
        await hub.read(update)
    rejection = [("CreateEvent", "acknowledged"), ("StateChangeEvent", "rejected")]
    assert await hub.told() == rejection
    await hub.look_for_deleted_runs()
    assert await hub.told() == rejection
    await routing.accept(rejected["id"])
    row = await api.store.run(rejected["id"])
    assert row is not None
    assert isinstance(update.data, RunUpdate)
    accepted = update.data.model_copy(update={"revision": row.revision, "reasons": (), "state": RunState.IN_PROGRESS})
    await hub.read(update._replace(headers=update.headers._replace(id="next"), data=accepted))
    assert len(await hub.told()) == 3
    assert (await hub.told())[-1][0] == "StateChangeEvent"


async def test_subscribers_hear_that_a_rejected_run_is_deleted(
    api: NorthboundServer, routing: RefusingRouting, hub: AnnouncingHub
) -> None:
    rejected = await a_refused_order(api, routing)
    await hub.read(routing.updates()[0])
    assert (await api.call("DELETE", rejected["id"])).status == 204
    await hub.look_for_deleted_runs()
    assert [kind for kind, _ in await hub.told()] == ["CreateEvent", "StateChangeEvent", "DeleteEvent"]


async def test_subscribers_hear_nothing_of_a_refusal_that_was_overtaken(
    api: NorthboundServer, routing: RefusingRouting, hub: AnnouncingHub
) -> None:
    rejected = await a_refused_order(api, routing)
    await routing.accept(rejected["id"])
    await hub.read(routing.updates()[0])
    assert await hub.told() == []
