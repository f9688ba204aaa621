"""Remember which bytes are which message, because a command mostly comes back to the process that wrote it.

The whole value is the key, so nothing is taken on trust; this only saves reading it again (50 µs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.catalogue import Message

LARGE = 16_384  # bytes; one of them would push too many others out


class Lately:
    """The values written last, oldest out first; `room` is in bytes, and the messages take several times that."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._messages: dict[bytes, Message] = {}

    def find(self, value: bytes) -> Message | None:
        """Give the message that was written as exactly these bytes."""
        return self._messages.get(value)

    def keep(self, value: bytes, message: Message) -> None:
        """Remember one."""
        if len(value) > LARGE or value in self._messages:
            return
        self._messages[value] = message
        self._room -= len(value)
        while self._room < 0:
            oldest = next(iter(self._messages))
            del self._messages[oldest]
            self._room += len(oldest)
