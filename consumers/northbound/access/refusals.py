"""Responses to requests that are refused before a handler sees them, as a TMF `Error`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

REALM = 'realm="southbound"'
RefusalCode = Literal[
    "unauthenticated",
    "twoCredentials",
    "tooManyFailures",
    "forbidden",
    "rateLimited",
    "tooLarge",
    "identityUnavailable",
    "notLocal",
]


class AccessRefusedError(Exception):
    """A request is refused; the message is sent to its client, so it names no secret."""

    def __init__(self, status: int, code: RefusalCode, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.code: RefusalCode = code
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """Return the response."""
        error = {"@type": "Error", "code": self.code, "reason": str(self), "status": str(self.status)}
        return web.Response(
            status=self.status, body=orjson.dumps(error), headers=self.headers, content_type="application/json"
        )


def invalid_token(sentence: str) -> AccessRefusedError:
    """Return the refusal of a bearer token (RFC 6750 §3.1); the sentence has no quotation marks."""
    challenge = f'Bearer {REALM}, error="invalid_token", error_description="{sentence}"'
    return AccessRefusedError(401, "unauthenticated", sentence, {"WWW-Authenticate": challenge})


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header that says when to come again, in whole seconds and at least one."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}
