"""Answer refusals with the statuses that ServiceNow documents."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from consumers.northbound.api.responses import error_response
from router.northbound.errors import ApiRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

Owner = TypeVar("Owner")
# ServiceNow documents 400 for every body that is refused.
_AS_BAD_REQUEST = frozenset({409, 412, 422, 501})


def with_its_statuses(
    handler: Callable[[Owner, web.Request], Awaitable[web.Response]],
) -> Callable[[Owner, web.Request], Awaitable[web.Response]]:
    """Return a handler whose refusals have the statuses that ServiceNow documents."""

    @wraps(handler)
    async def handle(self: Owner, request: web.Request) -> web.Response:
        try:
            return await handler(self, request)
        except ApiRefusedError as refused:
            return error_response(400 if refused.status in _AS_BAD_REQUEST else refused.status, refused.mistakes)

    return handle
