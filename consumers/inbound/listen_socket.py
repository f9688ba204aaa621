"""Bind the port of the listener, or raise one sentence on why that is not possible."""

from __future__ import annotations

import errno
import socket


class CannotListenError(Exception):
    """The port is taken or the address is not ours; the message names it and what to do."""


def open_port(host: str, port: int, setting: str = "port") -> socket.socket:
    """Bind a TCP port; 0 takes a free one. An error names the setting that chooses another one.

    Raises:
        CannotListenError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise CannotListenError(_sentence(host, port, setting, error)) from error


def bound_port(bound: socket.socket) -> int:
    """Return the port that was bound."""
    return int(bound.getsockname()[1])


def _sentence(host: str, port: int, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken: stop what listens on {host}:{port}, or choose another {setting}"
    return f"cannot listen on {host}:{port}: {error.strerror or error}; choose another one"
