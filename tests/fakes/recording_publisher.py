"""A publisher that records its messages. The test can make it fail or withhold acknowledgements."""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING

from producers.publisher import PublishError, RecordTooLargeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from producers.publisher import Message


class RecordingPublisher:
    """A `Publisher` over a list. `fail_topic` makes a topic fail.

    `block` withholds acknowledgements until `unblock`.
    """

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.refused: dict[str, PublishError] = {}  # by topic
        self.max_bytes: dict[str, int] = {}  # of a message's value, by topic
        self._blocked = False
        self._handed_over: list[tuple[Sequence[Message], asyncio.Future[None]]] = []

    @property
    def waiting(self) -> list[Message]:
        """The messages that were passed to `publish` and are not acknowledged."""
        return [message for messages, _ in self._handed_over for message in messages]

    def publish(self, messages: Sequence[Message]) -> Awaitable[None]:
        """Accept messages at once. The returned awaitable completes when all are acknowledged.

        Raises:
            PublishError: (when awaited) the topic fails.
        """
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handed_over.append((messages, acknowledged))
        if not self._blocked:
            self._acknowledge()
        return acknowledged

    def _acknowledge(self) -> None:
        for messages, acknowledged in self._handed_over:
            refusal = self._publish(messages)
            if acknowledged.done():  # the caller was cancelled
                continue
            if refusal is None:
                acknowledged.set_result(None)
            else:
                acknowledged.set_exception(copy(refusal))
        self._handed_over.clear()

    def _publish(self, messages: Sequence[Message]) -> PublishError | None:
        for message in messages:
            if message.topic in self.refused:
                return self.refused[message.topic]
            if len(message.value or b"") > self.max_bytes.get(message.topic, 2**63):
                return RecordTooLargeError(f"topic {message.topic}: too large")
            self.published.append(message)
        return None

    def messages_on(self, topic: str) -> list[Message]:
        """Return the messages published to a topic."""
        return [message for message in self.published if message.topic == topic]

    def fail_topic(self, topic: str, why: str = "no such topic", kind: type[PublishError] = PublishError) -> None:
        """Fail every message for a topic from now on."""
        self.refused[topic] = kind(f"topic {topic}: {why}")

    def restore_topic(self, topic: str) -> None:
        """Accept messages for a topic again."""
        del self.refused[topic]

    def block(self) -> None:
        """Acknowledge nothing until `unblock` is called."""
        self._blocked = True

    def unblock(self) -> None:
        """Acknowledge all messages that are waiting."""
        self._blocked = False
        self._acknowledge()
