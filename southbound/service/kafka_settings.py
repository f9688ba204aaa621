"""librdkafka settings of clients that are in no consumer group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.kafka_publisher import producer_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from southbound.settings.settings import KafkaSettings

# Settings of producers only; a consumer logs a warning for each.
PRODUCER_ONLY = ("linger.ms", "compression.type", "message.timeout.ms", "enable.idempotence", "acks")


def client_settings(kafka: KafkaSettings) -> dict[str, object]:
    """Return the settings of a producer, an admin client or a consumer without a group."""
    overrides = {name: value for name, value in kafka.overrides().items() if not name.startswith("group.")}
    return producer_settings(kafka.servers, overrides)


def consumer_overrides(kafka: KafkaSettings) -> Mapping[str, object]:
    """Return the operator's librdkafka settings that apply to a consumer without a group."""
    overrides = kafka.overrides()
    return {n: value for n, value in overrides.items() if not n.startswith("group.") and n not in PRODUCER_ONLY}


def standalone_consumer_settings(kafka: KafkaSettings) -> dict[str, object]:
    """Return all settings of a consumer without a group."""
    return {name: value for name, value in client_settings(kafka).items() if name not in PRODUCER_ONLY}
