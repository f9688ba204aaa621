"""Do work periodically, also beyond outages of the run store and of Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from consumers.store.port import StoreUnavailableError
from producers.publisher import PublishError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ReportSentence(Protocol):
    """Logs why periodic work failed; it is repeated later."""

    def __call__(self, sentence: str, /) -> object:
        """Log one sentence."""


async def repeat(
    work: Callable[[], Awaitable[object]],
    *,
    every: float | Callable[[], float],
    warn: ReportSentence,
    failure: str,
) -> None:
    """Do the work, pause for `every` seconds and start again, until cancelled.

    If `every` is a function, it returns the seconds after each round.
    During an outage of the run store or of Kafka, `warn` is called with the sentence `failure` and the cause.
    """
    while True:
        try:
            await work()
        except (StoreUnavailableError, PublishError) as error:
            warn(f"{failure}; this will be retried: {error}")
        await asyncio.sleep(every() if callable(every) else every)
