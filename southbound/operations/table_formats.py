"""Read a table file in any format, and write a table in any other."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from router.any_table import any_from
from router.complaints import TableErrors
from router.policy import OutboundPolicy
from router.selector import Selector
from router.sheets import SheetPlaces
from router.table_csv import write_csv, written_in_csv
from router.table_files import version_of, written_in_yaml
from router.table_writing import write_table
from router.table_xlsx import written_in_xlsx
from router.tables import DecisionTable
from router.xlsx_marking import with_reasons
from router.xlsx_writing import write_xlsx
from southbound.failures import Exit, wrong
from southbound.operations.screen import say
from southbound.operations.tables_in_dmn import Wish, in_dmn, written_in_dmn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.complaints import Complaints
    from router.table_files import Written
    from router.table_writing import Writable


class Format(StrEnum):
    """How a table is written."""

    YAML = "yaml"
    CSV = "csv"
    XLSX = "xlsx"
    DMN = "dmn"


_BY_SUFFIX = {".yml": Format.YAML, **{f".{known}": known for known in Format}}
_ONLY_ONE = Wish()
_READERS: dict[Format, Callable[[bytes, str, Wish], Written]] = {
    Format.YAML: lambda content, source, _: written_in_yaml(_text(content, source), source),
    Format.CSV: lambda content, source, _: written_in_csv(content, source),
    Format.XLSX: lambda content, source, _: written_in_xlsx(content, source),
    Format.DMN: written_in_dmn,
}
_WRITERS: dict[Format, Callable[[Writable], bytes]] = {
    Format.YAML: lambda table: write_table(table).encode(),
    Format.CSV: lambda table: write_csv(table).encode(),
    Format.XLSX: write_xlsx,
    Format.DMN: in_dmn,
}


def load_file(file: str, spokes: Collection[str] | None = None, wish: Wish = _ONLY_ONE) -> Writable:
    """Load a table of any format; what is not YAML has the version of the YAML that it stands for.

    `wish` says what of a DMN model is wanted.

    Raises:
        TableErrors: everything that is wrong, each with its place in the file.
    """
    written = _READERS[_format_of(file)](_content(file), file, wish)
    table = any_from(written, spokes)
    return table if written.version else _with_version(table, version_of(write_table(table)))


def yaml_text(file: str, table: Writable) -> str:
    """Give the YAML of a file that was loaded: itself, or what it stands for; either has the table's version."""
    return _text(_content(file), file) if _format_of(file) is Format.YAML else write_table(table)


def export_table(file: str, to: Format, out: Path | None) -> int:
    """Write a table file in another format, to a file or to standard output."""
    try:
        table = load_file(file)
        content = _WRITERS[to](table)
    except TableErrors as error:
        raise wrong(error.sentences) from None
    _put(content, to, out)
    if to is Format.DMN and isinstance(table, DecisionTable | OutboundPolicy):
        _tell_what_dmn_lacks(table.table if isinstance(table, OutboundPolicy) else table)
    return Exit.DONE


def _tell_what_dmn_lacks(table: DecisionTable) -> None:
    lost = [what for what, there in (("saved tests", table.tests), ("the note of the table", table.note)) if there]
    if lost:
        say(f"DMN has no place for {' and '.join(lost)}: keep the table as YAML, CSV or XLSX beside it")


def import_table(file: str, out: Path | None, spokes: Collection[str] | None, wish: Wish) -> int:
    """Read a table of any format and write it as YAML; a refused spreadsheet comes back with the reasons in it."""
    try:
        table = load_file(file, spokes, wish)
    except TableErrors as error:
        raise wrong([*error.sentences, *_what_next(file, error)]) from None
    _put(_WRITERS[Format.YAML](table), Format.YAML, out)
    return Exit.DONE


def _format_of(file: str) -> Format:
    suffix = Path(file).suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    # Tables in YAML had any name before there were other formats, so a name that says nothing is still one.
    if suffix in (".xls", ".ods", ".xlsm", ".xlsb"):
        raise TableErrors([f"{file}: tables are not read from {suffix}: save it as .xlsx"])
    return Format.YAML


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise _not_readable(file, error.strerror or type(error).__name__) from None


def _text(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_readable(file, type(error).__name__) from None


def _not_readable(file: str, why: str) -> TableErrors:
    return TableErrors([f"{file}: cannot be read as text ({why}): correct the path"])


def _with_version(table: Writable, version: str) -> Writable:
    match table:
        case OutboundPolicy() | Selector():
            return replace(table, table=replace(table.table, version=version))
        case _:
            return replace(table, version=version)


def _put(content: bytes, written_as: Format, out: Path | None) -> None:
    if out is None:
        if written_as is Format.XLSX:
            raise wrong(["a spreadsheet does not fit on the screen: name a file, such as -o table.xlsx"])
        print(content.decode(), end="")  # noqa: T201 - it was asked for
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise wrong([f"{out}: cannot be written ({error.strerror}): correct the path"]) from None


def _what_next(file: str, error: TableErrors) -> list[str]:
    """Say what helps with mistakes of a format; a refused spreadsheet gets its copy."""
    complaints = error.complaints
    match _format_of(file):
        case Format.XLSX if complaints and isinstance(complaints.places, SheetPlaces):
            return _marked_copy(file, complaints, complaints.places)
        case Format.DMN if any("is not a fact of a run" in sentence for sentence in error.sentences):
            return [f"{file}: say which facts the inputs stand for, such as --path 'Age=characteristic[age]'"]
        case _:
            return []


def _marked_copy(file: str, complaints: Complaints, places: SheetPlaces) -> list[str]:
    """Write the copy of a refused spreadsheet with its reasons; give the sentence that says where it is."""
    source = Path(file)
    copy = source.with_name(source.name.removesuffix(".xlsx").removesuffix(".errors") + ".errors.xlsx")
    try:
        copy.write_bytes(with_reasons(source.read_bytes(), file, complaints, places))
    except OSError as error:
        return [f"{copy}: cannot be written ({error.strerror}), so there is no copy with the reasons in it"]
    return [f"{copy}: a copy with the reasons beside the cells; correct it there and import it"]
