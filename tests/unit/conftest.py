"""Unit tests have no network: a test that opens a socket belongs in another folder."""

import socket
from collections.abc import Iterator

import pytest


class OfflineSocket(socket.socket):
    """A socket that only connects two ends within this process, as event loops need it."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002 - the name it has in socket.socket
        """Raise for every address family that leaves the process."""
        # -1 with a file descriptor: asyncio wraps an existing socket pair.
        if fileno is None and family != socket.AF_UNIX:
            raise RuntimeError("A unit test opened a socket; move it to tests/contract or tests/integration.")
        super().__init__(family, type, proto, fileno)


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    """Disable the network while a unit test runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", OfflineSocket)
        yield
