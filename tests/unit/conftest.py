"""Keep unit tests off the network: a test that opens a socket belongs in another folder."""

import socket
from collections.abc import Iterator

import pytest


class OfflineSocket(socket.socket):
    """A socket that may only join two ends of this process, as event loops do."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002 - the name it has in socket.socket
        """Refuse every family that leaves the process."""
        # -1 with a file descriptor: asyncio wraps a socket pair that it already has.
        if fileno is None and family != socket.AF_UNIX:
            raise RuntimeError("A unit test opened a socket; move it to tests/contract or tests/integration.")
        super().__init__(family, type, proto, fileno)


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    """Take the network away while a unit test runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", OfflineSocket)
        yield
