"""Wait until a broker answers."""

import socket
import time
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from southbound.broker.broker import BrokerUnavailableError

PAUSE = 0.02  # seconds between two questions


def wait_until_ready(bootstrap: str, *, seconds: float, still_alive: Callable[[], bool]) -> None:
    """Return as soon as the broker lists its topics.

    Raises:
        BrokerUnavailableError: its process ended, or the time is over.
    """
    end = time.monotonic() + seconds
    # A bare connect first: it costs nothing, while the client backs off after each refusal.
    _wait_for(lambda: _listens(bootstrap), bootstrap, end, still_alive)
    quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0}
    admin = AdminClient({"bootstrap.servers": bootstrap, **quick})
    _wait_for(lambda: _lists_topics(admin), bootstrap, end, still_alive)


def _wait_for(claim: Callable[[], bool], bootstrap: str, end: float, still_alive: Callable[[], bool]) -> None:
    while not claim():
        if not still_alive():
            raise BrokerUnavailableError(f"The Kafka broker for {bootstrap} ended before it was ready.")
        if time.monotonic() > end:
            raise BrokerUnavailableError(f"The Kafka broker at {bootstrap} was not ready in time.")
        time.sleep(PAUSE)


def _listens(bootstrap: str) -> bool:
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _lists_topics(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False
