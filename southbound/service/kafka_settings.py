"""librdkafka settings of clients that are in no consumer group, and those of an operator for members of groups."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from producers.kafka_publisher import producer_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from southbound.settings.settings import KafkaSettings

# Seconds, and the shortest session that brokers accept by default. While a process dies again and again, a longer one
# leaves its partitions without an owner, and stops the others for a part of it: measured in docs/operations.md.
SHORT_SESSION = 6.0
# A static member is back within its session, so this is the time for a restart. With KIP-848 the broker has the session
# (45 s by default), and heartbeats come every 5 s.
LONG_SESSION = 30.0
# Settings of producers only; a consumer logs a warning for each.
PRODUCER_ONLY = ("linger.ms", "compression.type", "message.timeout.ms", "enable.idempotence", "acks")


def client_settings(kafka: KafkaSettings) -> dict[str, object]:
    """Return the settings of a producer, an admin client or a consumer without a group."""
    overrides = {name: value for name, value in kafka.overrides().items() if not name.startswith("group.")}
    return producer_settings(kafka.servers, overrides)


def member_overrides(kafka: KafkaSettings, role: str) -> dict[str, str | int | float | bool]:
    """Return the operator's librdkafka settings for a member of the group of a role."""
    # The ids of members have to differ within a group only; with the role, each says what it is.
    static = (
        {"group.instance.id": f"{kafka.instance or socket.gethostname()}.{role}"} if kafka.static_membership else {}
    )
    return {**static, **kafka.overrides()}


def session_timeout(kafka: KafkaSettings) -> float:
    """Return the session timeout of the consumer groups in seconds; workers judge their membership by it."""
    if (stated := kafka.client.get("session.timeout.ms")) is not None:
        return float(str(stated)) / 1000
    return LONG_SESSION if kafka.static_membership or kafka.protocol == "consumer" else SHORT_SESSION


def consumer_overrides(kafka: KafkaSettings) -> Mapping[str, object]:
    """Return the operator's librdkafka settings that apply to a consumer without a group."""
    overrides = kafka.overrides()
    return {n: value for n, value in overrides.items() if not n.startswith("group.") and n not in PRODUCER_ONLY}


def standalone_consumer_settings(kafka: KafkaSettings) -> dict[str, object]:
    """Return all settings of a consumer without a group."""
    return {name: value for name, value in client_settings(kafka).items() if name not in PRODUCER_ONLY}
