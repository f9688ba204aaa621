"""Make the TLS context of a profile, and load its files again when they have changed."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.security.secret_source import SecretSource, file_stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.spokes.credentials import TlsSettings
    from consumers.spokes.security.secret_source import Stamp

CHECK_INTERVAL = 5.0  # seconds between two looks at the files


class ClientTls:
    """The TLS context of one system. A renewed certificate is used for connections that are made later."""

    def __init__(self, settings: TlsSettings, clock: Callable[[], float]) -> None:
        """Load all files for the first time.

        Raises:
            SecretMissingError: a file is missing, or is no certificate or key, or a key does not fit.
        """
        self._settings = settings
        password = settings.key_password
        self._password = SecretSource(password, {}) if password else None
        self._clock = clock
        self.context = ssl.create_default_context()
        self._stamps = self._read_stamps()
        self._load(self.context)
        self._look_at = clock() + CHECK_INTERVAL

    def refresh(self) -> None:
        """Load the files again if they have changed; while they do not fit together, the last ones are used."""
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + CHECK_INTERVAL
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return
        try:
            self._load(ssl.create_default_context())  # a context with half of a new pair could make no connection
            self._load(self.context)
        except SecretMissingError:
            return  # somebody is writing them: they are read again at the next look
        self._stamps = stamps

    def _read_stamps(self) -> tuple[Stamp | None, ...]:
        settings = self._settings
        return tuple(file_stamp(Path(path)) for path in (settings.ca, settings.certificate, settings.key) if path)

    def _load(self, context: ssl.SSLContext) -> None:
        settings = self._settings
        if settings.ca:
            _load(lambda: context.load_verify_locations(cafile=settings.ca), "ca", settings.ca)
        if settings.certificate:
            password = self._password.current().get_secret_value() if self._password else ""
            certificate, key = settings.certificate, settings.key
            # A function, because OpenSSL would ask at the terminal for a password that is None.
            _load(lambda: context.load_cert_chain(certificate, key, lambda: password), "certificate", certificate)


def client_tls(settings: TlsSettings) -> ClientTls | None:
    """Return the TLS context of a profile; None if it names no file, so that aiohttp's own is used.

    Raises:
        SecretMissingError: a file cannot be used.
    """
    return ClientTls(settings, time.monotonic) if settings.ca or settings.certificate else None


def _load(load: Callable[[], None], field: str, path: str) -> None:
    try:
        load()
    except FileNotFoundError:
        other = ", or for its key" if field == "certificate" else ""
        raise SecretMissingError(f"there is no file for tls.{field} at {path}{other}") from None
    except (OSError, ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or type(error).__name__
        needed = "PEM, with the key that belongs to it" if field == "certificate" else "certificates in PEM"
        raise SecretMissingError(f"tls.{field} cannot be loaded from {path} ({why}): it must be {needed}") from None
