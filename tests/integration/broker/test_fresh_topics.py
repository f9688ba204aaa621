"""The session's broker is a real Kafka, and every test has its own topics."""

from collections.abc import Callable

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

TIMEOUT = 90.0  # seconds: the first group of a broker waits for its coordinator


def test_what_is_produced_to_a_fresh_topic_comes_back_in_order(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("round-trip", partitions=1)
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "enable.idempotence": True})
    for number in range(100):
        producer.produce(topic, b"%d" % number)
    assert producer.flush(TIMEOUT) == 0
    assert read_values(kafka_bootstrap, topic, 100) == [b"%d" % number for number in range(100)]


def test_a_fresh_topic_has_the_partitions_asked_for(kafka_bootstrap: str, fresh_topics: Callable[..., str]) -> None:
    topic = fresh_topics("wide", partitions=3)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    assert len(admin.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions) == 3


def test_two_fresh_topics_of_one_label_differ(fresh_topics: Callable[..., str]) -> None:
    assert fresh_topics("twin") != fresh_topics("twin")


def read_values(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    settings = {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    try:
        messages = consumer.consume(count, timeout=TIMEOUT)
        return [message.value() for message in messages if not message.error()]
    finally:
        consumer.close()
