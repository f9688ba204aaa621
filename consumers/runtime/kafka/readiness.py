"""Wait until Kafka answers and has the topics that a worker reads and writes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_REQUEST_TIMEOUT = 2.0  # seconds for one request
_RETRY_INTERVAL = 1.0  # seconds between requests
_SHARED_SETTINGS = (
    "bootstrap.servers",
    "client.id",
    "security.",
    "sasl.",
    "ssl.",
    "socket.",
    "log_level",
    "logger",
)


class KafkaNotReadyError(Exception):
    """Kafka does not answer, or topics are missing; the message names them and what to do."""


async def wait_for_kafka(
    settings: Mapping[str, object], topics: Collection[str], *, max_wait: float, on_reason: Callable[[str], None]
) -> None:
    """Return when Kafka answers and has these topics; `on_reason` is called with every new reason to wait.

    `settings` may be those of a consumer or producer; `max_wait` is in seconds.

    Raises:
        KafkaNotReadyError: the budget is used up.
    """
    asking = _BrokerProbe(settings)
    deadline, reported = time.monotonic() + max_wait, ""
    while reason := await asyncio.to_thread(asking.reason_to_wait, topics):
        if time.monotonic() >= deadline:
            raise KafkaNotReadyError(reason)
        if reason != reported:
            on_reason(reason)
            reported = reason
        await asyncio.sleep(min(_RETRY_INTERVAL, max(0.0, deadline - time.monotonic())))


class _BrokerProbe:
    """One admin client that keeps what librdkafka reported last about logins and certificates."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._bootstrap = settings["bootstrap.servers"]
        self._complaint: KafkaError | None = None
        shared: dict[str, Any] = {n: value for n, value in settings.items() if n.startswith(_SHARED_SETTINGS)}
        # What librdkafka would print at every attempt is reported as a sentence, once.
        self._admin = AdminClient(shared | {"error_cb": self._on_error, "log_level": 0})

    def reason_to_wait(self, topics: Collection[str]) -> str:
        """Return the reason to wait, empty if there is none."""
        self._complaint = None
        try:
            known = self._admin.list_topics(timeout=_REQUEST_TIMEOUT).topics
        except KafkaException as exception:
            return self._no_answer(exception.args[0])
        missing = sorted(set(topics) - known.keys())
        return _missing_topics_message(missing) if missing else ""

    def _no_answer(self, error: KafkaError) -> str:
        self._admin.poll(0)
        return sentence_for(self._complaint or error, f"the cluster at {self._bootstrap}")

    def _on_error(self, error: KafkaError) -> None:
        # "All brokers are down" follows every other error and says less.
        if self._complaint is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's
            self._complaint = error


def _missing_topics_message(missing: list[str]) -> str:
    topics = "topic" if len(missing) == 1 else "topics"
    return f"Kafka does not have the {topics} {', '.join(missing)}: run `southbound topics apply`"
