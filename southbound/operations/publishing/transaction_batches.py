"""Write to Kafka in transactions of bounded size, as the only command of its kind, and not faster than a rate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from producers.kafka_transaction import TransactionalWriter
from producers.publisher import PublishError
from southbound.exit_codes import unreachable
from southbound.service.kafka_settings import client_settings

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from southbound.settings.settings import Settings

    class Sized(Protocol):
        """Something that is written, and about how many bytes it takes."""

        @property
        def size(self) -> int:
            """Bytes."""

    S = TypeVar("S", bound=Sized)

_STEP_TIMEOUT = 10.0  # seconds for each step of a transaction
MAX_ITEMS = 100  # in one transaction
MAX_BYTES = 4 * 2**20  # in one transaction; a single item may have more
_BATCHES_PER_SECOND = 4  # with a rate; so often the progress moves


def open_writer(settings: Settings, topic: str, known: Container[str]) -> TransactionalWriter:
    """Open the only transactional writer of a topic; it fences earlier ones.

    Raises:
        CommandFailedError: the topic is missing, or Kafka does not allow it.
    """
    if topic not in known:
        raise unreachable(f"Kafka does not have the topic {topic}: run `southbound topics apply`")
    writer = TransactionalWriter(client_settings(settings.kafka), topic, step_timeout=_STEP_TIMEOUT)
    try:
        writer.init_transactions()
    except PublishError as error:
        raise unreachable(str(error)) from None
    return writer


def batch_length(rate: float | None) -> int:
    """Return how many items one transaction has at most, at a rate per second."""
    return min(MAX_ITEMS, max(1, int(rate / _BATCHES_PER_SECOND))) if rate else MAX_ITEMS


def in_batches(items: Iterable[S], length: int) -> Iterator[list[S]]:
    """Yield the items in batches for one transaction each."""
    batch: list[S] = []
    size = 0
    for one in items:
        if batch and (len(batch) >= length or size + one.size > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


def wait_for_rate(began: float, count: int, rate: float | None) -> None:
    """Sleep until `count` items that were begun at a moment of the monotonic clock are not above the rate."""
    if rate:
        # Time that was lost is not caught up: a pause must not end in a burst.
        time.sleep(max(0.0, began + count / rate - time.monotonic()))
