"""Read secrets from where a profile says, and again when a file has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from consumers.spokes.credentials import SecretMissingError, fetch_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    Stamp = tuple[int, int, int]


class SecretSource:
    """The current value of one secret. An environment variable is read once, a file whenever it has changed."""

    def __init__(self, reference: str, environment: Mapping[str, str]) -> None:
        """Read the secret for the first time.

        Raises:
            SecretMissingError: it is not there, or it is empty.
        """
        self.reference = reference
        kind, _, location = reference.partition(":")
        self._path = Path(location) if kind == "file" else None
        self._stamp = file_stamp(self._path) if self._path else None  # before the file is read: it may change meanwhile
        self._secret = fetch_secret(reference, environment)

    def current(self) -> SecretStr:
        """Return the secret; the last one that could be read, while the file is being replaced."""
        if self._path is not None and (stamp := file_stamp(self._path)) != self._stamp:
            try:
                self._secret = fetch_secret(self.reference, {})
                self._stamp = stamp
            except SecretMissingError:
                pass  # read again at the next call
        return self._secret


def file_stamp(path: Path) -> Stamp | None:
    """Return what changes when a file is written or replaced; None if it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
