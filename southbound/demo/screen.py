"""The tables of the demo: runs in progress, results, dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from router.runs.run import RunRow
    from southbound.demo.expectations import DemoObservations, Scenario
    from southbound.demo.observed_events import ObservedDeadLetter

COLOURS = {
    "completed": "green",
    "cancelled": "yellow",
    "rejected": "magenta",
    "failed": "red",
    "inProgress": "cyan",
    "pending": "blue",
    "acknowledged": "blue",
}


def progress_table(scenarios: Sequence[Scenario], evidence: DemoObservations) -> RenderableType:
    """Return a table with the current state of every run."""
    table = Table(title="Runs in progress", title_justify="left")
    for column in ("scenario", "run", "spoke", "state", "result"):
        table.add_column(column, no_wrap=True)
    for scenario in scenarios:
        for number, run_id in enumerate(scenario.runs):
            table.add_row(scenario.title if number == 0 else "", *_progress_row(run_id, evidence))
    return table


def _progress_row(run_id: str, evidence: DemoObservations) -> tuple[str | Text, ...]:
    run, dead_letter = evidence.observed_run(run_id), evidence.dead_letter(run_id)
    if dead_letter is not None:
        return (run_id, "", Text("dead letter", style="red"), dead_letter.code)
    if run is None:
        return (run_id, "", Text("…", style="dim"), "")
    result = run.result.result if run.result else None
    return (run_id, run.spoke, state_text(run.last_state), result or "")


def state_text(state: str) -> Text:
    """Return a state in its colour."""
    return Text(state, style=COLOURS.get(state, ""))


def summary_table(
    scenarios: Sequence[Scenario], rows: Mapping[str, RunRow], evidence: DemoObservations
) -> RenderableType:
    """Return a table with the result of every run, as the run store has it."""
    table = Table(title="Results", title_justify="left")
    for column in ("", "scenario", "run", "decision", "spoke", "external id", "state", "result"):
        table.add_column(column, no_wrap=column in ("", "run", "state", "result"), overflow="fold")
    for scenario in scenarios:
        mark = Text("✗", style="red") if any(scenario.check(evidence)) else Text("✓", style="green")
        for number, run_id in enumerate(scenario.runs):
            first = number == 0
            table.add_row(
                mark if first else "", scenario.title if first else "", *_summary_row(rows.get(run_id), run_id)
            )
    return table


def _summary_row(row: RunRow | None, run_id: str) -> tuple[str | Text, ...]:
    if row is None or row.decision is None:
        return (run_id, "", "", "", Text("dead letter", style="red"), "")
    decision = f"{row.decision.policy}\n{row.decision.selector}"
    return (run_id, decision, row.spoke, row.external_id or "", state_text(row.state or row.phase), row.result or "")


def dead_letter_table(dead_letters: Sequence[ObservedDeadLetter]) -> RenderableType:
    """Return a table with every dead letter and its reason."""
    table = Table(title="Dead letters", title_justify="left")
    for column in ("key", "code", "original bytes", "reason and remedy"):
        table.add_column(column, no_wrap=column in ("key", "code"), overflow="fold")
    for dead_letter in dead_letters:
        table.add_row(
            dead_letter.key,
            dead_letter.code,
            _original_bytes(dead_letter.value),
            f"{dead_letter.reason}\n{dead_letter.detail}".strip(),
        )
    return table


def _original_bytes(value: bytes | None) -> str:
    if value is None:
        return "none"
    shown = repr(value[:32])[2:-1]
    return f"{shown}… ({len(value)} bytes)" if len(value) > 32 else shown  # noqa: PLR2004 - as many as a column holds
