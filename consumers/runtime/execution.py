"""Turn whatever a handler does into an outcome: the one place where exceptions of handlers end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumers.runtime.faults import fault
from consumers.runtime.handler import DeadLetter, Done, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.config import WorkerPolicy
    from consumers.runtime.handler import Attempt, Handler, Outcome
    from consumers.runtime.records import Record
    from schemas.problem import Trouble


class Attempts:
    """Call the handler, count how often it raises for a record, and give up on it after some times."""

    def __init__(self, handler: Handler, policy: WorkerPolicy, dice: Callable[[], float]) -> None:
        self._handler = handler
        self._policy = policy
        self._dice = dice
        self._raised: dict[Record, int] = {}

    async def at(self, record: Record, attempt: Attempt) -> Outcome:
        """Make one attempt.

        Raises:
            CancelledError: the worker was stopped hard.
        """
        try:
            return _checked(await self._handler(record, attempt))
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._unexpected(record, cancelled)  # something inside the handler was cancelled, not the worker
        except Exception as exception:  # noqa: BLE001 - this is the edge that turns exceptions into outcomes
            return self._unexpected(record, exception)

    def forget(self, record: Record) -> None:
        """Let go of a record that left its lane."""
        if self._raised:
            self._raised.pop(record, None)

    def _unexpected(self, record: Record, exception: BaseException) -> Outcome:
        times = self._raised[record] = self._raised.get(record, 0) + 1
        trouble = _unexpected_trouble(record, exception, times)
        if times >= self._policy.max_unexpected:
            return DeadLetter(trouble)
        return RetryLater(self._policy.backoff.delay(times, self._dice()), trouble)


def _checked(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Done | RetryLater | DeadLetter):
        raise TypeError(f"a handler returns Done, RetryLater or DeadLetter, not {outcome!r}")
    return outcome


def _unexpected_trouble(record: Record, exception: BaseException, times: int) -> Trouble:
    where = f"{record.partition.topic}[{record.partition.number}] offset {record.offset}"
    return fault("UNEXPECTED", f"The handler failed on {where} ({times}x)", exception)
