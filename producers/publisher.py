"""Publish messages on Kafka with acknowledgements."""

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
    """Kafka did not acknowledge a message; the error names the topic and the reason."""


class RecordTooLargeError(PublishError):
    """Kafka will never accept this message on this topic."""


class Publisher(Protocol):
    """Publishes with acks=all and waits for the acknowledgements."""

    def publish(self, messages: Sequence[Message]) -> Awaitable[None]:
        """Hand messages over; awaiting the result returns when the broker has acknowledged every one.

        Raises:
            PublishError: at least one was not.
        """
