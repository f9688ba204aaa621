"""Read a file that an operator names, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from southbound.cli.exit_codes import invalid_input


def read_input(file: str, expected: str) -> tuple[str, str]:
    """Return the text of a file (`-` is standard input), and its name for error messages.

    Raises:
        CommandFailedError: it cannot be read; `expected` says what to name instead, such as `a file of events`.
    """
    try:
        text, name = (sys.stdin.read(), "stdin") if file == "-" else (Path(file).read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise invalid_input([f"{file}: cannot be read as text ({reason}): name {expected}, or -"]) from None
    return text.removeprefix("\ufeff"), name  # the byte order mark of editors on Windows
