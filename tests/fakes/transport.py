"""An in-memory transport that answers from a list and records the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.port import do_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumers.spokes.port import BeforeCall
    from consumers.spokes.transport import HttpRequest
    from router.responses import HttpResponse, NoResponse


class FakeTransport:
    """Returns `answers` in turn and repeats the last one, or returns the result of `answer(request)`."""

    def __init__(
        self,
        answers: Sequence[HttpResponse | NoResponse] = (),
        *,
        answer: Callable[[HttpRequest], HttpResponse | NoResponse] | None = None,
    ) -> None:
        self.requests: list[HttpRequest] = []
        self.closed = False
        self._answers = list(answers)
        self._answer = answer or self._next_answer

    def _next_answer(self, _: HttpRequest) -> HttpResponse | NoResponse:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse | NoResponse:
        await before()
        self.requests.append(request)
        return self._answer(request)

    async def close(self) -> None:
        self.closed = True
