"""Decide which connections a server keeps when more arrive than it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

_IPV6_NETWORK_BITS = 64  # what one subscriber usually has


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits of the connections of one server. Times are in seconds."""

    total: int = 1_000
    per_peer: int = 500
    # For the head of a request, from its first byte or from the connection on; and for a client to take a response.
    head_timeout: float = 10.0
    idle_timeout: float = 75.0  # between two requests; longer than what most proxies keep

    def within(self, descriptors: int) -> ConnectionLimits:
        """Return limits that leave half of the descriptors of the process for everything else."""
        total = max(1, min(self.total, descriptors // 2))
        return ConnectionLimits(
            total=total,
            per_peer=max(1, min(self.per_peer, total // 2)),
            head_timeout=self.head_timeout,
            idle_timeout=self.idle_timeout,
        )


class GatedConnection(Protocol):
    """A connection of the server."""

    @property
    def peer(self) -> str:
        """The network that it comes from, see `peer_network`."""

    @property
    def waits(self) -> bool:
        """Whether it is idle: no complete request has arrived since the last response, or that is not taken."""

    def evict(self) -> None:
        """Close it."""


class ConnectionGate:
    """The connections of one server, oldest first.

    At a limit, the oldest idle connection (without a complete request) is evicted for the new one. So a client that
    opens connections without completing a request only evicts its own, and a complete request is served.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._all: dict[GatedConnection, None] = {}
        self._by_peer: dict[str, dict[GatedConnection, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, connection: GatedConnection) -> bool:
        """Add a connection; return False if every other one is busy with a request, so that it has to be closed."""
        of_peer = self._by_peer.get(connection.peer, {})
        if len(of_peer) >= self._limits.per_peer and not self._make_room(of_peer):
            return False
        if len(self._all) >= self._limits.total and not self._make_room(self._all):
            return False
        self._all[connection] = None
        self._by_peer.setdefault(connection.peer, {})[connection] = None
        return True

    def remove(self, connection: GatedConnection) -> None:
        """Remove a closed connection; nothing happens if it was not admitted or was evicted."""
        self._all.pop(connection, None)
        of_peer = self._by_peer.get(connection.peer, {})
        of_peer.pop(connection, None)
        if not of_peer:
            self._by_peer.pop(connection.peer, None)

    def _make_room(self, connections: Iterable[GatedConnection]) -> bool:
        oldest = next((connection for connection in connections if connection.waits), None)
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.evict()
        return True


def peer_network(host: str) -> str:
    """Return what counts as one peer: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Address(int(address) >> _IPV6_NETWORK_BITS << _IPV6_NETWORK_BITS))
    return str(address)
