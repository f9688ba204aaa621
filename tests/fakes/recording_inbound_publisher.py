"""A recording publisher that can be waited for and reads back what it was given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.inbound import InboundReceived
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.publisher import Message
    from schemas.codec.envelope import Event


class RecordingInboundPublisher(RecordingPublisher):
    """`asked` is set whenever somebody publishes."""

    def __init__(self) -> None:
        super().__init__()
        self.publish_called = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> None:
        self.publish_called.set()
        await super().publish(messages)

    def events(self) -> list[Event]:
        """Read every event that was acknowledged."""
        envelope = Envelope(Codec())
        return [envelope.decode(m.value, m.headers, fallback_id="none") for m in self.published]

    def callbacks(self) -> list[InboundReceived]:
        """Read every callback that was acknowledged."""
        return [event.data for event in self.events() if isinstance(event.data, InboundReceived)]
