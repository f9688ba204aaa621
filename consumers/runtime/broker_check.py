"""Check that a broker answers a process without workers, which does not hear of Kafka while it publishes nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.runtime.worker import UNREADY_AFTER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ANSWER_TIMEOUT = 1.5  # seconds; less than the time that a health check has
_FRESH = 1.0  # seconds for which an answer counts without another question


@dataclass(slots=True)
class BrokerCheck:
    """A health check that asks a broker when it is asked itself, one question at a time.

    `ask` returns whether a broker answered. The start counts as an answer: the process has waited for Kafka.
    """

    ask: Callable[[float], Awaitable[bool]]
    clock: Callable[[], float] = time.monotonic
    _answered_at: float = field(init=False)
    _question: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        """Begin with the answer that the start of the process waited for."""
        self._answered_at = self.clock()

    async def __call__(self) -> str | None:
        """Return None if a broker has answered lately, else a sentence that says since when none has."""
        if self.clock() - self._answered_at >= _FRESH:
            await asyncio.wait([self._current_question()], timeout=ANSWER_TIMEOUT)
        silence = self.clock() - self._answered_at
        if silence <= UNREADY_AFTER:
            return None
        return f"no broker has answered the publisher for {silence:.0f} s: check brokers and network"

    def _current_question(self) -> asyncio.Task[None]:
        """Return the question that waits for its answer, or a new one: many probes at once ask one question."""
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._ask())
        return self._question

    async def _ask(self) -> None:
        asked_at = self.clock()
        if await self.ask(ANSWER_TIMEOUT):
            self._answered_at = asked_at
