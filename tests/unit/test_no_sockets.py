"""Unit tests cannot open network connections, and their event loops still work."""

import asyncio
import socket

import pytest


def test_opening_a_socket_in_a_unit_test_raises_with_the_right_folder() -> None:
    with pytest.raises(RuntimeError, match="tests/integration"):
        socket.create_connection(("127.0.0.1", 9), timeout=0.1)


async def test_an_event_loop_runs_without_network_sockets() -> None:
    assert await asyncio.wait_for(asyncio.sleep(0, result="here"), timeout=5) == "here"
