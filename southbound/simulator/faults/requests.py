"""Let faults happen to the requests of a simulated system, by their shares."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from aiohttp import web

from southbound.simulator import http_responses
from southbound.simulator.faults.settings import RequestFault, choose_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from aiohttp.typedefs import Handler

    from southbound.simulator.faults.access_tokens import AccessTokenIssuer
    from southbound.simulator.faults.settings import RequestFaults
    from southbound.simulator.simulated_api import Layer

_GARBAGE = (b"<html><body>502 Bad Gateway</body></html>", b"\x00\xff\xfe", b'"ok"')


class RequestFaulter:
    """A layer of a system: draws one number per request, and lets the fault happen. `happened` counts them."""

    def __init__(
        self,
        faults: RequestFaults,
        dice: Random,
        tokens: AccessTokenIssuer | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.happened: Counter[RequestFault] = Counter()
        self._faults = faults
        self._dice = dice
        self._tokens = tokens
        self._now = now
        self._faulty: Mapping[RequestFault, Layer] = {
            RequestFault.RESET_BEFORE_READING: self._reset_before_reading,
            RequestFault.RESET_BEFORE_STORING: self._reset_before_storing,
            RequestFault.RESET_AFTER_STORING: self._reset_after_storing,
            RequestFault.HANG_BEFORE_STORING: self._hang_before_storing,
            RequestFault.HANG_IN_BODY: self._hang_in_body,
            RequestFault.GARBAGE: self._respond_with_garbage,
            RequestFault.SLOW: self._respond_slowly,
            RequestFault.TOO_MANY_REQUESTS: self._refuse_for_now,
            RequestFault.EXPIRED_TOKEN: self._end_token,
        }

    async def process(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Process a request with its handler, or let a fault happen to it."""
        fault = choose_fault(self._faults.shares, self._dice.random())
        if fault is RequestFault.HANG_BEFORE_STORING and request.method not in self._faults.late_methods:
            fault = None
        if fault is None:
            return await handler(request)
        self.happened[fault] += 1
        return await self._faulty[fault](request, handler)

    async def _reset_before_reading(self, request: web.Request, _: Handler) -> web.StreamResponse:
        return http_responses.reset_connection(request)

    async def _reset_before_storing(self, request: web.Request, _: Handler) -> web.StreamResponse:
        await request.read()
        return http_responses.reset_connection(request)

    async def _reset_after_storing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await handler(request)
        return http_responses.reset_connection(request)

    async def _hang_before_storing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()  # the connection may be gone afterwards
        await asyncio.sleep(self._faults.hang_seconds)
        return await handler(request)

    async def _respond_slowly(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(self._faults.slow_seconds * self._dice.random())
        return await handler(request)

    async def _end_token(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._tokens is not None:
            self._tokens.end(request)
        return await handler(request)

    async def _hang_in_body(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        body = _body_of(response)
        part = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
        part.content_length = len(body) + 1  # of which the last byte is never sent
        await part.prepare(request)
        await part.write(body[: len(body) // 2])
        await asyncio.sleep(self._faults.hang_seconds)
        http_responses.reset_connection(request)
        return part

    async def _respond_with_garbage(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        whole = _body_of(response)
        body = self._dice.choice((*_GARBAGE, whole[: len(whole) // 2]))
        return web.Response(status=response.status, body=body, content_type="application/json")

    async def _refuse_for_now(self, request: web.Request, _: Handler) -> web.StreamResponse:
        await request.read()
        response = http_responses.error_response(429, "busy", "busy", "too many requests, try again later")
        response.headers["Retry-After"] = self._retry_after()
        return response

    def _retry_after(self) -> str:
        if self._faults.retry_after_form == "seconds":
            return f"{self._faults.retry_after:g}"
        until = self._now() + timedelta(seconds=self._faults.retry_after)
        whole = until.replace(microsecond=0) + timedelta(seconds=1 if until.microsecond else 0)
        return format_datetime(whole.astimezone(UTC), usegmt=True)


def _body_of(response: web.StreamResponse) -> bytes:
    return response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
