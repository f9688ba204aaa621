"""A publisher that keeps what it is given, and refuses when told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from producers.publisher import PublishError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.publisher import Message


class RecordingPublisher:
    """A `Publisher` over a list. `refuse(topic)` makes it fail, `hold()` makes everybody wait for `let_go()`."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.waiting: list[Message] = []  # handed over and not acknowledged
        self.refused: dict[str, PublishError] = {}  # topic → why
        self._open = asyncio.Event()
        self._open.set()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when every message is acknowledged.

        Raises:
            PublishError: the topic is one that is refused.
        """
        self.waiting.extend(messages)
        await self._open.wait()
        for message in messages:
            self.waiting.remove(message)
            if message.topic in self.refused:
                raise self.refused[message.topic]
            self.published.append(message)

    def on(self, topic: str) -> list[Message]:
        """Give what a topic holds."""
        return [message for message in self.published if message.topic == topic]

    def refuse(self, topic: str, why: str = "no such topic", kind: type[PublishError] = PublishError) -> None:
        """Fail every message for a topic from now on."""
        self.refused[topic] = kind(f"topic {topic}: {why}")

    def accept(self, topic: str) -> None:
        """Take messages for a topic again."""
        del self.refused[topic]

    def hold(self) -> None:
        """Acknowledge nothing until `let_go`."""
        self._open.clear()

    def let_go(self) -> None:
        """Acknowledge what waits."""
        self._open.set()
