"""Write a file that a command was asked for, without following a link and without losing what was there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from southbound.exit_codes import invalid_input
from southbound.operations.console import print_status

if TYPE_CHECKING:
    from pathlib import Path

_MAX_COPIES = 99


def write_output_file(content: bytes, out: Path) -> None:
    """Write a file; one that is there already is replaced as a whole, and a line says so. A link is refused.

    Raises:
        CommandFailedError: with what to do.
    """
    try:
        if out.is_symlink():
            raise invalid_input([f"{out}: is a link, which is not followed: name the file itself"])
        if not out.is_file():
            create_file(content, out)
        elif out.read_bytes() != content:
            replace_file(content, out)
            print_status(f"{out} existed and was replaced")
    except OSError as error:
        raise invalid_input([f"{out}: cannot be written ({error.strerror}): correct the path"]) from None


def create_file(content: bytes, path: Path) -> None:
    """Write a new file.

    Raises:
        FileExistsError: the name is taken, also by a link that leads nowhere.
        OSError: it cannot be written.
    """
    with path.open("xb") as file:
        file.write(content)


def replace_file(content: bytes, path: Path) -> None:
    """Replace a file as a whole, so that a reader finds the old content or the new; its permissions stay.

    Raises:
        OSError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        create_file(content, beside)
        beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    except FileExistsError:  # it is not ours, so it stays
        raise
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def free_name(path: Path) -> Path:
    """Return the name, or if it is taken the first of `NAME-2`, `NAME-3` … that is free.

    Raises:
        FileExistsError: all of them are taken.
    """
    stem, suffix = path.name.removesuffix(path.suffix), path.suffix
    names = (path, *(path.with_name(f"{stem}-{number}{suffix}") for number in range(2, _MAX_COPIES + 1)))
    free = next((name for name in names if not os.path.lexists(name)), None)
    if free is None:
        raise FileExistsError(17, "too many copies", str(path))
    return free
