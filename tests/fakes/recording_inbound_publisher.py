"""A recording publisher that decodes what was published. A test can wait for the first call."""

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
    """Sets `publish_called` whenever `publish` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.publish_called = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> None:
        self.publish_called.set()
        await super().publish(messages)

    def events(self) -> list[Event]:
        """Return every acknowledged event, decoded."""
        envelope = Envelope(Codec())
        return [envelope.decode(m.value, m.headers, fallback_id="none") for m in self.published]

    def callbacks(self) -> list[InboundReceived]:
        """Return every acknowledged callback, decoded."""
        return [event.data for event in self.events() if isinstance(event.data, InboundReceived)]
