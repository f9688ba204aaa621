"""Let callers who come while one transaction is under way share the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from copy import copy
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Ask, Answer]):
    """One group at a time; the next takes all who wait, up to `limit` in weight.

    There is no timer: alone, a caller waits for nobody; in a crowd, groups grow to what the database can bear.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer | Exception]]],
        *,
        limit: int,
        weight: Callable[[Ask], int] = lambda _: 1,
    ) -> None:
        self._carry_out = carry_out
        self._limit = limit
        self._weight = weight
        self._waiting: deque[tuple[Ask, asyncio.Future[Answer]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, ask: Ask) -> Answer:
        """Wait for the answer to this ask, whatever becomes of others in its group."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    async def finish(self) -> None:
        """Return when nobody waits any more."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        try:
            while group := self._next_group():
                try:
                    await self._answer(group)
                finally:
                    _leave_nobody_waiting(group)
        except BaseException:
            _leave_nobody_waiting(self._waiting)
            raise
        finally:
            self._worker = None

    def _next_group(self) -> list[tuple[Ask, asyncio.Future[Answer]]]:
        group: list[tuple[Ask, asyncio.Future[Answer]]] = []
        weight = 0
        while self._waiting and weight < self._limit:
            ask, future = self._waiting.popleft()
            if not future.cancelled():
                group.append((ask, future))
                weight += self._weight(ask)
        return group

    async def _answer(self, group: list[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._carry_out([ask for ask, _ in group])
        except BaseException as error:
            # It belongs to the callers. One exception raised in many tasks would collect all their tracebacks.
            for _, future in group:
                _settle(future, copy(error).with_traceback(None))
            if not isinstance(error, Exception):
                raise  # the process is ending
            return
        for (_, future), answer in zip(group, answers, strict=True):
            _settle(future, answer)


def _leave_nobody_waiting(asked: Iterable[tuple[Ask, asyncio.Future[Answer]]]) -> None:
    for _, future in asked:
        future.cancel()  # which changes nothing where there is an answer


def _settle(future: asyncio.Future[Answer], answer: Answer | BaseException) -> None:
    if future.done():  # its caller was cancelled meanwhile
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
