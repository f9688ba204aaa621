"""Tell Kafka clients that are in no group what the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.kafka_publisher import producer_settings

if TYPE_CHECKING:
    from southbound.settings import Kafka


def client_settings(kafka: Kafka) -> dict[str, object]:
    """Give what a producer, an admin client or a bystander needs."""
    overrides = {name: value for name, value in kafka.overrides().items() if not name.startswith("group.")}
    return producer_settings(kafka.servers, overrides)
