"""A process that is cut off from Kafka knows it before its session ends: only the broker's answers are a proof."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.backpressure import FlowControl
from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.consumer_port import Assigned, Closed
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.kafka.membership import proof_duration
from tests.fixtures.kafka_proxy import KafkaProxy, a_kafka_proxy
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.consumer_port import ConsumerEvent

SESSION = 6.0
POLL = FlowControl(pause=frozenset(), resume=frozenset(), poll=True)
CLASSIC = {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 1_000}
KIP_848 = {"group.protocol": "consumer"}


def drop_everything(proxy: KafkaProxy) -> None:
    proxy.requests = proxy.responses = False


def drop_responses(proxy: KafkaProxy) -> None:
    proxy.responses = False


@pytest.mark.parametrize("protocol", [CLASSIC, KIP_848], ids=["classic", "kip-848"])
@pytest.mark.parametrize("cut", [drop_everything, drop_responses])
async def test_membership_is_proved_by_answers_of_the_broker_and_not_by_empty_polls(
    kafka_bootstrap: str,
    fresh_topics: Callable[..., str],
    cut: Callable[[KafkaProxy], None],
    protocol: dict[str, object],
) -> None:
    topic = fresh_topics("lifecycle")
    events: list[ConsumerEvent] = []
    async with a_kafka_proxy(kafka_bootstrap) as proxy:
        config = WorkerConfig(role="r", group=f"group-of-{topic}", dead_letter_topic="dlq", session_timeout=SESSION)
        settings = consumer_settings(proxy.bootstrap, config, protocol)
        client = KafkaGroupConsumer(settings, [topic], session_timeout=SESSION, revoke_timeout=1.0)
        client.start(events.append)
        client.control_flow(POLL)
        await wait_until(lambda: any(isinstance(event, Assigned) for event in events), 90)
        await _watch(client, seconds=2 * SESSION)
        # Not at once: the machine may have stood still just now, and then an answer comes within a heartbeat.
        await wait_until(lambda: _is_proven(client), 30)
        cut(proxy)
        cut_at = time.monotonic()
        newest = await _watch(client, seconds=SESSION)
        proxy.requests = proxy.responses = True
        client.close()
        await wait_until(lambda: any(isinstance(event, Closed) for event in events), 90)
    assert newest <= cut_at


def _is_proven(client: KafkaGroupConsumer) -> bool:
    client.control_flow(POLL)
    return time.monotonic() - client.membership_proven_at() < proof_duration(SESSION)


async def _watch(client: KafkaGroupConsumer, seconds: float) -> float:
    """Ask for records for so long, as a worker does; return the newest proof."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        client.control_flow(POLL)
        await asyncio.sleep(0.05)
    return client.membership_proven_at()
