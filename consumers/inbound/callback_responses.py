"""Responses to the sender of a callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    ResponseHeaders = Mapping[str, str]

CallbackOutcome = Literal[
    "stored",
    "ignored",
    "unknownPath",
    "unknownSpoke",
    "unauthenticated",
    "tooLarge",
    "tooSlow",
    "notACallback",
    "overloaded",
    "tooManyRequests",
    "notStored",
    "tooManyConnections",
    "notHttp",
]


class CallbackRefusedError(Exception):
    """A callback is refused; the message is sent to its sender."""

    def __init__(
        self,
        status: int,
        outcome: CallbackOutcome,
        sentence: str,
        headers: ResponseHeaders | None = None,
        *,
        code: CallbackOutcome | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.outcome: CallbackOutcome = outcome
        self.headers = headers
        self.code = code or outcome  # what the sender is told, if it must not learn the outcome

    def response(self) -> web.Response:
        """Return the response as a TMF `Error`."""
        error = {"code": self.code, "reason": str(self), "status": str(self.status)}
        return json_response(self.status, error, self.headers)


def json_response(status: int, content: object, headers: ResponseHeaders | None = None) -> web.Response:
    """Return a response with a JSON body."""
    body = orjson.dumps(content)
    return web.Response(status=status, body=body, headers=headers, content_type="application/json")
