"""Resolve the names of systems so that a name server which does not answer delays nobody but its own system."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_AT_ONCE = 8  # names of one resolver; a connection pool asks for a name once at a time
_WITH_SCOPE = 4  # parts of an IPv6 address with a scope


class OwnThreadResolver(AbstractResolver):
    """Resolves each name in a thread of its own, with the system's resolver.

    uvloop resolves at most two names at a time for the whole process, so two systems with such a name server would stop
    the new connections of all others. The threads do not keep the process from ending.
    """

    def __init__(self, resolve: Callable[[str, int, socket.AddressFamily], list[ResolveResult]] | None = None) -> None:
        self._resolve = resolve or _resolve
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: the name cannot be resolved.
        """
        async with self._slots:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[list[ResolveResult]] = loop.create_future()
            work = _Resolution(lambda: self._resolve(host, port, family), answer, loop)
            Thread(target=work.run, name=f"resolve {host}"[:60], daemon=True).start()
            return await answer

    async def close(self) -> None:
        """Do nothing: a thread ends with its name."""


class _Resolution:
    """The work of one thread."""

    def __init__(
        self,
        resolve: Callable[[], list[ResolveResult]],
        answer: asyncio.Future[list[ResolveResult]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._resolve, self._answer, self._loop = resolve, answer, loop

    def run(self) -> None:
        """Resolve the name, and hand the result over."""
        try:
            found = self._resolve()
        except OSError as error:
            self._hand_over(self._fail, error)
        except UnicodeError:  # a name that has no form in DNS
            self._hand_over(self._fail, OSError("the name cannot be written as a host name"))
        else:
            self._hand_over(self._succeed, found)

    def _hand_over(self, take: Callable[..., None], result: object) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(take, result)

    def _succeed(self, found: list[ResolveResult]) -> None:
        if not self._answer.done():
            self._answer.set_result(found)

    def _fail(self, error: OSError) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


def _resolve(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            host=_numeric_host(address),
            port=int(address[1]),
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in infos
        if isinstance(address[0], str)  # without support of IPv6 it is a number
    ]


def _numeric_host(address: tuple[object, ...]) -> str:
    host = str(address[0])
    if len(address) == _WITH_SCOPE and address[3]:  # a link-local address needs its interface
        return socket.getnameinfo((host, *address[1:]), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]  # type: ignore[arg-type]
    return host
