"""Keep the API keys of a file, and read them again when it has changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumers.northbound.access.key_file import KeyFileError, load_key_file
from consumers.spokes.security.secret_source import file_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from consumers.northbound.access.api_keys import KnownKey
    from consumers.northbound.access.key_file import KeyFile
    from consumers.spokes.security.secret_source import Stamp

LOOK_EVERY = 1.0  # seconds between two looks at the files


class KeySource:
    """The present keys. `warn` is called with each mistake of a changed file, whose keys are not used then."""

    def __init__(
        self, path: Path, environment: Mapping[str, str], clock: Callable[[], float], warn: Callable[[str], None]
    ) -> None:
        """Read the keys for the first time.

        Raises:
            KeyFileError: the file cannot be used.
        """
        self._path = path
        self._environment = environment
        self._clock = clock
        self._warn = warn
        self._file: KeyFile = load_key_file(path, environment)
        # A file may have changed before its stamp was taken, so that the first look reads it once more.
        self._stamps: tuple[Stamp | None, ...] | None = None
        self._looked_at = clock()

    @property
    def keys(self) -> tuple[KnownKey, ...]:
        """The keys that were read last."""
        return self._file.keys

    async def refresh(self) -> None:
        """Read the keys again if a second has passed and a file has changed; concurrent callers do not wait for it."""
        now = self._clock()
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        stamps = self._present_stamps()
        if stamps == self._stamps:
            return
        try:
            read = await asyncio.to_thread(load_key_file, self._path, self._environment)
        except KeyFileError as error:
            for mistake in error.mistakes:
                self._warn(mistake)
            self._stamps = stamps
            return
        # Changed keys may be in other files, whose stamps are not known.
        self._stamps = stamps if read == self._file else None
        if read != self._file:
            self._file = read

    def _present_stamps(self) -> tuple[Stamp | None, ...]:
        return tuple([file_stamp(path) for path in (self._path, *self._file.files)])
