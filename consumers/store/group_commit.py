"""Group the callers that arrive during one transaction into the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from copy import copy
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

Request = TypeVar("Request")
ResultT = TypeVar("ResultT")


class GroupCommit(Generic[Request, ResultT]):
    """Carries out one group at a time; the next group has every caller that waits, up to `limit` in weight.

    There is no timer: a single caller waits for no other; under load, groups grow to what the database can process.
    `quiet_turns` of the event loop without a new caller are waited for before each group.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Request]], Awaitable[Sequence[ResultT | Exception]]],
        *,
        max_weight: int,
        weight: Callable[[Request], int] = lambda _: 1,
        quiet_turns: int = 0,
    ) -> None:
        self._process = process
        self._limit = max_weight
        self._weight = weight
        self._quiet_turns = quiet_turns
        self._waiting: deque[tuple[Request, asyncio.Future[ResultT]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, request: Request) -> ResultT:
        """Return the result of this request, whether or not others in its group fail."""
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    async def drain(self) -> None:
        """Return when no caller waits any more."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        try:
            while await self._gather() and (group := self._next_group()):
                try:
                    await self._process_group(group)
                finally:
                    _cancel_unsettled(group)
        except BaseException:
            _cancel_unsettled(self._waiting)
            raise
        finally:
            self._worker = None

    async def _gather(self) -> bool:
        """Wait for more callers until `quiet_turns` turns of the event loop bring none; return whether any wait.

        Data that arrived during the last transaction is read in the next turns, which cost less than a transaction.
        """
        known, quiet = len(self._waiting), 0
        while self._waiting and quiet < self._quiet_turns and known < self._limit:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == known else 0
            known = len(self._waiting)
        return bool(self._waiting)

    def _next_group(self) -> list[tuple[Request, asyncio.Future[ResultT]]]:
        group: list[tuple[Request, asyncio.Future[ResultT]]] = []
        weight = 0
        while self._waiting and weight < self._limit:
            request, future = self._waiting.popleft()
            if not future.cancelled():
                group.append((request, future))
                weight += self._weight(request)
        return group

    async def _process_group(self, group: list[tuple[Request, asyncio.Future[ResultT]]]) -> None:
        try:
            results = await self._process([request for request, _ in group])
        except BaseException as error:
            # It belongs to the callers. One exception raised in many tasks would collect all their tracebacks.
            for _, future in group:
                _settle(future, copy(error).with_traceback(None))
            if not isinstance(error, Exception):
                raise  # the process is ending
            return
        for (_, future), answer in zip(group, results, strict=True):
            _settle(future, answer)


def _cancel_unsettled(group: Iterable[tuple[Request, asyncio.Future[ResultT]]]) -> None:
    for _, future in group:
        future.cancel()  # which changes nothing if it has a result


def _settle(future: asyncio.Future[ResultT], result: ResultT | BaseException) -> None:
    if future.done():  # its caller was cancelled meanwhile
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
