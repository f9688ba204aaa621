"""Load and write tables in all formats: YAML, CSV, XLSX and DMN."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from router.selection.load import build_any, document_of
from router.selection.outbound_policy import OutboundPolicy
from router.selection.selector_file import SELECTOR_SHEETS
from router.selection.spoke_selector import SpokeSelector
from router.tables.diagnostics import TableErrors
from router.tables.formats.loader import table_tree_from_yaml, version_of
from router.tables.formats.sheets.csv_file import table_tree_from_csv, write_csv
from router.tables.formats.yaml_writer import write_yaml
from southbound.operations.tables.dmn import DmnOptions, read_dmn, write_dmn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.selection.load import LoadedTable
    from router.tables.formats.loader import TableTree


class Format(StrEnum):
    """A file format of tables."""

    YAML = "yaml"
    CSV = "csv"
    XLSX = "xlsx"
    DMN = "dmn"


def _read_xlsx(content: bytes, source: str) -> TableTree:
    from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx  # noqa: PLC0415 - importing the reader takes two fifths of the time of a check

    return table_tree_from_xlsx(content, source, SELECTOR_SHEETS)


def _write_xlsx(table: LoadedTable) -> bytes:
    from router.tables.formats.sheets.xlsx_writer import write_xlsx  # noqa: PLC0415 - as above

    return write_xlsx(document_of(table))


SUFFIXES = {".yml": Format.YAML, **{f".{known}": known for known in Format}}
MAX_FILE_BYTES = 20_000_000  # bytes; a table of 10,000 rows has about one million
_UNSUPPORTED_SUFFIXES = (".xls", ".xlsm", ".xlsb", ".ods")
_NO_DMN_OPTIONS = DmnOptions()
_READERS: dict[Format, Callable[[bytes, str, DmnOptions], TableTree]] = {
    Format.YAML: lambda content, source, _: table_tree_from_yaml(_decode_text(content, source), source),
    Format.CSV: lambda content, source, _: table_tree_from_csv(content, source, SELECTOR_SHEETS),
    Format.XLSX: lambda content, source, _: _read_xlsx(content, source),
    Format.DMN: read_dmn,
}
_WRITERS: dict[Format, Callable[[LoadedTable], bytes]] = {
    Format.YAML: lambda table: write_yaml(document_of(table)).encode(),
    Format.CSV: lambda table: write_csv(document_of(table)).encode(),
    Format.XLSX: _write_xlsx,
    Format.DMN: write_dmn,
}


def load_file(
    file: str, spokes: Collection[str] | None = None, options: DmnOptions = _NO_DMN_OPTIONS, *, tested: bool = True
) -> LoadedTable:
    """Load a table of any format. The version of a table that is not YAML is that of its conversion to YAML.

    `options` choose what is read from a DMN model. With `tested` false, its saved tests are read but not run.

    Raises:
        TableErrors: with everything that is wrong, each with its place in the file.
    """
    suffix = Path(file).suffix.lower()
    if suffix in _UNSUPPORTED_SUFFIXES:
        raise TableErrors([f"{file}: tables are not read from {suffix}: save it as .xlsx"])
    tree = replace(_READERS[format_of(file)](_read_content(file), file, options), runs_tests=tested)
    try:
        table = build_any(tree, spokes)
    except TableErrors as error:
        if format_of(file) is Format.DMN and any("is not a fact of a run" in sentence for sentence in error.sentences):
            raise TableErrors([*error.sentences, _path_option_hint(file)]) from None
        raise
    return table if tree.version else _with_version(table, version_of(write_yaml(document_of(table))))


def _path_option_hint(file: str) -> str:
    command = f"southbound tables import {file} --path 'Age=characteristic[age]'"
    return f"{file}: say which facts the inputs stand for, such as `{command}`"


def yaml_text(file: str, table: LoadedTable) -> str:
    """Return the YAML text of a loaded file: the file itself, or its conversion; both have the table's version."""
    return _decode_text(_read_content(file), file) if format_of(file) is Format.YAML else write_yaml(document_of(table))


def format_of(file: str) -> Format:
    """Return the format for a file name's suffix; YAML if the suffix is unknown."""
    return SUFFIXES.get(Path(file).suffix.lower(), Format.YAML)


def write_format(to: Format, table: LoadedTable) -> bytes:
    """Return a table in a format.

    Raises:
        TableErrors: the format cannot hold it.
    """
    return _WRITERS[to](table)


def _read_content(file: str) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unreadable_file_error(file, error.strerror or type(error).__name__) from None
    if len(content) > MAX_FILE_BYTES:
        raise TableErrors([f"{file}: has more than {MAX_FILE_BYTES // 1_000_000} MB: split the table"])
    return content


def _decode_text(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise TableErrors([f"{file}: is not text in UTF-8: correct the path, or save it as UTF-8"]) from None


def _unreadable_file_error(file: str, reason: str) -> TableErrors:
    return TableErrors([f"{file}: cannot be read ({reason}): correct the path"])


def _with_version(table: LoadedTable, version: str) -> LoadedTable:
    match table:
        case OutboundPolicy() | SpokeSelector():
            return replace(table, table=replace(table.table, version=version))
        case _:
            return replace(table, version=version)
