"""A publisher that keeps what it is given, and refuses when told to."""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING

from producers.publisher import PublishError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from producers.publisher import Message


class RecordingPublisher:
    """A `Publisher` over a list. `refuse(topic)` makes it fail, `hold()` makes everybody wait for `let_go()`."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.refused: dict[str, PublishError] = {}  # topic → why
        self._held = False
        self._handed_over: list[tuple[Sequence[Message], asyncio.Future[None]]] = []

    @property
    def waiting(self) -> list[Message]:
        """Return what was handed over and is not acknowledged."""
        return [message for messages, _ in self._handed_over for message in messages]

    def publish(self, messages: Sequence[Message]) -> Awaitable[None]:
        """Take messages now; awaiting the answer returns when every one is acknowledged.

        Raises:
            PublishError: (when awaited) the topic is one that is refused.
        """
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handed_over.append((messages, acknowledged))
        if not self._held:
            self._acknowledge()
        return acknowledged

    def _acknowledge(self) -> None:
        for messages, acknowledged in self._handed_over:
            refusal = self._publish(messages)
            if acknowledged.done():  # whoever waited was cancelled
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
            self.published.append(message)
        return None

    def messages_on(self, topic: str) -> list[Message]:
        """Return what a topic holds."""
        return [message for message in self.published if message.topic == topic]

    def fail_topic(self, topic: str, why: str = "no such topic", kind: type[PublishError] = PublishError) -> None:
        """Fail every message for a topic from now on."""
        self.refused[topic] = kind(f"topic {topic}: {why}")

    def restore_topic(self, topic: str) -> None:
        """Take messages for a topic again."""
        del self.refused[topic]

    def block(self) -> None:
        """Acknowledge nothing until `let_go`."""
        self._held = True

    def unblock(self) -> None:
        """Acknowledge what waits."""
        self._held = False
        self._acknowledge()
