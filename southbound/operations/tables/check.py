"""Run `southbound tables check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles, profile_files
from router.selection.load import table_kind, table_of
from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import SpokeSelector
from router.tables.diagnostics import TableErrors
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_status, print_text
from southbound.operations.tables.formats import load_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from router.selection.load import LoadedTable
    from router.tables.table import DecisionTable
    from southbound.settings.settings import Settings


def check_tables(settings: Settings, files: Sequence[str], *, as_json: bool) -> int:
    """Run `southbound tables check`.

    Raises:
        CommandFailedError: with every mistake of every file.
    """
    describe = _check_json if as_json else _check_text
    spokes = known_spokes(settings.routing.spokes)
    mistakes: list[str] = []
    for file in files:
        try:
            (print_json if as_json else print_text)(describe(file, load_file(file, spokes)))
        except TableErrors as error:
            mistakes += error.sentences
            if as_json:
                print_json(to_json({"file": file, "errors": error.sentences}).decode())
    if mistakes:
        raise invalid_input(mistakes)
    return ExitCode.SUCCESS


def known_spokes(folder: Path) -> list[str] | None:
    """Return the names of the spokes that have a profile, or None, with a note, if the profiles cannot be read."""
    try:
        profiles = load_profiles(profile_files(folder))
    except ProfilesWrongError:
        print_status(
            f"The profiles in {folder} have mistakes (see `southbound config check`), so spoke names are not checked"
        )
        return None
    return [profile.name for profile in profiles]


def _check_text(file: str, loaded: LoadedTable) -> str:
    return f"{file}: {_kind_description(loaded)}"


def _check_json(file: str, loaded: LoadedTable) -> str:
    table = table_of(loaded)
    facts = {"table": table.id, "version": table.version, "kind": table_kind(loaded), "policy": table.policy}
    counts = {name: len(getattr(table, name)) for name in ("rows", "inputs", "outputs", "tests")}
    return to_json({"file": file, **facts, **counts, "default": table.default is not None, "errors": []}).decode()


def _kind_description(loaded: OutboundPolicy | SpokeSelector | DecisionTable) -> str:
    match loaded:
        case OutboundPolicy():
            return f"outbound policy {_table_description(loaded.table)}"
        case SpokeSelector():
            spokes = sorted({str(row.outputs["spoke"]) for row in loaded.table.rows})
            switched_off = f", {count_noun(len(loaded.inactive), 'row')} switched off" if loaded.inactive else ""
            return f"spoke selector {_table_description(loaded.table)}{switched_off}; chooses among {', '.join(spokes)}"
        case table:
            return f"decision table {_table_description(table)}"


def _table_description(table: DecisionTable) -> str:
    default = "a default row" if table.default else "no default row"
    tests = f"{count_noun(len(table.tests), 'saved test')} passed" if table.tests else "no saved tests"
    columns = f"{count_noun(len(table.inputs), 'input')}, {count_noun(len(table.outputs), 'output')}"
    rows = f"{count_noun(len(table.rows), 'row')} ({table.policy})"
    return f"{table.id}@{table.version}: {rows}, {default}, {columns}; {tests}"
