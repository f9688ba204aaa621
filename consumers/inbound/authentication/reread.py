"""Read the secret of callbacks again when its file has changed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from consumers.spokes.credentials import SecretMissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import MultiMapping

    from consumers.inbound.authentication.port import CallbackAuthenticator
    from consumers.spokes.security.secret_source import SecretSource


class RereadingAuthenticator:
    """Checks requests with the secret that is in the file now, or the last one that could be used."""

    def __init__(self, source: SecretSource, build: Callable[[str], CallbackAuthenticator]) -> None:
        """Build the check for the first time.

        Raises:
            SecretMissingError: the secret cannot be used.
        """
        self._source = source
        self._build = build
        self._secret = source.current()
        self._check = build(self._secret.get_secret_value())

    def accepts(self, headers: MultiMapping[str], peer: str = "") -> bool:
        """Return what the check with the current secret returns."""
        return self._current().accepts(headers, peer)

    def accepts_body(self, headers: MultiMapping[str], body: bytes) -> bool:
        """Return what the check with the current secret returns."""
        return self._current().accepts_body(headers, body)

    def _current(self) -> CallbackAuthenticator:
        secret = self._source.current()
        if secret is not self._secret:
            self._secret = secret
            with suppress(SecretMissingError):  # it is not encoded as the profile says
                self._check = self._build(secret.get_secret_value())
        return self._check
