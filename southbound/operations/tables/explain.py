"""Say what a table decides for a run that somebody gives, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.load import decide_by, table_of
from router.selection.spoke_selector import Selector
from router.tables.explain.why_not import why_not
from southbound.cli.exit_codes import Exit, wrong
from southbound.operations.console import show
from southbound.operations.explain_views import in_json, in_words
from southbound.operations.table_texts import named
from southbound.operations.tables.example_runs import given_runs

if TYPE_CHECKING:
    from router.selection.load import Loaded
    from router.tables.table import Row
    from southbound.settings.settings import Settings


def explain_table(settings: Settings, name: str, event: str, *, row: str | None, as_json: bool) -> int:
    """Explain what a table decides for each run of an event file; `row` is held beside each decision."""
    loaded = named(settings, name)
    asked = _row(loaded, row, name) if row else None
    decide = decide_by(loaded)
    for run in given_runs(event):
        decision = decide(run.facts)
        beside = why_not(decision, asked, switched_off=_is_off(loaded, asked)) if asked else None
        if as_json:
            print(in_json(run, decision, beside))  # noqa: T201 - it was asked for
        else:
            show(in_words(run, decision, beside))
    return Exit.DONE


def _row(loaded: Loaded, row_id: str, name: str) -> Row:
    rows = {row.id: row for row in _rows(loaded)}
    if row_id not in rows:
        raise wrong([f"{name} has no row {row_id}: there are {', '.join(rows)}"])
    return rows[row_id]


def _rows(loaded: Loaded) -> list[Row]:
    table = table_of(loaded)
    off = loaded.inactive if isinstance(loaded, Selector) else ()
    return [*table.rows, *off, *([table.default] if table.default else [])]


def _is_off(loaded: Loaded, row: Row) -> bool:
    return isinstance(loaded, Selector) and any(row is other for other in loaded.inactive)
