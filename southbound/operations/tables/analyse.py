"""Run `southbound tables analyse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from router.selection.load import table_of
from router.selection.publish_checks import analyse_loaded
from router.tables.diagnostics import TableErrors
from router.tables.explain.wording import describe_value
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_text
from southbound.operations.tables.formats import load_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.selection.load import LoadedTable
    from router.tables.analysis.findings import Analysis


def analyse_tables(files: Sequence[str], *, as_json: bool) -> int:
    """Run `southbound tables analyse`.

    Raises:
        CommandFailedError: with every mistake of every file and every error that the analyses found.
    """
    mistakes: list[str] = []
    for file in files:
        try:
            loaded = load_file(file, tested=False)
        except TableErrors as error:
            mistakes += error.sentences
            if as_json:
                print_json(to_json({"file": file, "errors": error.sentences}).decode())
            continue
        analysis = analyse_loaded(loaded)
        mistakes += [f"{file}: {sentence}" for sentence in analysis.errors]
        if as_json:
            print_json(_analysis_json(file, loaded, analysis))
        else:
            print_text(_analysis_text(file, loaded, analysis))
    if mistakes:
        raise invalid_input(mistakes)
    return ExitCode.SUCCESS


def _analysis_text(file: str, loaded: LoadedTable, analysis: Analysis) -> str:
    table = table_of(loaded)
    counts = (
        count_noun(len(table.rows), "row"),
        count_noun(len(analysis.unreachable), "row") + " never reached",
        count_noun(analysis.overlap_count, "pair") + " of rows overlap" + ("s" if analysis.overlap_count == 1 else ""),
        count_noun(len(analysis.gaps), "gap") + " shown",
    )
    checked = "everything was checked" if analysis.is_complete else analysis.unchecked
    lines = [
        f"{file}: {table.id}@{table.version}: {', '.join(counts)}; {checked}",
        *(f"  warning: {sentence}" for sentence in analysis.warnings),
        *(f"  note: {sentence}" for sentence in analysis.notes),
    ]
    return "\n".join(lines)


def _analysis_json(file: str, loaded: LoadedTable, analysis: Analysis) -> str:
    table = table_of(loaded)
    content = {
        "file": file,
        "table": table.id,
        "version": table.version,
        "rows": len(table.rows),
        "errors": analysis.errors,
        "warnings": analysis.warnings,
        "notes": analysis.notes,
        "complete": analysis.is_complete,
        "unchecked": analysis.unchecked,
        "unreachable": [
            {"row": finding.row, "covered_by": finding.covered_by, "list_inputs": finding.list_inputs}
            for finding in analysis.unreachable
        ],
        "overlap_count": analysis.overlap_count,
        "overlaps": [
            {
                "rows": finding.rows,
                "same_outputs": finding.same_outputs,
                "nested": finding.nested,
                "where": finding.where,
                "example": _example(finding.example),
            }
            for finding in analysis.overlaps
        ],
        "gaps": [
            {"where": finding.where, "example": _example(finding.example), "share": round(finding.share, 6)}
            for finding in analysis.gaps
        ],
    }
    return to_json(content).decode()


def _example(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values for JSON; dates, times and durations as operators write them."""
    return {
        name: value if isinstance(value, str | int | None) else describe_value(value) for name, value in values.items()
    }
