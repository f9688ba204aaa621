"""A minimal external system, so that a benchmark measures Southbound and not the system."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Self, cast
from uuid import uuid4

import orjson

from consumers.inbound.listen_socket import bound_port, open_port

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE_PATH = "/tmf-api/serviceTestManagement/v4"
HEADER_END = b"\r\n\r\n"
EMPTY_LIST_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
BAD_REQUEST_RESPONSE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
LENGTH_REQUIRED_RESPONSE = b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class FastSystem:
    """Completes every POST at once with a value for every requested measure. It checks and stores nothing.

    Every other request is answered with an empty list. `latency` is in seconds.
    It counts the POSTs and those that repeat an idempotency key.
    """

    def __init__(self, *, name: str, host: str = "127.0.0.1", port: int = 0, latency: float = 0.0) -> None:
        self.name = name
        self.posts = 0
        self.repeated_posts = 0
        self.latency = latency
        self._address = (host, port)
        self._keys: set[bytes] = set()
        self._prefix = uuid4().hex[:12]
        self._numbers = count(1)

    @property
    def base_url(self) -> str:
        """The base URL of the API. It is available after `start`."""
        return self._url

    async def start(self) -> None:
        """Open the port and begin to answer.

        Raises:
        CannotListenError: the port is taken.
        """
        bound = open_port(*self._address)
        self._url = f"http://{self._address[0]}:{bound_port(bound)}{BASE_PATH}"
        self._connections: set[asyncio.BaseTransport] = set()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_connection, sock=bound, backlog=1024)

    def _new_connection(self) -> _FastConnection:
        return _FastConnection(self, self._connections)

    async def stop(self) -> None:
        """Close the port and all connections."""
        self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def respond(self, head: bytes, body: bytes) -> bytes:
        """Return the whole response to a request."""
        if not head.startswith(b"POST "):
            return EMPTY_LIST_RESPONSE
        try:
            requested = orjson.loads(body).get("testMeasure", ())
        except (orjson.JSONDecodeError, AttributeError):
            return BAD_REQUEST_RESPONSE
        self._count(_header(head, b"idempotency-key"))
        return self._completed_response(requested)

    def _completed_response(self, requested: Iterable[dict[str, object]]) -> bytes:
        identity = f"{self._prefix}-{next(self._numbers)}"
        measures = [{**m, "value": {"name": m.get("metricName", ""), "value": 1.0}} for m in requested]
        href = f"{self._url}/serviceTest/{identity}"
        answer = orjson.dumps({"id": identity, "href": href, "state": "completed", "testMeasure": measures})
        return b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(answer),
            answer,
        )

    def _count(self, key: bytes | None) -> None:
        self.posts += 1
        if key is not None:
            self.repeated_posts += key in self._keys
            self._keys.add(key)


class _FastConnection(asyncio.Protocol):
    """One keep-alive connection; requests on it are answered one after the other."""

    def __init__(self, system: FastSystem, connections: set[asyncio.BaseTransport]) -> None:
        self._system = system
        self._connections = connections
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(HEADER_END)) >= 0:
            head = self._buffer[:end]
            if (length := _body_length(head)) is None:
                self._transport.write(LENGTH_REQUIRED_RESPONSE)
                self._transport.close()
                return
            after = end + len(HEADER_END) + length
            if len(self._buffer) < after:
                return
            body, self._buffer = self._buffer[end + len(HEADER_END) : after], self._buffer[after:]
            self._send(self._system.respond(head, body))

    def _send(self, response: bytes) -> None:
        if self._system.latency:
            loop = asyncio.get_running_loop()
            loop.call_later(self._system.latency, self._write, response)
        else:
            self._transport.write(response)

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def _body_length(head: bytes) -> int | None:
    """Return the length of the body; None if only the end of the chunks marks its end."""
    if _header(head, b"transfer-encoding") is not None:
        return None
    return int(_header(head, b"content-length") or 0)


def _header(head: bytes, name: bytes) -> bytes | None:
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return None
    value = head[start + len(name) + 3 :]
    return value.split(b"\r\n", 1)[0].strip()
