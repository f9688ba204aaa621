"""Choose ports for servers that open them later: the kernel gives none of these to anybody meanwhile."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing, suppress
from secrets import randbelow

LOWEST, HIGHEST = 12_000, 30_000  # below the ports that Linux gives to connections and to servers that ask for any


def a_quiet_port(neighbours: int = 1) -> int:
    """Return the first of so many neighbouring ports that are free."""
    for _ in range(100):
        first = LOWEST + randbelow(HIGHEST - LOWEST)
        with suppress(OSError), ExitStack() as stack:
            for port in range(first, first + neighbours):
                stack.enter_context(closing(socket.socket())).bind(("127.0.0.1", port))
            return first
    raise AssertionError("no port is free")
