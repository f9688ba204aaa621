"""Builders of decision tables: a test writes only what matters to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.fact_model import RUN_FACTS
from router.tables.formats.loader import load_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.table import DecisionTable

INPUTS = """\
  - {name: spec, path: test_specification.id, type: string}
  - {name: mode, path: mode, type: string, values: [ONDEMAND, PROACTIVE]}
  - {name: priority, path: priority, type: number}
  - {name: speed, path: "characteristic[speed]", type: number}
  - {name: start, path: start_date_time, type: datetime}
"""
OUTPUTS = """\
  - {name: hierarchical, type: boolean}
  - {name: payload, type: string, values: [per-run, bundle]}
"""
SENT = "{hierarchical: true, payload: per-run}"


def a_file(
    rows: Sequence[str] = (f"{{id: R10, when: {{spec: fibre-line}}, then: {SENT}}}",),
    *,
    inputs: str = INPUTS,
    outputs: str = OUTPUTS,
    more: str = "",
) -> str:
    """Return the text of a table file. Its rows start on line 12, one per line."""
    listed = "".join(f"  - {row}\n" for row in rows)
    return f"table: a-table\ninputs:\n{inputs}outputs:\n{outputs}rows:\n{listed}{more}"


def a_row(row_id: str, when: str, then: str = SENT) -> str:
    """Return one row; `when` is written as `spec: a, mode: b`."""
    return f"{{id: {row_id}, when: {{{when}}}, then: {then}}}"


def a_table(rows: Sequence[str], *, inputs: str = INPUTS, more: str = "") -> DecisionTable:
    """Load a table of these rows."""
    return load_table(a_file(rows, inputs=inputs, more=more), "a-table.yaml", RUN_FACTS)
