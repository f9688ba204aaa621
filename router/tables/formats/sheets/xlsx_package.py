"""Open a spreadsheet from an untrusted source: its size is limited, and XML that could expand is refused."""

from __future__ import annotations

import re
import zlib
from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from openpyxl import load_workbook
from openpyxl.utils import column_index_from_string
from openpyxl.utils.exceptions import InvalidFileException

from router.tables.diagnostics import TableErrors
from router.tables.formats.xml_limits import XmlLimitError, check_xml_limits

if TYPE_CHECKING:
    from openpyxl import Workbook


MAX_BYTES = 10_000_000

MAX_UNPACKED_BYTES = 40_000_000  # a table of 10,000 rows and ten columns has about 10 MB

_MAX_PARTS = 1_000

_MAX_MERGED_CELLS = 100_000

_MAX_OTHER_BYTES = 3_000_000  # of one part without cells: openpyxl takes about 30 times as much memory

_MAX_CELL_CHARACTERS = 100_000  # Excel's own limit is 32,767; escapes have seven characters for one

_WITH_CELLS = re.compile(r"/?xl/(?:worksheets/[^/]*|sharedstrings)\.xml")

_CELLS = frozenset({"c", "si"})

_MERGED = re.compile(
    rb"<(?:\w+:)?mergeCell\s[^>]*ref\s*=\s*[\"']\$?([A-Za-z]{1,3})\$?([0-9]{1,7}):\$?([A-Za-z]{1,3})\$?([0-9]{1,7})[\"']"
)


# All errors that zipfile, the XML parser and openpyxl raise for damaged files.
READ_ERRORS = (
    AttributeError, BadZipFile, EOFError, InvalidFileException, KeyError, IndexError, NotImplementedError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError, zlib.error,
)  # fmt: skip


def open_workbook(content: bytes, source: str, *, read_only: bool) -> Workbook:
    """Open an XLSX file.

    Raises:
        TableErrors: it is not an XLSX file, is too large, or contains XML that a table does not need.
    """
    if len(content) > MAX_BYTES:
        raise _error(source, f"has more than {MAX_BYTES // 1_000_000} MB: a table needs no pictures, remove them")
    try:
        _check_parts(content, source)
        return load_workbook(BytesIO(content), read_only=read_only)
    except TableErrors:
        raise
    except READ_ERRORS:
        raise not_readable_error(source) from None


def _check_parts(content: bytes, source: str) -> None:
    with ZipFile(BytesIO(content)) as parts:
        entries, remaining = parts.infolist(), MAX_UNPACKED_BYTES
        if len(entries) > _MAX_PARTS or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
            raise _too_large_error(source)
        for entry in entries:
            with parts.open(entry) as file:  # the size in the header may be wrong
                part = file.read(remaining + 1)
            remaining -= len(part)
            if remaining < 0:
                raise _too_large_error(source)
            _check_xml(part, source)
            _check_limits(entry.filename.lower(), part, source)


def _check_limits(name: str, part: bytes, source: str) -> None:
    if _WITH_CELLS.fullmatch(name):
        try:
            check_xml_limits(part, max_text=_MAX_CELL_CHARACTERS, text_of=_CELLS)
        except XmlLimitError as error:
            raise _error(source, str(error)) from None
    elif name.endswith((".xml", ".rels")) and len(part) > _MAX_OTHER_BYTES:
        size = f"{_MAX_OTHER_BYTES // 1_000_000} MB"
        raise _error(
            source, f"has more than {size} of styles, names or the like ({name}): copy the table to a new file"
        )


def _too_large_error(source: str) -> TableErrors:
    return _error(source, f"unpacks to more than {MAX_UNPACKED_BYTES // 1_000_000} MB: save only the table itself")


def _check_xml(part: bytes, source: str) -> None:
    # Excel writes UTF-8 and no DOCTYPE; this search would not find a DOCTYPE in UTF-16.
    if b"<!DOCTYPE" in part or part.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")):
        raise _error(source, "declares XML types, which Excel never does: save it anew with Excel or LibreOffice")
    if sum(map(_merged_cells, _MERGED.finditer(part))) > _MAX_MERGED_CELLS:
        raise _error(source, f"merges more than {_MAX_MERGED_CELLS:,} cells, each of which takes memory: unmerge them")


def _merged_cells(merged: re.Match[bytes]) -> int:
    left, top, right, bottom = (group.decode() for group in merged.groups())
    columns = abs(column_index_from_string(right) - column_index_from_string(left)) + 1
    rows = abs(int(bottom) - int(top)) + 1
    return int(columns) * rows


def not_readable_error(source: str) -> TableErrors:
    """Return the error for a file that is not a spreadsheet."""
    return _error(source, "is not an XLSX file, or is protected by a password: save it as .xlsx without one")


def _error(source: str, reason: str) -> TableErrors:
    return TableErrors([f"{source}: {reason}"])


# Characters that XML 1.0 does not allow or keep, and texts that look like an escape.
_TO_ESCAPE = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|_(?=x[0-9A-Fa-f]{4}_)")

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def escape_for_xlsx(text: str) -> str:
    """Return a text with the escapes of XLSX."""
    return _TO_ESCAPE.sub(lambda match: f"_x{ord(match[0]):04X}_", text)


def unescape_from_xlsx(text: str) -> str:
    """Return a text without the escapes of XLSX."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
