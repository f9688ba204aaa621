"""The result of a backtest as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from rich.console import Group
from rich.table import Table
from rich.text import Text

from router.selection.backtest import SkippedEvent
from router.selection.load import table_of
from schemas.counts import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.selection.backtest import BacktestTally, RouteChange, RouteVerdict
    from router.selection.load import LoadedTable
    from southbound.operations.backtest.run_backtest import BacktestResult


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestComparison:
    """The draft, the table it is compared with, and the result."""

    draft: LoadedTable
    current: LoadedTable
    result: BacktestResult


def backtest_text(comparison: BacktestComparison, limit: int) -> Group:
    """Return the summary, the changes of routes, and how often each row decides. At most `limit` runs are named."""
    tally = comparison.result.tally
    parts = [Text(sentence) for sentence in _sentences(comparison)]
    if tally.differences:
        return Group(*parts, Text(), _changes_table(tally, limit), Text(), _rows_table(comparison))
    return Group(*parts, Text(), _rows_table(comparison))


def _sentences(comparison: BacktestComparison) -> Iterator[str]:
    result, tally = comparison.result, comparison.result.tally
    skipped = ", ".join(
        f"{tally.skipped[reason]:,} {_NOT_REDECIDED[reason]}" for reason in SkippedEvent if tally.skipped[reason]
    )
    yield f"{_table_version(comparison.draft)} compared with {_table_version(comparison.current)}"
    decided = count_noun(tally.decided, "request was", "requests were")
    yield (
        f"{count_noun(tally.events, 'event')} of {result.topic} since {result.since.astimezone():%Y-%m-%d %H:%M}, "
        f"{result.events_per_second:,.0f} events/s: {decided} decided again"
        f"{f'; {skipped}' if skipped else ''}"
    )
    rerouted = sum(count for _, count in tally.differences)
    yield f"{rerouted:,} of {count_noun(tally.decided, 'request')} would be routed differently" + (
        f"; for {tally.undecided:,} the draft decides nothing, and they would become dead letters"
        if tally.undecided
        else ""
    )


_NOT_REDECIDED = {
    SkippedEvent.CHILD: "children follow their root",
    SkippedEvent.PINNED: "changes and cancellations keep their decision",
    SkippedEvent.FOREIGN: "are not lifecycle events",
    SkippedEvent.UNDECODABLE: "cannot be decoded",
}


def _table_version(loaded: LoadedTable) -> str:
    table = table_of(loaded)
    return f"{table.id}@{table.version}"


def _changes_table(tally: BacktestTally, limit: int) -> Table:
    table = Table("current", "draft", "requests", "runs", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for change, count, named in _limited_changes(tally, limit):
        omitted = ["…"] if count > len(named) else []
        table.add_row(
            _decision_text(change.current), _decision_text(change.draft), f"{count:,}", " ".join([*named, *omitted])
        )
    return table


def _limited_changes(tally: BacktestTally, limit: int) -> Iterator[tuple[RouteChange, int, list[str]]]:
    """Yield each change with its count and some of its runs, at most `limit` runs altogether."""
    remaining = limit
    for change, count in tally.differences:
        named = tally.runs.get(change, [])[:remaining]
        remaining -= len(named)
        yield change, count, named


def _decision_text(verdict: RouteVerdict) -> str:
    return f"{verdict.row}: {verdict.result}"


def _rows_table(comparison: BacktestComparison) -> Table:
    table = Table("row", "current", "draft", box=None, pad_edge=False)
    for row, current, draft in _decisions_per_row(comparison):
        table.add_row(row, _count_cell(current), _count_cell(draft))
    return table


def _count_cell(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _decisions_per_row(comparison: BacktestComparison) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield each row with its number of decisions by both tables; None where a table does not have the row."""
    tally = comparison.result.tally
    current = tally.by_row(lambda change: change.current, _row_ids(comparison.current))
    draft = tally.by_row(lambda change: change.draft, _row_ids(comparison.draft))
    for row in {**draft, **current}:
        yield row, current.get(row), draft.get(row)


def _row_ids(loaded: LoadedTable) -> list[str]:
    table = table_of(loaded)
    return [row.id for row in (*table.rows, *([table.default] if table.default else ()))]


def backtest_json(comparison: BacktestComparison, limit: int) -> str:
    """Return the result as one JSON object. At most `limit` runs are named."""
    result, tally = comparison.result, comparison.result.tally
    return orjson.dumps(
        {
            "draft": _table_version(comparison.draft),
            "current": _table_version(comparison.current),
            "topic": result.topic,
            "since": result.since.isoformat(timespec="seconds"),
            "events": tally.events,
            "decided": tally.decided,
            "rerouted": sum(count for _, count in tally.differences),
            "undecided": tally.undecided,
            "skipped": {reason.value: tally.skipped[reason] for reason in SkippedEvent},
            "changes": [
                {
                    "current": change.current._asdict(),
                    "draft": change.draft._asdict(),
                    "requests": count,
                    "runs": named,
                }
                for change, count, named in _limited_changes(tally, limit)
            ],
            "rows": [
                {"row": row, "current": current, "draft": draft}
                for row, current, draft in _decisions_per_row(comparison)
            ],
            "seconds": round(result.seconds, 3),
            "events_per_second": round(result.events_per_second),
        }
    ).decode()
