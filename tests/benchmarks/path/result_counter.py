"""Listen to the results from outside and count them by run."""

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
NO_RESULT_TIMEOUT = 60.0  # seconds without a single new result


class NoResultsError(Exception):
    """An arm stopped giving results."""


class CallbackReceiver:
    """Counts `RunResult`s by key on a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": "ear", "fetch.wait.max.ms": 10, "log_level": 2}
        self._consumer = Consumer(settings)
        self._spots = [TopicPartition(topic, number, 0) for number in range(partitions)]
        self._consumer.assign(self._spots)
        self._heard: Counter[bytes] = Counter()
        self._last = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
        self._thread.start()

    def wait_for(self, results: int, lives: Callable[[], bool]) -> float:
        """Wait for results of so many runs; return the moment at which the last one came.

        Raises:
            SilentError: no more come, or whoever makes them has ended.
        """
        while len(self._heard) < results:
            if time.monotonic() - self._last > NO_RESULT_TIMEOUT or not lives():
                raise NoResultsError(f"{len(self._heard)} of {results} results came, and no more")
            time.sleep(0.001)
        return self._last

    def close(self) -> Counter[bytes]:
        """Read what is left on the topic, and give the number of results of each run."""
        self._closing.set()
        self._thread.join()
        try:
            self._take_the_rest()
        finally:
            self._consumer.close()
        return self._heard

    def _take_the_rest(self) -> None:
        ends = {spot.partition: self._consumer.get_watermark_offsets(spot, timeout=10)[1] for spot in self._spots}
        while any(0 <= one.offset < ends[one.partition] for one in self._consumer.position(self._spots)):
            self._take(self._consumer.consume(500, 0.1))

    def _listen(self) -> None:
        while not self._closing.is_set():
            self._take(self._consumer.consume(500, 0.01))

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if message.error() is None and RESULT in (message.headers() or ()):
                self._heard[message.key() or b""] += 1
                self._last = time.monotonic()
