"""A server on 127.0.0.1 that counts whole requests and answers them as badly as it is told."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclass
class Connection:
    """One connection as a behaviour sees it; `number` counts from 1."""

    number: int
    server: Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_request(self) -> bytes:
        """Read one request to its end, and count it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.server.requests.append(head + await self.reader.readexactly(length))
        return head

    async def say(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class Server:
    behaviour: Behaviour
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.behaviour(Connection(self.connections, self, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(behaviour)
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()


def replying(status: str = "201 Created", body: bytes = b'{"id":"1"}', *headers: str) -> Behaviour:
    """Answer every request on every connection in the same good way."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])

    async def reply(connection: Connection) -> None:
        while True:
            await connection.read_request()
            await connection.say(head.encode("latin-1") + body)

    return reply


def saying(raw: bytes) -> Behaviour:
    """Read one request, write these bytes, close."""

    async def say(connection: Connection) -> None:
        await connection.read_request()
        await connection.say(raw)

    return say


async def reset_unread(connection: Connection) -> None:
    connection.reset()


async def close_unread(connection: Connection) -> None:
    connection.writer.close()


async def reset_read(connection: Connection) -> None:
    await connection.read_request()
    connection.reset()


async def close_read(connection: Connection) -> None:
    await connection.read_request()


async def hang(connection: Connection) -> None:
    await connection.read_request()
    await connection.reader.read()


async def hang_in_body(connection: Connection) -> None:
    await connection.read_request()
    await connection.say(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
    await connection.reader.read()


async def drip(connection: Connection) -> None:
    """Send a byte now and then, so that only the total timeout ends it."""
    await connection.read_request()
    await connection.say(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while not connection.writer.is_closing():
        await connection.say(b" ")
        await asyncio.sleep(0.02)


async def close_when_idle(connection: Connection) -> None:
    """Answer once as if the connection stayed open, then close it."""
    await connection.read_request()
    await connection.say(b'HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{"id":"1"}')


async def reset_second(connection: Connection) -> None:
    """Answer the first request, reset on the second one of the same connection."""
    await close_when_idle(connection)
    await connection.read_request()
    connection.reset()
