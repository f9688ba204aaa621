"""Subscribers hear of every run in order, although the process that notifies them is killed again and again."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from pydantic import SecretStr

from consumers.store.subscriptions.port import SubscriptionLimits
from southbound.service.roles import Role
from southbound.settings.hub import HubSettings
from southbound.settings.settings import ApiSettings
from southbound.simulator.behaviours import completes_by_callback
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.builders.subscriptions import a_subscription
from tests.fixtures.api_process import SERVICE_TEST
from tests.fixtures.processes import a_deployment
from tests.fixtures.subscriber import a_subscriber

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from schemas.results import RunResult, RunUpdate
    from tests.fixtures.service import ServiceUnderTest
    from tests.fixtures.subscriber import ReceivedEvent, Subscriber

HUB = HubSettings(
    signing_key=SecretStr("a key that only this test knows, 32 characters"),
    allowed_networks=("127.0.0.0/8",),
    allow_http=True,
    max_pause=1.0,
)
SPECIFICATION_CHANGES = (
    ("POST", "", {"id": "fibre", "name": "Fibre", "relatedServiceSpecification": [{"id": "x"}]}, "Create"),
    ("PATCH", "/fibre", {"lifecycleStatus": "Published"}, "AttributeValueChange"),
    ("DELETE", "/fibre", None, "Delete"),
)
RUNS = 20
KILLS = 2


@dataclass(slots=True)
class SubscriberOracle:
    """What a subscriber has to hear, from the published events alone; it shares no code with the hub."""

    service: ServiceUnderTest
    expected: Mapping[str, list[tuple[str, str]]] = field(default_factory=dict)

    def read(self) -> None:
        """Read both topics, and put the events of each run in the order of their revisions."""
        by_run: dict[str, dict[int, tuple[str, bool]]] = defaultdict(dict)
        published: list[RunUpdate | RunResult] = [*self.service.updates(), *self.service.results()]
        for event in published:
            state = event.state.value if event.state else "acknowledged"
            by_run[event.run_id][event.revision] = (state, bool(event.test_measure))
        self.expected = {run_id: _told(states) for run_id, states in by_run.items()}

    def mistakes(self, subscriber: Subscriber) -> list[str]:
        """Return what is missing, out of order or repeated under another id."""
        heard: dict[str, list[ReceivedEvent]] = defaultdict(list)
        for event in subscriber.taken:
            if event.event_id not in {known.event_id for known in heard[event.run_id]}:
                heard[event.run_id].append(event)
        return [
            f"{run_id}: expected {told}, heard {found}"
            for run_id, told in self.expected.items()
            if (found := [(event.short_type, event.state) for event in heard[run_id]]) != told
        ]


def _told(states: Mapping[int, tuple[str, bool]]) -> list[tuple[str, str]]:
    told, known = [("Create", "acknowledged")], "acknowledged"
    for number, (_, (state, has_measures)) in enumerate(sorted(states.items())):
        if has_measures or (number and state == known):
            told.append(("AttributeValueChange", state))
        if state != known:
            told.append(("StateChange", state))
        known = state
    return told


async def test_nothing_is_lost_or_out_of_order_at_a_subscriber_when_the_hub_is_killed(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)  # noqa: S311 - no secret
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    script = Script(default=completes_by_callback(0.2))
    async with (
        a_subscriber() as subscriber,
        a_deployment(kafka_bootstrap, tmp_path, script=script, hub=HUB) as deployment,
    ):
        service = deployment.service
        subscriber.status = lambda _: 503 if chance.random() < 0.05 else 204
        subscriber.delay = 0.01
        await service.start()
        await _subscribe(service, subscriber)
        process = await deployment.start("hub")
        for batch in range(KILLS):
            runs = [f"TR{batch}-{number}" for number in range(RUNS // KILLS)]
            heard = len(subscriber.received)
            await service.request(*[a_document(run_id) for run_id in runs])
            events = heard + chance.randint(1, RUNS // KILLS)
            await service.wait_until(partial(_has_received, subscriber, events), f"events arrive, seed {seed}")
            await asyncio.sleep(chance.random() * 0.03)  # within a delivery, at any of its steps
            process.send(signal.SIGKILL)
            await process.wait_for_exit()
            process = await deployment.start("hub")
        await service.wait_until(
            lambda: len({result.run_id for result in service.results()}) == RUNS,
            "every run has ended",
        )
        oracle = SubscriberOracle(service)

        def mistakes() -> list[str]:
            oracle.read()  # again: the last updates may be read after the results, which are on another topic
            return oracle.mistakes(subscriber)

        try:
            await service.wait_until(lambda: not mistakes(), "everything was heard", 90)
        except AssertionError:
            assert mistakes() == [], f"seed {seed}: {process.log_text()[-3000:]}"
        assert len(oracle.expected) == RUNS
        process.send(signal.SIGTERM)
        assert await process.wait_for_exit() == 0
        assert mistakes() == []


async def test_what_becomes_of_specifications_is_heard_in_order_and_once_although_the_hub_is_killed(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)  # noqa: S311 - no secret
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    async with (
        a_subscriber() as subscriber,
        a_deployment(kafka_bootstrap, tmp_path, hub=HUB, api=ApiSettings(port=0)) as deployment,
        aiohttp.ClientSession() as http,
    ):
        service = deployment.service
        running = await service.start((Role.API,))
        subscriber.status = lambda _: 503 if chance.random() < 0.2 else 204
        await _subscribe(service, subscriber)
        address = f"http://127.0.0.1:{running.api_port}{SERVICE_TEST}Specification"
        process = await deployment.start("hub")
        for heard, (method, below, body, kind) in enumerate(SPECIFICATION_CHANGES, start=1):
            async with http.request(method, f"{address}{below}", json=body) as response:
                assert response.status in {200, 201, 204}, await response.text()
            await asyncio.sleep(chance.random() * 2.5)  # before, within or after the next look at specifications
            process.send(signal.SIGKILL)
            await process.wait_for_exit()
            process = await deployment.start("hub")
            await service.wait_until(partial(_has_taken, subscriber, heard), f"{kind} is heard, seed {seed}")
        ids = {event.event_id: event for event in subscriber.taken}
        assert [event.short_type.removeprefix("Specification") for event in ids.values()] == [
            kind for *_, kind in SPECIFICATION_CHANGES
        ]
        assert {event.resource["id"] for event in subscriber.taken} == {"fibre"}


def _has_taken(subscriber: Subscriber, count: int) -> bool:
    return len({event.event_id for event in subscriber.taken}) >= count


def _has_received(subscriber: Subscriber, count: int) -> bool:
    return len(subscriber.received) >= count


async def _subscribe(service: ServiceUnderTest, subscriber: Subscriber) -> None:
    store = await service.store()
    try:
        now = datetime.now(UTC)
        subscription = a_subscription(callback=subscriber.callback, created_at=now, next_attempt_at=now)
        await store.subscriptions.add(subscription, "S1", SubscriptionLimits(10, 10))
    finally:
        await asyncio.shield(store.close())
