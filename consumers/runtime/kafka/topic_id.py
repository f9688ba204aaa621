"""Read the id of a topic: a topic that is deleted and made anew has another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient

from consumers.runtime.kafka.readiness import KafkaNotReadyError
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT = 10.0  # seconds
_NO_ID = str(Uuid(0, 0))


def read_topic_id(settings: Mapping[str, Any], topic: str) -> str:
    """Return the id of a topic; empty if the brokers are too old to have one.

    Raises:
        KafkaNotReadyError: Kafka does not answer, or does not have the topic.
    """
    admin = AdminClient({**settings, "log_level": 0})
    try:
        found = admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)[topic].result(TIMEOUT)
    except KafkaException as error:
        raise KafkaNotReadyError(sentence_for(error.args[0], f"topic {topic}")) from None
    return "" if str(found.topic_id) == _NO_ID else str(found.topic_id)
