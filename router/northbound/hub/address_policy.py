"""Decide to which addresses notifications may be sent.

A subscriber chooses the address, so without a policy it could make the gateway call what only the gateway reaches:
services on its own machine and network, and the metadata services of clouds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?")
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")  # read as an IPv4 address by some, as 127.1 is
# Python calls these global, depending on its version.
_INSIDE = (
    IPv4Network("168.63.129.16/32"),  # a public number, and yet answered inside of Azure only (WireServer)
    IPv4Network("192.0.0.0/24"),  # protocol assignments; metadata of Oracle Cloud
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
)
# IPv6 addresses that stand for an IPv4 address, which is behind a translator: (network, bits behind the IPv4 address).
_TRANSLATED = (
    (IPv6Network("::/96"), 0),  # IPv4-compatible
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated (SIIT)
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # IANA has allocated no other addresses that are public
_NEVER_GLOBAL = (
    IPv6Network("2001::/23"),  # protocol assignments, with Teredo
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("3fff::/20"),  # documentation
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Which callbacks are allowed.

    `hosts`: names, or `*.example.com` for all names below it; none: every host. `networks`: networks that are allowed
    although they are not public.
    """

    hosts: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    allows_http: bool = False

    def refusal_of_url(self, scheme: str, host: str) -> str | None:
        """Return why an address may not be called, as far as its text shows that; None if it may."""
        if scheme != "https" and not (scheme == "http" and self.allows_http):
            return "is not https"
        address = parse_address(host)
        if self.hosts and not any(_names(pattern, host) for pattern in self.hosts):
            return "names a host that `hub.allowed_hosts` does not allow"
        if address is not None:
            return self.refusal_of_address(address)
        is_name = _HOST.fullmatch(host.lower()) and not _NUMBER.fullmatch(host.lower())
        return None if is_name else "names no host"

    def refusal_of_address(self, address: IPv4Address | IPv6Address) -> str | None:
        """Return why no connection may be made to an IP address; None if one may."""
        if any(_lies_in(address, network) for network in self.networks) or is_public(address):
            return None
        return "leads to an address that is not public, and `hub.allowed_networks` does not allow it"


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a host is written as; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Return a network such as `10.20.0.0/16`.

    Raises:
        ValueError: it is none.
    """
    return ip_network(text.strip())


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of the public internet, also where it stands for another one."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in network for network in _INSIDE)
    inner = embedded_address(address)
    if inner is not None:
        return is_public(inner)
    is_reserved = any(address in network for network in _NEVER_GLOBAL)
    return address.is_global and address in _GLOBAL_UNICAST and not is_reserved


def embedded_address(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address embeds, or None."""
    bits = next((bits for network, bits in _TRANSLATED if address in network), None)
    return None if bits is None else IPv4Address(int(address) >> bits & 0xFFFF_FFFF)


def _lies_in(address: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> bool:
    if address.version == network.version:
        return address in network
    # An operator who allows 10.0.0.0/8 also means ::ffff:10.0.0.1, and nothing else of IPv6.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped is not None and mapped in network


def _names(pattern: str, host: str) -> bool:
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern
