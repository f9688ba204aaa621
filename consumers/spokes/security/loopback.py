"""Decide which addresses are on this machine."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: only its processes reach a socket that is bound to it."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:  # a name could mean any address
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
