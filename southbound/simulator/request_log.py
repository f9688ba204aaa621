"""A log of every request that a system received; tests and the demo check it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """One request as it was received. Header names are lower case; `path` is below the base path."""

    number: int
    at: datetime
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def idempotency_key(self) -> str | None:
        """The key that all attempts of one command share."""
        return self.headers.get("idempotency-key")

    def json(self) -> object:
        """Return the parsed body; None if it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def as_json(self) -> dict[str, object]:
        """Return the request as a JSON object, without credentials."""
        headers = {name: "***" if name in CREDENTIALS else value for name, value in self.headers.items()}
        text = self.body.decode(errors="replace")
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": headers,
            "idempotencyKey": self.idempotency_key,
            "body": text if (read := self.json()) is None else read,
        }


class RequestLog:
    """All requests, in the order in which they were received."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []

    def posts(self) -> tuple[ReceivedRequest, ...]:
        """Return the POSTs of tests."""
        return tuple(r for r in self.requests if (r.method, r.path) == ("POST", "/serviceTest"))

    def posted_names(self) -> tuple[str, ...]:
        """Return the names of the posted tests, in the order in which they were received."""
        bodies = (post.json() for post in self.posts())
        return tuple(str(body.get("name", "")) if isinstance(body, dict) else "" for body in bodies)
