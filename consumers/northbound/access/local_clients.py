"""Serve clients on the same machine without credentials, and nobody who reaches it through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yarl import URL

from consumers.northbound.access.authenticator import AuthenticatedClient
from consumers.northbound.access.refusals import AccessRefusedError
from consumers.spokes.security.loopback import is_loopback
from router.northbound.principal import LOCAL_PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a reverse proxy adds: it serves others than the clients of this machine.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
_LOCAL = AuthenticatedClient(principal=LOCAL_PRINCIPAL, credential="none")


class LocalAuthenticator:
    """Accepts every request to a loopback address that is neither forwarded nor made by a page of another site.

    A browser on this machine reaches the address for every page that it shows: such a request names the page in
    `Origin`, and the name by which the page reached us in `Host`.
    """

    @property
    def challenge(self) -> str:
        """The challenge of requests that are refused; there are no credentials to ask for."""
        return ""

    async def authenticate(self, headers: Mapping[str, str]) -> AuthenticatedClient | None:
        """Return the local client.

        Raises:
            AccessRefusedError: the request may come from elsewhere.
        """
        if any(name in headers for name in _FORWARDED):
            raise _refusal("the request was forwarded by a proxy")
        if not _names_loopback(f"http://{headers.get('Host', '')}"):
            raise _refusal("the request names another host than a loopback address")
        if (origin := headers.get("Origin")) is not None and not _names_loopback(origin):
            raise _refusal("the request is made by a page of another site")
        return _LOCAL


def _refusal(reason: str) -> AccessRefusedError:
    return AccessRefusedError(403, "notLocal", f"{reason}, and authentication is off: set access.keys or access.issuer")


def _names_loopback(address: str) -> bool:
    try:
        host = URL(address).host
    except ValueError:
        return False
    return host is not None and is_loopback(host)
