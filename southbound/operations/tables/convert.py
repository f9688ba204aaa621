"""Run `southbound tables export` and `southbound tables import`."""

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
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_content, print_json, print_status
from southbound.operations.output_file import create_file, free_name, replace_file, write_output_file
from southbound.operations.tables.dmn import DmnOptions
from southbound.operations.tables.formats import SUFFIXES, Format, format_of, load_file, write_format
from southbound.operations.tables.lookup import is_file, load_named

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.selection.load import LoadedTable
    from router.tables.diagnostics import Diagnostics
    from southbound.settings.settings import Settings


def export_table(settings: Settings, name: str, to: Format, out: Path | None, *, as_json: bool) -> int:
    """Run `southbound tables export`. The table is written to the file `out`; None: to standard output.

    Raises:
        CommandFailedError: the table is wrong, the format cannot hold it, or the file cannot be written.
    """
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
    lost = [part for part, present in (("saved tests", table.tests), ("the note of the table", table.note)) if present]
    if lost:
        print_status(f"DMN cannot hold {' and '.join(lost)}: keep the table as YAML, CSV or XLSX too")


def import_table(
    file: str, out: Path | None, spokes: Collection[str] | None, options: DmnOptions, *, as_json: bool
) -> int:
    """Run `southbound tables import`. `spokes` are the names that a selector may use; None: any name.

    Raises:
        CommandFailedError: the table is wrong, or the file cannot be written.
    """
    if options != DmnOptions() and format_of(file) is not Format.DMN:
        raise invalid_input([f"{file}: --decision and --path apply to DMN models, and this is not one: omit them"])
    try:
        table = load_file(file, spokes, options)
    except TableErrors as error:
        raise invalid_input([*error.sentences, *_follow_up_sentences(file, error)]) from None
    _write_output(write_format(Format.YAML, table), Format.YAML, out, table if as_json else None)
    return ExitCode.SUCCESS


def _write_output(content: bytes, file_format: Format, out: Path | None, json_table: LoadedTable | None) -> None:
    """Write the converted table; with `json_table`, print a JSON object that describes it."""
    if out is None and file_format is Format.XLSX:
        raise invalid_input(["a spreadsheet does not fit on the screen: name a file, such as -o table.xlsx"])
    if out is not None:
        _check_suffix(out, file_format)
        write_output_file(content, out)
    if json_table is not None:
        print_json(_as_json(content, file_format, out, json_table))
    elif out is None:
        print_content(content.decode())


def _check_suffix(out: Path, file_format: Format) -> None:
    """Refuse a file name whose suffix belongs to another format: commands choose the format by the suffix."""
    suffix_format = SUFFIXES.get(out.suffix.lower(), file_format)
    if suffix_format is not file_format:
        correct_name = out.with_suffix(f".{file_format.value}").name
        raise invalid_input(
            [f"{out}: would hold {file_format.upper()} and be read as {suffix_format.upper()}: name it {correct_name}"]
        )


def _as_json(content: bytes, file_format: Format, out: Path | None, loaded: LoadedTable) -> str:
    table = table_of(loaded)
    destination = {"out": str(out)} if out else {"text": content.decode()}
    return to_json({"table": table.id, "version": table.version, "format": file_format.value, **destination}).decode()


def _follow_up_sentences(file: str, error: TableErrors) -> list[str]:
    """Write an annotated copy of a refused spreadsheet; return a sentence about it, nothing for other formats."""
    diagnostics = error.diagnostics
    if format_of(file) is Format.XLSX and diagnostics and isinstance(diagnostics.places, SheetPlaces):
        return _write_annotated_copy(file, diagnostics, diagnostics.places)
    return []


def _write_annotated_copy(file: str, diagnostics: Diagnostics, places: SheetPlaces) -> list[str]:
    """Write a copy of a refused spreadsheet with the reasons in it; return a sentence that names the copy."""
    source = Path(file)
    copy = source.with_name(source.name.removesuffix(".xlsx").removesuffix(".errors") + ".errors.xlsx")
    try:
        content = add_reasons(source.read_bytes(), file, diagnostics, places)
        if copy == source and not source.is_symlink():
            replace_file(content, source)
        else:
            copy = free_name(copy)
            create_file(content, copy)
    except OSError as error:
        return [f"{copy}: cannot be written ({error.strerror}), so there is no copy with the reasons in it"]
    return [f"{copy}: a copy with the reasons beside the cells; correct it there and import it"]
