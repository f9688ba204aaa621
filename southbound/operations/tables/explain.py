"""Run `southbound tables explain`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import orjson
from rich.console import Group
from rich.table import Table
from rich.text import Text

from router.selection.load import decision_function, table_of
from router.selection.spoke_selector import SpokeSelector
from router.tables.decision import Undecided
from router.tables.explain.explain import explain_decision, explain_undecided, explanation_lines
from router.tables.explain.why_not import why_not
from router.tables.explain.wording import describe_value
from router.tables.feel.writer import value_text
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_json, print_result
from southbound.operations.tables.example_runs import read_example_runs
from southbound.operations.tables.lookup import load_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from router.selection.load import LoadedTable
    from router.tables.decision import Decision
    from router.tables.explain.why_not import WhyNot
    from router.tables.model import Row
    from southbound.operations.tables.example_runs import ExampleRun
    from southbound.settings.settings import Settings


def decision_text(run: ExampleRun, decision: Decision | Undecided, why_not: WhyNot | None) -> Group:
    """Return the decision as text: the result, the inputs, the reason, and the row to compare with."""
    parts: list[RenderableType] = [Text(_decision_sentence(run, decision), style="bold")]
    if run.is_child:
        parts.append(Text("It is a child: in the gateway it follows the decision for its root."))
    parts += [_heading("inputs"), _pairs_table(_input_texts(decision))]
    parts += [_heading("why"), *map(Text, explanation_lines(decision))]
    if why_not is not None:
        parts += [_heading(f"why not {why_not.row}"), Text(why_not.sentence), _cells_table(why_not)]
    return Group(*parts, Text())


def _decision_sentence(run: ExampleRun, decision: Decision | Undecided) -> str:
    subject = run.run_id or "this run"
    if isinstance(decision, Undecided):
        return f"{subject}: {decision.sentence}"
    return f"{subject}: {decision.reference} decides {_outputs_text(decision)}"


def _outputs_text(decision: Decision) -> str:
    rows = [
        ", ".join(f"{name} {describe_value(value)}" for name, value in row.outputs.items()) for row in decision.rows
    ]
    return " and ".join(rows)


def _input_texts(decision: Decision | Undecided) -> dict[str, str]:
    columns = zip(decision.table.inputs, decision.values, strict=True)
    return {column.name: describe_value(value) for column, value in columns}


def _pairs_table(pairs: Mapping[str, str]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in pairs.items():
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def _cells_table(why_not: WhyNot) -> Table:
    table = Table("", "column", "value", "the cell requires", box=None, pad_edge=False)
    for cell in why_not.cells:
        sign = "✓" if cell.matches else "✗"
        table.add_row(sign, Text(cell.comparison.column), Text(cell.comparison.value), Text(cell.comparison.expected))
    return table


def _heading(title: str) -> Text:
    return Text(f"\n{title}", style="dim")


def decision_json(run: ExampleRun, decision: Decision | Undecided, why_not: WhyNot | None) -> str:
    """Return the decision as one JSON object."""
    undecided = isinstance(decision, Undecided)
    explanation = explain_undecided(decision) if isinstance(decision, Undecided) else explain_decision(decision)
    content: dict[str, object] = {
        "run": run.run_id or None,
        "is_child": run.is_child,
        "table": f"{decision.table.id}@{decision.table.version}",
        "decided": not undecided,
        "inputs": _values(dict(zip([column.name for column in decision.table.inputs], decision.values, strict=True))),
        "explanation": explanation,
        "sentences": explanation.sentences,
        "why_not": _why_not_json(why_not) if why_not else None,
    }
    if isinstance(decision, Undecided):
        return _json({**content, "reason": decision.reason.value, "sentence": decision.sentence})
    rows = [{"row": row.id, "outputs": _values(row.outputs)} for row in decision.rows]
    return _json({**content, "reference": decision.reference, "rows": rows})


def _why_not_json(why_not: WhyNot) -> dict[str, object]:
    return {
        "row": why_not.row,
        "sentence": why_not.sentence,
        "matches": why_not.matches,
        "decides": why_not.decides,
        "inactive": why_not.inactive,
        "cells": why_not.cells,
    }


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _values(values: Mapping[str, object]) -> dict[str, object]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> object:
    """Return a value for JSON: numbers with all digits; dates and durations as in a table file."""
    match value:
        case None | bool() | str():
            return value
        case Decimal() | int() if (number := Decimal(value)).is_finite():
            return orjson.Fragment(str(number))
        case list() | tuple():
            return [_value(item) for item in value]
        case dict():
            return _values(value)
        case _:
            return value_text(value)


def explain_table(settings: Settings, name: str, event: str, *, row: str | None, as_json: bool) -> int:
    """Run `southbound tables explain`. `event` is the name of a file or `-`; `row` is the id of a row.

    Raises:
        CommandFailedError: the table, the events or the row are wrong, or Kafka does not answer.
    """
    loaded = load_named(settings, name)
    row_to_compare = _find_row(loaded, row, name) if row else None
    decide = decision_function(loaded)
    for run in read_example_runs(event):
        decision = decide(run.facts)
        comparison = (
            why_not(decision, row_to_compare, inactive=_is_switched_off(loaded, row_to_compare))
            if row_to_compare
            else None
        )
        if as_json:
            print_json(decision_json(run, decision, comparison))
        else:
            print_result(decision_text(run, decision, comparison))
    return ExitCode.SUCCESS


def _find_row(loaded: LoadedTable, row_id: str, name: str) -> Row:
    rows = {row.id: row for row in _all_rows(loaded)}
    if row_id not in rows:
        raise invalid_input([f"{name} has no row {row_id}: there are {', '.join(rows)}"])
    return rows[row_id]


def _all_rows(loaded: LoadedTable) -> list[Row]:
    table = table_of(loaded)
    inactive = loaded.inactive if isinstance(loaded, SpokeSelector) else ()
    return [*table.rows, *inactive, *([table.default] if table.default else [])]


def _is_switched_off(loaded: LoadedTable, row: Row) -> bool:
    return isinstance(loaded, SpokeSelector) and any(row is other for other in loaded.inactive)
