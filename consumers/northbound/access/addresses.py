"""Which addresses are trusted: those of this machine, of proxies, and of the identity provider."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consumers.spokes.security.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Network = IPv4Network | IPv6Network
_MAX_HOPS = 20  # of `X-Forwarded-For` that are looked at
_FORWARDED_FOR = "X-Forwarded-For"


def jwks_url_mistake(url: str) -> str | None:
    """Return why keys must not be fetched from an address, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "must be an address that begins with https://"
    if parts.scheme not in ("http", "https") or not host or " " in url or not url.isprintable():
        return "must be an address that begins with https://"
    if parts.username is not None or parts.password is not None:
        return "must not have a user or a password in it"
    if parts.scheme == "http" and not is_loopback(host):
        return "must begin with https://: anyone on the way could replace the keys"
    return None


def read_networks(text: str) -> tuple[Network, ...]:
    """Return networks that are separated by commas or spaces.

    Raises:
        ValueError: one is no network.
    """
    return tuple(ip_network(word) for word in text.replace(",", " ").split())


def client_address(peer: str, headers: Mapping[str, str], proxies: Sequence[Network]) -> str:
    """Return the address of a client: of the connection, or what trusted proxies have added to `X-Forwarded-For`.

    The header is read from its end, because a client can write its beginning.
    """
    if not proxies or not _is_within(peer, proxies):
        return peer
    hops = [hop.strip() for hop in headers.get(_FORWARDED_FOR, "").split(",")]
    for hop in reversed(hops[-_MAX_HOPS:]):
        address = _address(hop)
        if address is None:
            return peer
        if not _is_within(hop, proxies):
            return str(address)
        peer = str(address)
    return peer


def _is_within(host: str, networks: Sequence[Network]) -> bool:
    address = _address(host)
    return address is not None and any(address in network for network in networks)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
