"""Unit tests cannot reach the network, and their event loops still work."""

import asyncio
import socket

import pytest


def test_a_unit_test_that_opens_a_socket_is_told_where_it_belongs() -> None:
    with pytest.raises(RuntimeError, match="tests/integration"):
        socket.create_connection(("127.0.0.1", 9), timeout=0.1)


async def test_an_event_loop_runs_without_the_network() -> None:
    assert await asyncio.wait_for(asyncio.sleep(0, result="here"), timeout=5) == "here"
