"""Make a topic, delete it and make it again, on a broker that a test restarts."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.java import find_java
from tests.harness.ports import a_quiet_port

_TIMEOUT = 60  # seconds


def port_of_jvm_broker() -> int:
    """Return a port for a broker in a JVM; skip the test if there is no Java."""
    try:
        find_java()
    except BrokerUnavailableError as error:
        pytest.skip(str(error))
    return a_quiet_port()


def make_topic(bootstrap: str, topic: str, partitions: int) -> None:
    """Create a topic and wait for it."""
    admin = AdminClient({"bootstrap.servers": bootstrap})  # kept: a collected one ends its futures with an error
    for future in admin.create_topics([NewTopic(topic, partitions)]).values():
        future.result(_TIMEOUT)


def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic and wait until it is gone."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_topics([topic]).values():
        future.result(_TIMEOUT)
