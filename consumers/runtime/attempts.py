"""Turn whatever a handler does into an outcome: the one place where exceptions of handlers end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumers.runtime.outcomes import DeadLetter, Done, RetryLater
from router.trouble import Trouble

if TYPE_CHECKING:
    from consumers.runtime.outcomes import Attempt, Handler, Outcome
    from consumers.runtime.policy import WorkerPolicy
    from consumers.runtime.records import Record


class Attempts:
    """Call the handler, count how often it raises for a record, and give up on it after some times."""

    def __init__(self, handler: Handler, policy: WorkerPolicy) -> None:
        self._handler = handler
        self._policy = policy
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
        return RetryLater(self._policy.backoff.before(times), trouble)


def _checked(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Done | RetryLater | DeadLetter):
        raise TypeError(f"a handler returns Done, RetryLater or DeadLetter, not {outcome!r}")
    return outcome


def _unexpected_trouble(record: Record, exception: BaseException, times: int) -> Trouble:
    where = f"{record.partition.topic}[{record.partition.number}] offset {record.offset}"
    frames = _frames(exception)
    return Trouble(
        code="UNEXPECTED",
        # The exception's own words could quote a payload or a credential: its type and place must do.
        sentence=f"The handler raised {type(exception).__name__} ({times}x) on {where}: tell a developer",
        detail=frames,
    )


def _frames(exception: BaseException) -> str:
    lines = []
    trace = exception.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_qualname}")
        trace = trace.tb_next
    return "\n".join(lines[-12:])
