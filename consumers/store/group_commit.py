"""Group the callers that arrive during one transaction into the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from copy import copy
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Request, Answer]):
    """Carries out one group at a time; the next group has every caller that waits, up to `limit` in weight.

    There is no timer: a single caller waits for no other; under load, groups grow to what the database can process.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[Request]], Awaitable[Sequence[Answer | Exception]]],
        *,
        limit: int,
        weight: Callable[[Request], int] = lambda _: 1,
    ) -> None:
        self._carry_out = carry_out
        self._limit = limit
        self._weight = weight
        self._waiting: deque[tuple[Request, asyncio.Future[Answer]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, ask: Request) -> Answer:
        """Return the result of this request, whatever becomes of others in its group."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await future

    async def finish(self) -> None:
        """Return when no caller waits any more."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        try:
            while group := self._next_group():
                try:
                    await self._answer(group)
                finally:
                    _cancel_unsettled(group)
        except BaseException:
            _cancel_unsettled(self._waiting)
            raise
        finally:
            self._worker = None

    def _next_group(self) -> list[tuple[Request, asyncio.Future[Answer]]]:
        group: list[tuple[Request, asyncio.Future[Answer]]] = []
        weight = 0
        while self._waiting and weight < self._limit:
            ask, future = self._waiting.popleft()
            if not future.cancelled():
                group.append((ask, future))
                weight += self._weight(ask)
        return group

    async def _answer(self, group: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
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


def _cancel_unsettled(asked: Iterable[tuple[Request, asyncio.Future[Answer]]]) -> None:
    for _, future in asked:
        future.cancel()  # which changes nothing if it has a result


def _settle(future: asyncio.Future[Answer], answer: Answer | BaseException) -> None:
    if future.done():  # its caller was cancelled meanwhile
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
