"""The HTTP proxy of a profile, with its password as it is now."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from yarl import URL

from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.security.secret_source import SecretSource

if TYPE_CHECKING:
    from consumers.spokes.conventions.http_conventions import ProxySettings


class ProxySecretMissingError(SecretMissingError):
    """The password of a proxy is not where the profile says."""


class ClientProxy:
    """An HTTP proxy. A renewed password is used for connections that are made later."""

    def __init__(self, url: str, username: str, password: SecretSource | None) -> None:
        self.url = URL(url)
        self._username = username
        self._password = password

    def headers(self) -> dict[str, str]:
        """Return the headers with credentials (RFC 7617), for what the proxy reads: CONNECT, or a forwarded request."""
        if self._password is None:
            return {}
        pair = f"{self._username}:{self._password.current().get_secret_value()}"
        return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def client_proxy(settings: ProxySettings) -> ClientProxy | None:
    """Return the proxy of a profile; None if it names none.

    Raises:
        ProxySecretMissingError: its password is not where the profile says.
    """
    if settings.url is None:
        return None
    try:
        password = SecretSource(settings.password, {}) if settings.password else None
    except SecretMissingError as error:
        raise ProxySecretMissingError(str(error)) from error
    return ClientProxy(settings.url, settings.username or "", password)
