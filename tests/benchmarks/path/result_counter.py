"""Read the results topic from outside the service and count results by run."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message

RESULT = ("ce_type", b"southbound.RunResult")
NO_RESULT_TIMEOUT = 60.0  # seconds without a new result


class NoResultsError(Exception):
    """An arm stopped producing results."""


class ResultCounter:
    """Counts `RunResult`s by key on its own thread."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": "ear", "fetch.wait.max.ms": 10, "log_level": 2}
        self._consumer = Consumer(settings)
        self._spots = [TopicPartition(topic, number, 0) for number in range(partitions)]
        self._consumer.assign(self._spots)
        self._results: Counter[bytes] = Counter()
        self._last = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
        self._thread.start()

    def wait_for(self, results: int, lives: Callable[[], bool]) -> float:
        """Wait for the results of this many runs; return the time of the last one.

        Raises:
        NoResultsError: no more results come, or the arm has ended.
        """
        while len(self._results) < results:
            if time.monotonic() - self._last > NO_RESULT_TIMEOUT or not lives():
                raise NoResultsError(f"{len(self._results)} of {results} results came, and no more")
            time.sleep(0.001)
        return self._last

    def close(self) -> Counter[bytes]:
        """Read the rest of the topic, and return the number of results of each run."""
        self._closing.set()
        self._thread.join()
        try:
            self._take_the_rest()
        finally:
            self._consumer.close()
        return self._results

    def _take_the_rest(self) -> None:
        ends = {spot.partition: self._consumer.get_watermark_offsets(spot, timeout=10)[1] for spot in self._spots}
        while any(0 <= position.offset < ends[position.partition] for position in self._consumer.position(self._spots)):
            self._take(self._consumer.consume(500, 0.1))

    def _listen(self) -> None:
        while not self._closing.is_set():
            self._take(self._consumer.consume(500, 0.01))

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if message.error() is None and RESULT in (message.headers() or ()):
                self._results[message.key() or b""] += 1
                self._last = time.monotonic()
