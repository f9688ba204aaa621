"""Keep a port for a server that has not started yet."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from southbound.broker.broker import BrokerUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of this machine that is given to nobody else."""

    port: int

    @property
    def address(self) -> str:
        """Where to connect."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def reserve(port: int = 0) -> Iterator[Port]:
    """Reserve a port, or any free one, while the block runs.

    Raises:
        BrokerUnavailableError: the port is taken.
    """
    # Bound and not listening, with SO_REUSEADDR: the kernel hands the port to nobody else,
    # yet Java, which sets SO_REUSEADDR too, can listen on it.
    with closing(socket.socket()) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
        except OSError as trouble:
            raise BrokerUnavailableError(f"Port {port} is taken ({trouble.strerror}); choose another.") from None
        yield Port(port=held.getsockname()[1])
