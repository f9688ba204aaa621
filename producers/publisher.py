"""Put messages on Kafka and know that they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence


class Message(NamedTuple):
    """Bytes for one topic. `topic` is the full name, prefix included."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class PublishError(Exception):
    """Kafka did not acknowledge a message; the sentence names topic and reason."""


class TooLargeError(PublishError):
    """Kafka will never take this message into this topic."""


class Publisher(Protocol):
    """Publish with acks=all and wait for the acknowledgements."""

    def publish(self, messages: Sequence[Message]) -> Awaitable[None]:
        """Hand messages over; awaiting the answer returns when every one is acknowledged by the broker.

        Raises:
            PublishError: at least one was not.
        """
