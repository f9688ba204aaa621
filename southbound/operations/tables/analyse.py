"""Analyse table files, and show what was found to people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from router.selection.load import table_of
from router.selection.publish_checks import analyse_loaded
from router.tables.diagnostics import TableErrors
from router.tables.explain.wording import describe_value
from southbound.cli.exit_codes import ExitCode, invalid_input
from southbound.operations.console import count_noun
from southbound.operations.tables.formats import load_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.selection.load import LoadedTable
    from router.tables.analysis.findings import Analysis


def analyse_tables(files: Sequence[str], *, as_json: bool) -> int:
    """Analyse each file; print what is worth a look or good to know, and end with what is wrong."""
    mistakes: list[str] = []
    for file in files:
        try:
            loaded = load_file(file, tested=False)
        except TableErrors as error:
            mistakes += error.sentences
            if as_json:
                print(to_json({"file": file, "errors": error.sentences}).decode())  # noqa: T201 - it was asked for
            continue
        found = analyse_loaded(loaded)
        mistakes += [f"{file}: {sentence}" for sentence in found.errors]
        print(_analysis_json(file, loaded, found) if as_json else _analysis_text(file, loaded, found))  # noqa: T201 - as above
    if mistakes:
        raise invalid_input(mistakes)
    return ExitCode.SUCCESS


def _analysis_text(file: str, loaded: LoadedTable, found: Analysis) -> str:
    table = table_of(loaded)
    counts = (
        count_noun(len(table.rows), "row"),
        count_noun(len(found.unreachable), "row") + " never reached",
        count_noun(found.overlap_count, "pair") + " of rows overlap" + ("s" if found.overlap_count == 1 else ""),
        count_noun(len(found.gaps), "gap") + " shown",
    )
    checked = "everything was checked" if found.is_complete else found.unchecked
    lines = [
        f"{file}: {table.id}@{table.version}: {', '.join(counts)}; {checked}",
        *(f"  warning: {sentence}" for sentence in found.warnings),
        *(f"  note: {sentence}" for sentence in found.notes),
    ]
    return "\n".join(lines)


def _analysis_json(file: str, loaded: LoadedTable, found: Analysis) -> str:
    table = table_of(loaded)
    content = {
        "file": file,
        "table": table.id,
        "version": table.version,
        "rows": len(table.rows),
        "errors": found.errors,
        "warnings": found.warnings,
        "notes": found.notes,
        "complete": found.is_complete,
        "unchecked": found.unchecked,
        "unreachable": [
            {"row": one.row, "covered_by": one.covered_by, "list_inputs": one.list_inputs} for one in found.unreachable
        ],
        "overlap_count": found.overlap_count,
        "overlaps": [
            {
                "rows": one.rows,
                "same_outputs": one.same_outputs,
                "nested": one.nested,
                "where": one.where,
                "example": _example(one.example),
            }
            for one in found.overlaps
        ],
        "gaps": [
            {"where": one.where, "example": _example(one.example), "share": round(one.share, 6)} for one in found.gaps
        ],
    }
    return to_json(content).decode()


def _example(values: Mapping[str, object]) -> dict[str, object]:
    """Write values as JSON has them; dates, times and durations as operators read them."""
    return {
        name: value if isinstance(value, str | int | None) else describe_value(value) for name, value in values.items()
    }
