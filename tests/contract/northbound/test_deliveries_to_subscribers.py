"""Events reach subscribers in order for each run, at least once, and no subscriber harms another one."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from consumers.northbound.hub.callback import CallbackError, PolicyResolver, check_leads_outside
from consumers.northbound.hub.callback_client import CallbackClient
from consumers.northbound.hub.deliver import DeliverySettings, DeliveryTools
from consumers.northbound.hub.hub import DeliveryHub, Retention
from consumers.runtime.backoff import Backoff
from consumers.store.specifications.port import SpecificationChanges
from consumers.store.sql_store import open_store
from consumers.store.subscriptions.port import PlanRequest, SubscriptionLimits
from router.northbound.hub.address_policy import AddressPolicy, parse_network
from router.northbound.hub.delivery_result import MAX_REFUSALS
from router.northbound.hub.plan import RunNotice
from router.northbound.hub.signature import signature_headers
from router.northbound.hub.subscription import SubscriptionState
from router.northbound.order import RunView
from router.responses import NoResponse
from schemas.published_tables import SpecificationRecord
from schemas.vocabulary import RunState
from tests.builders.runs import a_run
from tests.builders.subscriptions import PLANNER, SPECIFICATIONS, a_subscription, published
from tests.fixtures.subscriber import HANG, Subscriber, a_subscriber
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from socket import AddressFamily

    from aiohttp.abc import ResolveResult

    from consumers.store.sql_store import SqlRunStore
    from router.northbound.hub.delivery_result import DeliveryVerdict
    from router.northbound.hub.subscription import RunSubscription

LOCAL = AddressPolicy(networks=(parse_network("127.0.0.0/8"),), allows_http=True)
SECRET = b"secret of a test"
STATES = (RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.COMPLETED)
TOLD = ["acknowledged", "inProgress", "completed"]


class CountedAttempts:
    """A `HubObserver` that keeps what it is called with."""

    def __init__(self) -> None:
        self.verdicts: list[str] = []
        self.dropped: dict[str, int] = {}
        self.waiting: dict[str, int] = {}

    def attempted(self, subscription_id: str, verdict: DeliveryVerdict, seconds: float) -> None:
        assert seconds >= 0
        self.verdicts.append(f"{subscription_id} {verdict}")

    def expired(self, subscription_id: str, count: int) -> None:
        self.dropped[subscription_id] = count

    def listed(self, found: Sequence[tuple[RunSubscription, int]]) -> None:
        self.waiting = {subscription.subscription_id: waiting for subscription, waiting in found}


class HubUnderTest:
    """A store with the deliveries of one process; more of them can be started."""

    def __init__(self, store: SqlRunStore) -> None:
        self.store = store
        self.observer = CountedAttempts()
        self.warnings: list[str] = []
        self.news = asyncio.Event()

    async def subscribe(self, subscriber: Subscriber, subscription_id: str = "S1", **more: object) -> None:
        now = datetime.now(UTC)
        fields = {"callback": subscriber.callback, "next_attempt_at": now, **more}
        subscription = a_subscription(subscription_id, **fields)  # type: ignore[arg-type] # any field
        await self.store.subscriptions.add(subscription, subscription_id, SubscriptionLimits(100, 100))

    async def publish(self, *run_ids: str, states: Sequence[RunState] = STATES) -> None:
        for run_id in run_ids:
            await self.store.save(a_run(run_id, external_id=run_id))
            for notification, row in published(*states, run_id=run_id):
                notice = RunNotice(
                    event_id=f"{run_id}-{row.revision}", notification=notification, view=RunView(row=row, order=None)
                )
                request = PlanRequest(run_id, None, partial(PLANNER.plan, notice), datetime.now(UTC))
                await self.store.subscriptions.announce(request)
        self.news.set()

    async def write(self, spec_id: str, revision: int, **fields: object) -> None:
        document = {"id": spec_id, "name": f"Specification {spec_id}", **fields}
        record = SpecificationRecord(
            id=spec_id, revision=revision, author="ann", changed_at=datetime.now(UTC), document=document
        )
        await self.store.specifications.save(SpecificationChanges(written=[record]))

    async def find(self, subscription_id: str = "S1") -> RunSubscription:
        found = await self.store.subscriptions.find(subscription_id)
        assert found is not None
        return found

    async def until(self, condition: Callable[[RunSubscription], bool], subscription_id: str = "S1") -> RunSubscription:
        """Return the subscription as soon as the condition holds of it."""
        deadline = time.monotonic() + 60
        while not condition(found := await self.find(subscription_id)):
            assert time.monotonic() < deadline
        return found

    @asynccontextmanager
    async def running(
        self, owner: str = "one", *, patience: float = 10.0, park_after: float = 3600.0, keep: int = 1000
    ) -> AsyncIterator[None]:
        settings = DeliverySettings(
            timeout=patience, park_after=park_after, retry=Backoff(initial_interval=0.05, max_interval=0.2)
        )
        hub = DeliveryHub(
            tools=DeliveryTools(
                store=self.store.subscriptions,
                settings=settings,
                now=lambda: datetime.now(UTC),
                random=random.random,
                secrets_of=lambda _: (SECRET,),
                observer=self.observer,
            ),
            planner=PLANNER,
            specifications=SPECIFICATIONS,
            client_for=lambda found: CallbackClient(found.callback, LOCAL, timeout=patience, concurrency=4),
            owner=owner,
            retention=Retention(count=keep, age=timedelta(days=1)),
            news=self.news,
            warn=self.warnings.append,
        )
        task = asyncio.create_task(hub.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubUnderTest]:
    """A hub with an empty store."""
    store = await open_store(f"sqlite:///{tmp_path}/runs.db", synchronous="NORMAL")
    yield HubUnderTest(store)
    await store.close()


def states_of(subscriber: Subscriber, run_id: str) -> list[str]:
    return [event.state for event in subscriber.taken if event.run_id == run_id]


async def test_events_arrive_signed_and_in_order(hub: HubUnderTest) -> None:
    async with a_subscriber() as subscriber, hub.running():
        await hub.subscribe(subscriber)
        await hub.publish("TR1", "TR2")
        await wait_until(lambda: len(subscriber.taken) == 6)
        assert states_of(subscriber, "TR1") == states_of(subscriber, "TR2") == TOLD
        for event in subscriber.taken:
            assert event.headers["Content-Type"] == "application/json"
            timestamp = int(event.headers["webhook-timestamp"])
            expected = signature_headers((SECRET,), event.event_id, timestamp, event.body)
            assert event.headers["webhook-signature"] == expected["webhook-signature"]
            assert abs(timestamp - time.time()) < 60
        await hub.until(lambda found: found.delivered == 6)


async def test_what_becomes_of_a_specification_arrives_signed_and_in_order_beyond_failures(hub: HubUnderTest) -> None:
    async with a_subscriber() as subscriber, hub.running():
        subscriber.status = lambda _: 503 if len(subscriber.received) % 2 else 204
        await hub.subscribe(subscriber)
        await hub.write("fibre", 1, lifecycleStatus="Draft")
        await wait_until(lambda: len(subscriber.taken) == 1)
        await hub.write("fibre", 2, lifecycleStatus="Published")
        await wait_until(lambda: len(subscriber.taken) == 2)
        await hub.store.specifications.save(SpecificationChanges(deleted={"fibre": 2}))
        await wait_until(lambda: len(subscriber.taken) == 3)
        created, changed, deleted = subscriber.taken
        assert [event.short_type for event in subscriber.taken] == [
            "SpecificationCreate",
            "SpecificationAttributeValueChange",
            "SpecificationDelete",
        ]
        assert created.resource["lifecycleStatus"] == "Draft"
        assert (changed.resource["lifecycleStatus"], changed.event["fieldPath"]) == ("Published", "lifecycleStatus")
        assert deleted.resource["id"] == "fibre"
        assert len({event.event_id for event in subscriber.received}) == 3
        timestamp = int(changed.headers["webhook-timestamp"])
        signed = signature_headers((SECRET,), changed.event_id, timestamp, changed.body)
        assert changed.headers["webhook-signature"] == signed["webhook-signature"]


async def test_a_dead_and_a_hanging_subscriber_harm_nobody(hub: HubUnderTest) -> None:
    async with a_subscriber() as healthy, a_subscriber() as hanging, hub.running():
        hanging.status = lambda _: HANG
        dead = Subscriber(callback="http://127.0.0.1:9/listener")
        await hub.subscribe(dead, "dead")
        await hub.subscribe(hanging, "hanging")
        await hub.subscribe(healthy, "healthy")
        await hub.publish(*[f"TR{number}" for number in range(20)])
        await wait_until(lambda: len(healthy.taken) == 60)
        assert "hanging delivered" not in hub.observer.verdicts
        assert hanging.most_under_way <= 4
        for number in range(20):
            assert states_of(healthy, f"TR{number}") == TOLD


async def test_a_subscriber_that_fails_gets_everything_in_order_once_it_works_again(hub: HubUnderTest) -> None:
    async with a_subscriber() as subscriber, hub.running():
        subscriber.status = lambda _: 503
        await hub.subscribe(subscriber)
        await hub.publish("TR1", "TR2")
        await wait_until(lambda: len(subscriber.received) >= 4)
        failing = await hub.until(lambda found: found.failures > 0)
        assert failing.problem == "it answered with 503"
        assert subscriber.most_under_way <= 2
        subscriber.status = lambda _: 204
        await wait_until(lambda: len(subscriber.taken) == 6)
        assert states_of(subscriber, "TR1") == states_of(subscriber, "TR2") == TOLD
        ids = {event.event_id for event in subscriber.received}
        assert len(ids) == len(subscriber.taken)


async def test_a_refused_event_is_given_up_after_some_attempts_and_the_later_ones_of_its_run_arrive(
    hub: HubUnderTest,
) -> None:
    async with a_subscriber() as subscriber, hub.running():
        subscriber.status = lambda event: 422 if event.run_id == "TR1" and event.state == "inProgress" else 204
        await hub.subscribe(subscriber)
        await hub.publish("TR1", "TR2")
        await wait_until(lambda: states_of(subscriber, "TR1") == ["acknowledged", "completed"])
        assert states_of(subscriber, "TR2") == TOLD
        refused = [event for event in subscriber.received if event.status == 422]
        assert len(refused) == MAX_REFUSALS
        assert len({event.event_id for event in refused}) == 1
        found = await hub.until(lambda found: found.delivered == 5)
        assert (found.refused, found.failures) == (1, 0)


async def test_an_event_that_breaks_the_subscriber_does_not_stop_other_runs(hub: HubUnderTest) -> None:
    async with a_subscriber() as subscriber, hub.running():
        subscriber.status = lambda event: 500 if event.run_id == "TR1" else 204
        await hub.subscribe(subscriber)
        await hub.publish("TR1", "TR2", "TR3")
        await wait_until(lambda: len(subscriber.taken) == 6)
        assert states_of(subscriber, "TR2") == states_of(subscriber, "TR3") == TOLD
        assert states_of(subscriber, "TR1") == []


async def test_a_redirect_is_not_followed(hub: HubUnderTest) -> None:
    async with a_subscriber() as subscriber, a_subscriber() as inside, hub.running():
        subscriber.status = lambda _: 307
        subscriber.headers = {"Location": inside.callback}
        await hub.subscribe(subscriber)
        await hub.publish("TR1")
        await wait_until(lambda: "S1 failed" in hub.observer.verdicts)
        await wait_until(lambda: len(subscriber.received) >= 2)
        assert (inside.received, inside.other_paths, subscriber.other_paths) == ([], [], [])
        await hub.until(lambda found: "not followed" in found.problem)


async def test_a_subscriber_that_wants_no_more_or_fails_for_too_long_is_parked_and_can_be_resumed(
    hub: HubUnderTest,
) -> None:
    async with a_subscriber() as gone, a_subscriber() as broken, hub.running(park_after=0.2):
        gone.status = lambda _: 410
        broken.status = lambda _: 500
        await hub.subscribe(gone, "gone")
        await hub.subscribe(broken, "broken")
        await hub.publish("TR1")
        for subscription_id in ("gone", "broken"):
            await hub.until(lambda found: found.state is SubscriptionState.PARKED, subscription_id)
        assert len(gone.received) == 1
        gone.status = broken.status = lambda _: 204
        for subscription_id in ("gone", "broken"):
            assert await hub.store.subscriptions.resume(subscription_id, datetime.now(UTC))
        await wait_until(lambda: len(gone.taken) == len(broken.taken) == 3)
        assert states_of(gone, "TR1") == states_of(broken, "TR1") == TOLD


async def test_two_processes_do_not_deliver_twice(hub: HubUnderTest) -> None:
    async with a_subscriber() as subscriber, hub.running("one"), hub.running("two"):
        subscriber.delay = 0.005
        await hub.subscribe(subscriber)
        for batch in range(5):
            await hub.publish(*[f"TR{batch}-{number}" for number in range(4)])
        await wait_until(lambda: len(subscriber.received) >= 60)
        await wait_until(lambda: len(hub.observer.verdicts) >= 60)
        assert len(subscriber.received) == len({event.event_id for event in subscriber.received}) == 60
        for batch in range(5):
            assert states_of(subscriber, f"TR{batch}-0") == TOLD


class ChangingResolver:
    """Resolves to a public address first, and to the inside from then on: DNS rebinding."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: AddressFamily | int = 0) -> list[ResolveResult]:
        address = self.addresses[min(self.asked, len(self.addresses) - 1)]
        self.asked += 1
        result: ResolveResult = {
            "hostname": host,
            "host": address,
            "port": port,
            "family": int(family),
            "proto": 6,
            "flags": 0,
        }
        return [result]

    async def close(self) -> None:
        pass


async def test_a_name_that_leads_inside_later_is_not_called() -> None:
    strict = AddressPolicy(allows_http=True)
    async with a_subscriber() as inside:
        port = inside.callback.rpartition(":")[2].partition("/")[0]
        resolver = ChangingResolver("8.8.8.8", "127.0.0.1")
        callback = f"http://orders.example:{port}/listener"
        await check_leads_outside(callback, PolicyResolver(strict, resolver))  # type: ignore[arg-type] # quacks like one
        client = CallbackClient(callback, strict, timeout=60.0, concurrency=1, resolver=resolver)  # type: ignore[arg-type] # quacks like one
        reply = await client.post({}, b"{}")
        await client.close()
        assert isinstance(reply, NoResponse)
        assert not reply.perhaps_sent
        assert "not public" in reply.cause
        assert (inside.received, inside.other_paths) == ([], [])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_no_way_to_write_this_machine_is_called(host: str) -> None:
    strict = AddressPolicy(allows_http=True)
    async with a_subscriber() as inside:
        port = inside.callback.rpartition(":")[2].partition("/")[0]
        client = CallbackClient(f"http://{host}:{port}/listener", strict, timeout=60.0, concurrency=1)
        reply = await client.post({}, b"{}")
        await client.close()
        assert isinstance(reply, NoResponse)
        assert "no call is made" in reply.cause
        assert (inside.received, inside.other_paths) == ([], [])


async def test_a_subscription_to_a_name_of_the_inside_is_refused() -> None:
    resolver = PolicyResolver(AddressPolicy(), ChangingResolver("10.0.0.1"))  # type: ignore[arg-type] # quacks like one
    with pytest.raises(CallbackError, match="not public"):
        await check_leads_outside("https://orders.example/listener", resolver)
