"""Draw what a backtest found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from rich.console import Group
from rich.table import Table
from rich.text import Text

from router.selection.backtest import SkippedEvent
from router.selection.load import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.selection.backtest import BacktestTally, RouteChange, RouteVerdict
    from router.selection.load import LoadedTable
    from southbound.operations.backtest.run import BacktestResult


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestComparison:
    """A draft beside what decides now, and what came out."""

    draft: LoadedTable
    current: LoadedTable
    result: BacktestResult


def comparison_text(comparison: BacktestComparison, limit: int) -> Group:
    """Draw it: what was read, where runs would go, how often each row decides. At most `limit` runs are named."""
    tally = comparison.result.tally
    parts = [Text(sentence) for sentence in _sentences(comparison)]
    if tally.differences:
        return Group(*parts, Text(), _changes_table(tally, limit), Text(), _rows_table(comparison))
    return Group(*parts, Text(), _rows_table(comparison))


def _sentences(comparison: BacktestComparison) -> Iterator[str]:
    found, tally = comparison.result, comparison.result.tally
    asides = ", ".join(
        f"{tally.skipped[aside]:,} {_NOT_REDECIDED[aside]}" for aside in SkippedEvent if tally.skipped[aside]
    )
    yield f"{_table_version(comparison.draft)} beside {_table_version(comparison.current)}"
    yield (
        f"{tally.events:,} events of {found.topic} since {found.since.astimezone():%Y-%m-%d %H:%M}, "
        f"{found.events_per_second:,.0f} events/s: {tally.decided:,} requests were decided again"
        f"{f'; {asides}' if asides else ''}"
    )
    moved = sum(count for _, count in tally.differences)
    yield f"{moved:,} of {tally.decided:,} requests would go elsewhere" + (
        f"; for {tally.undecided:,} the draft decides nothing, and they would become dead letters"
        if tally.undecided
        else ""
    )


_NOT_REDECIDED = {
    SkippedEvent.CHILD: "children follow their root",
    SkippedEvent.PINNED: "changes and cancellations keep what was decided",
    SkippedEvent.FOREIGN: "are no lifecycle events",
    SkippedEvent.UNDECODABLE: "cannot be decoded",
}


def _table_version(loaded: LoadedTable) -> str:
    table = table_of(loaded)
    return f"{table.id}@{table.version}"


def _changes_table(tally: BacktestTally, limit: int) -> Table:
    table = Table("baseline", "draft", "requests", "runs", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for change, count, named in _limited_changes(tally, limit):
        more = ["…"] if count > len(named) else []
        table.add_row(
            _decision_text(change.baseline), _decision_text(change.draft), f"{count:,}", " ".join([*named, *more])
        )
    return table


def _limited_changes(tally: BacktestTally, limit: int) -> Iterator[tuple[RouteChange, int, list[str]]]:
    """Return each change with some of its runs, never more than `limit` altogether."""
    left = limit
    for change, count in tally.differences:
        named = tally.runs.get(change, [])[:left]
        left -= len(named)
        yield change, count, named


def _decision_text(verdict: RouteVerdict) -> str:
    return f"{verdict.row}: {verdict.result}"


def _rows_table(comparison: BacktestComparison) -> Table:
    table = Table("row", "baseline", "draft", box=None, pad_edge=False)
    for row, now, draft in _decisions_per_row(comparison):
        table.add_row(row, _count_cell(now), _count_cell(draft))
    return table


def _count_cell(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _decisions_per_row(comparison: BacktestComparison) -> Iterator[tuple[str, int | None, int | None]]:
    """Return each row with how often it decides now and by the draft; None where a table does not have it."""
    tally = comparison.result.tally
    now = tally.by_row(lambda change: change.baseline, _row_ids(comparison.current))
    draft = tally.by_row(lambda change: change.draft, _row_ids(comparison.draft))
    for row in {**draft, **now}:
        yield row, now.get(row), draft.get(row)


def _row_ids(loaded: LoadedTable) -> list[str]:
    table = table_of(loaded)
    return [row.id for row in (*table.rows, *([table.default] if table.default else ()))]


def comparison_json(comparison: BacktestComparison, limit: int) -> str:
    """Write it as one JSON object."""
    found, tally = comparison.result, comparison.result.tally
    return orjson.dumps(
        {
            "draft": _table_version(comparison.draft),
            "baseline": _table_version(comparison.current),
            "topic": found.topic,
            "since": found.since.isoformat(timespec="seconds"),
            "events": tally.events,
            "decided": tally.decided,
            "rerouted": sum(count for _, count in tally.differences),
            "undecided": tally.undecided,
            "skipped": {aside.value: tally.skipped[aside] for aside in SkippedEvent},
            "changes": [
                {
                    "baseline": change.baseline._asdict(),
                    "draft": change.draft._asdict(),
                    "requests": count,
                    "runs": named,
                }
                for change, count, named in _limited_changes(tally, limit)
            ],
            "rows": [
                {"row": row, "baseline": now, "draft": draft} for row, now, draft in _decisions_per_row(comparison)
            ],
            "seconds": round(found.seconds, 3),
            "events_per_second": round(found.events_per_second),
        }
    ).decode()
