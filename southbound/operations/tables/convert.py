"""Convert tables between formats, and report what prevents it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_json

from router.selection.load import table_of
from router.selection.outbound_policy import OutboundPolicy
from router.tables.diagnostics import TableErrors
from router.tables.formats.sheets.grid import SheetPlaces
from router.tables.formats.sheets.xlsx_markup import add_reasons
from router.tables.table import DecisionTable
from southbound.cli.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_status
from southbound.operations.tables.dmn import DmnOptions
from southbound.operations.tables.formats import SUFFIXES, Format, format_of, load_file, write_format
from southbound.operations.tables.lookup import is_file, load_named

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.selection.load import LoadedTable
    from router.tables.diagnostics import Diagnostics
    from southbound.settings.settings import Settings


def export_table(settings: Settings, name: str, to: Format, out: Path | None, *, as_json: bool) -> int:
    """Write a table file, or a published table, in another format, to a file or to standard output."""
    try:
        table = load_file(name) if is_file(name) else load_named(settings, name)
        content = write_format(to, table)
    except TableErrors as error:
        raise invalid_input(error.sentences) from None
    _write_output(content, to, out, table if as_json else None)
    if to is Format.DMN and isinstance(table, DecisionTable | OutboundPolicy):
        _report_dmn_losses(table.table if isinstance(table, OutboundPolicy) else table)
    return ExitCode.SUCCESS


def _report_dmn_losses(table: DecisionTable) -> None:
    lost = [what for what, there in (("saved tests", table.tests), ("the note of the table", table.note)) if there]
    if lost:
        print_status(f"DMN has no place for {' and '.join(lost)}: keep the table as YAML, CSV or XLSX beside it")


def import_table(
    file: str, out: Path | None, spokes: Collection[str] | None, options: DmnOptions, *, as_json: bool
) -> int:
    """Read a table of any format and write it as YAML; a refused spreadsheet comes back with the reasons in it."""
    if options != DmnOptions() and format_of(file) is not Format.DMN:
        raise invalid_input([f"{file}: --decision and --path are about DMN models, and this is none: leave them out"])
    try:
        table = load_file(file, spokes, options)
    except TableErrors as error:
        raise invalid_input([*error.sentences, *_follow_up_sentences(file, error)]) from None
    _write_output(write_format(Format.YAML, table), Format.YAML, out, table if as_json else None)
    return ExitCode.SUCCESS


def _write_output(content: bytes, written_as: Format, out: Path | None, json_table: LoadedTable | None) -> None:
    """Write what came out; `told` is the table where other programs want to be told of it as JSON."""
    if out is None and written_as is Format.XLSX:
        raise invalid_input(["a spreadsheet does not fit on the screen: name a file, such as -o table.xlsx"])
    if out is not None:
        _check_suffix(out, written_as)
        _write_file(content, out)
    if json_table is not None:
        print(_as_json(content, written_as, out, json_table))  # noqa: T201 - it was asked for
    elif out is None:
        print(content.decode(), end="")  # noqa: T201 - as above


def _check_suffix(out: Path, written_as: Format) -> None:
    """Keep a spreadsheet from being overwritten with YAML: the end of a name says what every command reads it as."""
    named = SUFFIXES.get(out.suffix.lower(), written_as)
    if named is not written_as:
        better = out.with_suffix(f".{written_as.value}").name
        raise invalid_input(
            [f"{out}: would hold {written_as.upper()} and be read as {named.upper()}: name it {better}"]
        )


def _write_file(content: bytes, out: Path) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise invalid_input([f"{out}: cannot be written ({error.strerror}): correct the path"]) from None


def _as_json(content: bytes, written_as: Format, out: Path | None, loaded: LoadedTable) -> str:
    table = table_of(loaded)
    where = {"out": str(out)} if out else {"text": content.decode()}
    return to_json({"table": table.id, "version": table.version, "format": written_as.value, **where}).decode()


def _follow_up_sentences(file: str, error: TableErrors) -> list[str]:
    """Describe what helps with mistakes of a format; a refused spreadsheet gets its copy."""
    complaints = error.diagnostics
    if format_of(file) is Format.XLSX and complaints and isinstance(complaints.places, SheetPlaces):
        return _write_annotated_copy(file, complaints, complaints.places)
    return []


def _write_annotated_copy(file: str, complaints: Diagnostics, places: SheetPlaces) -> list[str]:
    """Write the copy of a refused spreadsheet with its reasons; return the sentence that says where it is."""
    source = Path(file)
    copy = source.with_name(source.name.removesuffix(".xlsx").removesuffix(".errors") + ".errors.xlsx")
    try:
        copy.write_bytes(add_reasons(source.read_bytes(), file, complaints, places))
    except OSError as error:
        return [f"{copy}: cannot be written ({error.strerror}), so there is no copy with the reasons in it"]
    return [f"{copy}: a copy with the reasons beside the cells; correct it there and import it"]
