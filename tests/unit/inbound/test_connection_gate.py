"""At a limit, a connection without a whole request makes room for a new one, and a busy one never does."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.connection_gate import ConnectionGate, ConnectionLimits, peer_network

LIMITS = ConnectionLimits(total=4, per_peer=2)


@dataclass(eq=False, slots=True)
class FakeConnection:
    """A connection whose state the test sets."""

    peer: str = "a"
    waits: bool = True
    evicted: bool = False

    def evict(self) -> None:
        self.evicted = True


def test_the_oldest_waiting_connection_of_a_peer_makes_room() -> None:
    gate = ConnectionGate(LIMITS)
    busy, oldest, new = FakeConnection(waits=False), FakeConnection(), FakeConnection()
    assert [gate.admit(connection) for connection in (busy, oldest, new)] == [True] * 3
    assert [connection.evicted for connection in (busy, oldest, new)] == [False, True, False]


def test_a_peer_whose_connections_are_all_busy_gets_no_more() -> None:
    gate = ConnectionGate(LIMITS)
    assert gate.admit(FakeConnection(waits=False))
    assert gate.admit(FakeConnection(waits=False))
    assert not gate.admit(FakeConnection())
    assert gate.admit(FakeConnection(peer="b"))


def test_half_of_the_descriptors_are_left_for_the_rest_of_the_process() -> None:
    limits = ConnectionLimits(total=1_000, per_peer=500).within(1_024)
    assert (limits.total, limits.per_peer) == (512, 256)
    assert ConnectionLimits(total=1_000, per_peer=500).within(2**20).total == 1_000


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:10.0.0.1", "::ffff:a00:1"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one_peer(host: str, network: str) -> None:
    assert peer_network(host) == network


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=40))
def test_the_limits_hold_and_no_busy_connection_is_evicted(steps: list[tuple[str, bool, bool]]) -> None:
    gate, held = ConnectionGate(LIMITS), []
    for peer, waits, removes in steps:
        connection = FakeConnection(peer=peer, waits=waits)
        if gate.admit(connection):
            held.append(connection)
        held = [one for one in held if not one.evicted]
        if removes and held:
            gate.remove(held.pop())
        assert len(gate) == len(held) <= LIMITS.total
        assert all(sum(one.peer == name for one in held) <= LIMITS.per_peer for name in "abc")
    assert all(one.waits for one in held if one.evicted)
