"""Authenticate callbacks by the client certificate that a trusted proxy has checked."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha1, sha256
from hmac import compare_digest
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from multidict import MultiMapping

    from consumers.spokes.security.callback_credentials import CallbackCertificate

_MAX_HEADER = 8_000  # characters; a certificate is shorter


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAuthenticator:
    """Accepts requests of a proxy that names a known certificate."""

    settings: CallbackCertificate
    proxies: tuple[IPv4Network | IPv6Network, ...]

    def accepts(self, headers: MultiMapping[str], peer: str = "") -> bool:
        """Return whether the peer is a proxy of the profile, and the certificate one that it names."""
        # A header that is there twice was sent by the client too: the proxy added its own one to it.
        written = headers.getall(self.settings.header, [])
        if len(written) != 1 or not self._is_proxy(peer):
            return False
        given = written[0].strip()
        if len(given) > _MAX_HEADER:
            return False
        if self.settings.subjects:
            return _is_one_of(given, self.settings.subjects)
        return any(_is_one_of(one, self.settings.fingerprints) for one in _fingerprints(given))

    def accepts_body(self, headers: MultiMapping[str], body: bytes) -> bool:  # noqa: ARG002 - the port passes them
        """Return True."""
        return True

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.proxies)


def certificate_authenticator(settings: CallbackCertificate) -> CertificateAuthenticator:
    """Return the check that a profile asks for."""
    return CertificateAuthenticator(settings=settings, proxies=tuple(ip_network(one) for one in settings.proxies))


def _is_one_of(given: str, known: tuple[str, ...]) -> bool:
    return any(compare_digest(given.encode(errors="surrogateescape"), one.encode()) for one in known)


def _fingerprints(given: str) -> tuple[str, ...]:
    """Return the fingerprint in a header; of a whole certificate (RFC 9440) both kinds of fingerprint."""
    if not given.startswith(":"):
        return (given.removeprefix("sha256=").replace(":", "").lower(),)
    try:
        certificate = b64decode(given.strip(":"), validate=True)
    except ValueError:
        return ()
    return (
        sha256(certificate).hexdigest(),
        sha1(certificate, usedforsecurity=False).hexdigest(),
    )
