"""Turn every exception of a handler into an outcome, and give up on its record after some attempts."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from consumers.runtime.faults import internal_problem
from consumers.runtime.handler import DeadLetter, Done, RetryLater

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine

    from consumers.runtime.config import WorkerConfig
    from consumers.runtime.handler import Attempt, Handler, Outcome, Partition, Record
    from schemas.problem import Problem


T = TypeVar("T")

U = TypeVar("U")


class HandlerExecution:
    """Calls the handler, counts how often it raises for a record, and gives up on it after some attempts."""

    def __init__(self, handler: Handler, policy: WorkerConfig, dice: Callable[[], float]) -> None:
        self._handler = handler
        self._policy = policy
        self._dice = dice
        self._raised: dict[Record, int] = {}

    async def attempt(self, record: Record, attempt: Attempt) -> Outcome:
        """Make one attempt.

        Raises:
            CancelledError: the worker was stopped hard.
        """
        return await settle_unexpected(self._handle(record, attempt), partial(self._unexpected, record))

    def forget(self, record: Record) -> None:
        """Forget a record that left its lane."""
        if self._raised:
            self._raised.pop(record, None)

    async def _handle(self, record: Record, attempt: Attempt) -> Outcome:
        return _check_outcome(await self._handler(record, attempt))

    def _unexpected(self, record: Record, exception: BaseException) -> Outcome:
        times = self._raised[record] = self._raised.get(record, 0) + 1
        problem = _unexpected_problem(record, exception, times)
        if times >= self._policy.max_handler_errors:
            return DeadLetter(problem)
        return RetryLater(self._policy.backoff.delay(times, self._dice()), problem)


async def settle_unexpected(
    work: Awaitable[T], on_unexpected: Callable[[BaseException], U], *, expected: tuple[type[Exception], ...] = ()
) -> T | U:
    """Return the result of the work, or of `on_unexpected` for the exception that it raised.

    Raises:
        CancelledError: the task that does the work was cancelled, and not something inside the work.
        Exception: one of `expected`.
    """
    try:
        return await work
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return on_unexpected(cancelled)
    except expected:
        raise
    except Exception as exception:  # noqa: BLE001 - the one place where unexpected exceptions end
        return on_unexpected(exception)


def _check_outcome(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Done | RetryLater | DeadLetter):
        raise TypeError(f"a handler returns Done, RetryLater or DeadLetter, not {outcome!r}")
    return outcome


def _unexpected_problem(record: Record, exception: BaseException, times: int) -> Problem:
    where = f"{record.partition.topic}[{record.partition.number}] offset {record.offset}"
    return internal_problem("UNEXPECTED", f"The handler failed on {where} ({times}x)", exception)


class RecordTasks:
    """A record has a task while its handler runs, or a timer while it is parked.

    `guarded` calls a callback of the worker and handles what it raises.
    """

    def __init__(self, guarded: Callable[..., None]) -> None:
        self._guarded = guarded
        self._running: dict[Record, asyncio.Task[None]] = {}
        self._timers: dict[Record, asyncio.TimerHandle] = {}

    @property
    def idle(self) -> bool:
        """Whether no handler runs."""
        return not self._running

    @property
    def running(self) -> Collection[Record]:
        """The records whose handler runs."""
        return self._running.keys()

    def start(self, record: Record, work: Coroutine[None, None, None]) -> None:
        """Run a handler as a task."""
        self._running[record] = asyncio.get_running_loop().create_task(work)

    def mark_ended(self, record: Record) -> bool:
        """Mark a handler as ended; return False if it was marked before."""
        return self._running.pop(record, None) is not None

    def abandon(self, partitions: Collection[Partition], on_ended: Callable[[Record], None]) -> None:
        """Cancel the handlers of these partitions; `on_ended` is called for each record whose handler has ended."""
        for record, task in self._running.items():
            if record.partition in partitions:
                task.cancel()
                # Not from within the task: a task that has not started yet ends without running any of its code.
                task.add_done_callback(lambda _, gone=record: self._guarded(on_ended, gone))  # type: ignore[misc]

    def start_timer(self, record: Record, delay: float, then: Callable[[Record], None]) -> None:
        """Call `then` for a parked record after `delay` seconds."""
        self._timers[record] = asyncio.get_running_loop().call_later(delay, self._on_timer, record, then)

    def stop_timer(self, record: Record) -> None:
        """Stop the timer of a record, if it has one."""
        if timer := self._timers.pop(record, None):
            timer.cancel()

    async def cancel_all(self) -> None:
        """Stop all timers and tasks, and wait until they have ended."""
        for timer in self._timers.values():
            timer.cancel()
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _on_timer(self, record: Record, then: Callable[[Record], None]) -> None:
        del self._timers[record]
        self._guarded(then, record)
