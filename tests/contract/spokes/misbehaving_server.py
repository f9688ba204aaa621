"""A server on 127.0.0.1 that counts whole requests and answers each with a given fault."""

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
class ServerConnection:
    """One connection that a behaviour handles. `number` counts from 1."""

    number: int
    server: MisbehavingServer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_request(self) -> bytes:
        """Read one request to its end and count it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.server.requests.append(head + await self.reader.readexactly(length))
        return head

    async def write(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


ServerBehaviour = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class MisbehavingServer:
    behaviour: ServerBehaviour
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.behaviour(ServerConnection(self.connections, self, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    behaviour: ServerBehaviour, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
) -> AsyncIterator[MisbehavingServer]:
    server = MisbehavingServer(behaviour)
    bound = socket.create_server(("127.0.0.1", 0))
    if receive_buffer is not None:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    running = await asyncio.start_server(server.serve, sock=bound, ssl=tls)
    server.port = bound.getsockname()[1]
    try:
        yield server
    finally:
        running.close()


def replying(status: str = "201 Created", body: bytes = b'{"id":"1"}', *headers: str) -> ServerBehaviour:
    """Answer every request on every connection with the same valid response."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])

    async def reply(connection: ServerConnection) -> None:
        while True:
            await connection.read_request()
            await connection.write(head.encode("latin-1") + body)

    return reply


def replying_raw(raw: bytes) -> ServerBehaviour:
    """Read one request, write these bytes and close."""

    async def reply(connection: ServerConnection) -> None:
        await connection.read_request()
        await connection.write(raw)

    return reply


async def reset_unread(connection: ServerConnection) -> None:
    connection.reset()


async def close_unread(connection: ServerConnection) -> None:
    connection.writer.close()


async def reset_read(connection: ServerConnection) -> None:
    await connection.read_request()
    connection.reset()


async def close_read(connection: ServerConnection) -> None:
    await connection.read_request()


async def hang(connection: ServerConnection) -> None:
    await connection.read_request()
    await connection.reader.read()


async def hang_in_body(connection: ServerConnection) -> None:
    await connection.read_request()
    await connection.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
    await connection.reader.read()


async def drip(connection: ServerConnection) -> None:
    """Send one byte at a time, so that only the total timeout ends the response."""
    await connection.read_request()
    await connection.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while not connection.writer.is_closing():
        await connection.write(b" ")
        await asyncio.sleep(0.02)


async def close_when_idle(connection: ServerConnection) -> None:
    """Answer one request as if the connection stayed open, then close it."""
    await connection.read_request()
    await connection.write(b'HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{"id":"1"}')


async def reset_second(connection: ServerConnection) -> None:
    """Answer the first request; reset the connection on its second request."""
    await close_when_idle(connection)
    await connection.read_request()
    connection.reset()
