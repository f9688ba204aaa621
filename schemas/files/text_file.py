"""Read text files in UTF-8, up to a size."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


class TextFileError(Exception):
    """The content of a file cannot be used as text: what is wrong, and the line if it is known."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def read_text_file(path: Path, max_bytes: int) -> str:
    """Return the text of a file.

    Raises:
        TextFileError: it cannot be opened, has more bytes, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            return read_text_stream(file, max_bytes)
    except (OSError, ValueError) as error:  # ValueError: the path has a NUL character
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise TextFileError(f"cannot be read as text ({why})") from None


def read_text_stream(file: BinaryIO, max_bytes: int) -> str:
    """Return the text of an open file.

    Raises:
        OSError: it cannot be read.
        TextFileError: it has more bytes, or is not UTF-8.
    """
    # One byte more shows that there is more; a pipe or a device may never end.
    content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise TextFileError(f"has more than {max_bytes // 1_000_000} MB: split it, or correct the path")
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise TextFileError("is text in UTF-16: save it as UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TextFileError(
            "is not text in UTF-8: save it as UTF-8", content.count(b"\n", 0, error.start) + 1
        ) from None
