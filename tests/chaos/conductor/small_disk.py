"""A file system of its own that can be filled to the last byte, and has room again."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILL_CHUNK = 64 * 1024
SMALL_DISK = 192  # MiB: the log of PostgreSQL alone begins with 16


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """One such file system, mounted at `path`."""

    path: Path

    def fill(self) -> None:
        """Write to it until nothing is left."""
        with self._filler.open("wb", buffering=0) as output:
            for size in (FILL_CHUNK, 512):
                with suppress(OSError):
                    while output.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        """Remove what `fill` wrote."""
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.path / "filler"


@contextmanager
def a_small_disk() -> Iterator[SmallDisk]:
    """Mount a file system in memory while the block runs; only root may.

    Raises:
        CalledProcessError: this user may not mount it.
    """
    with TemporaryDirectory(prefix="southbound-disk-") as place:
        options = f"size={SMALL_DISK}m,mode=0777"
        _run_as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", place)
        try:
            yield SmallDisk(Path(place))
        finally:
            # Lazily: a process that is ending may still have a file open.
            _run_as_root("umount", "--lazy", place)


def _run_as_root(program: str, *words: str) -> None:
    subprocess.run([shutil.which(program) or program, *words], check=True, timeout=30)
