"""Read the text of a file, or of standard input, for a command."""

from __future__ import annotations

import sys
from pathlib import Path

from schemas.files.text_file import TextFileError, read_text_file, read_text_stream
from southbound.exit_codes import invalid_input

MAX_INPUT_BYTES = 20_000_000  # commands hold the whole content in memory, several times


def read_input(file: str, expected: str) -> tuple[str, str]:
    """Return the text of a file, `-` for standard input, and its name in error messages.

    Raises:
        CommandFailedError: it cannot be read; `expected` says what to name instead, such as `a file of events`.
    """
    name = "stdin" if file == "-" else file
    try:
        text = (
            read_text_stream(sys.stdin.buffer, MAX_INPUT_BYTES)
            if file == "-"
            else read_text_file(Path(file), MAX_INPUT_BYTES)
        )
    except TextFileError as error:
        raise invalid_input([f"{file}: {error.problem}: name {expected}, or -"]) from None
    except OSError as error:
        raise invalid_input([f"{file}: cannot be read as text ({error.strerror}): name {expected}, or -"]) from None
    return text.removeprefix("\ufeff"), name  # what editors on Windows put before it
