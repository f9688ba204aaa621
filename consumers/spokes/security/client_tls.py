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
    """The TLS context of one system. It is another one once a file has changed, and with it the connections."""

    def __init__(self, settings: TlsSettings, clock: Callable[[], float]) -> None:
        """Load all files for the first time.

        Raises:
            SecretMissingError: a file is missing, or is no certificate or key, or a key does not fit.
        """
        self._settings = settings
        password = settings.key_password
        self._password = SecretSource(password, {}) if password else None
        self._clock = clock
        self._stamps = self._read_stamps()
        self._context = self._load()
        self._look_at = clock() + CHECK_INTERVAL

    def current(self) -> ssl.SSLContext:
        """Return the context for the files as they are; while they do not fit together, that of the last ones."""
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + CHECK_INTERVAL
            self._refresh()
        return self._context

    def _refresh(self) -> None:
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return
        try:
            # A new one, because a context forgets no authority that it was told to trust.
            self._context = self._load()
        except SecretMissingError:
            return  # somebody is writing them: they are read again at the next look
        self._stamps = stamps

    def _read_stamps(self) -> tuple[Stamp | None, ...]:
        settings = self._settings
        return tuple(file_stamp(Path(path)) for path in (settings.ca, settings.certificate, settings.key) if path)

    def _load(self) -> ssl.SSLContext:
        settings, context = self._settings, ssl.create_default_context()
        if settings.ca:
            _load(lambda: context.load_verify_locations(cafile=settings.ca), "ca", settings.ca)
        if settings.certificate:
            password = self._password.current().get_secret_value() if self._password else ""
            certificate, key = settings.certificate, settings.key
            # A function, because OpenSSL would ask at the terminal for a password that is None.
            _load(lambda: context.load_cert_chain(certificate, key, lambda: password), "certificate", certificate)
        return context


def client_tls(settings: TlsSettings) -> ClientTls | None:
    """Return the TLS context of a profile; None if it names no file, so that aiohttp's own is used.

    Raises:
        SecretMissingError: a file cannot be used.
    """
    return ClientTls(settings, time.monotonic) if settings.ca or settings.certificate else None


def server_name_at(settings: TlsSettings, origin: str, system: str) -> str | None:
    """Return the name that a certificate must have instead of the host of `origin`; `system` is the system's origin.

    None: that host. Another origin, such as that of a token endpoint, has a certificate of its own.
    """
    return settings.server_name if origin == system else None


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
