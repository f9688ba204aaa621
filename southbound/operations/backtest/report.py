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
    from router.selection.load import Loaded
    from southbound.operations.backtest.run import Backtest


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestComparison:
    """A draft beside what decides now, and what came out."""

    draft: Loaded
    now: Loaded
    found: Backtest


def as_words(compared: BacktestComparison, limit: int) -> Group:
    """Draw it: what was read, where runs would go, how often each row decides. At most `limit` runs are named."""
    tally = compared.found.tally
    parts = [Text(sentence) for sentence in _sentences(compared)]
    if tally.differences:
        return Group(*parts, Text(), _changes(tally, limit), Text(), _rows(compared))
    return Group(*parts, Text(), _rows(compared))


def _sentences(compared: BacktestComparison) -> Iterator[str]:
    found, tally = compared.found, compared.found.tally
    asides = ", ".join(f"{tally.asides[aside]:,} {_KEPT[aside]}" for aside in SkippedEvent if tally.asides[aside])
    yield f"{_named(compared.draft)} beside {_named(compared.now)}"
    yield (
        f"{tally.events:,} events of {found.topic} since {found.since.astimezone():%Y-%m-%d %H:%M}, "
        f"{found.pace:,.0f} events/s: {tally.decided:,} requests were decided again{f'; {asides}' if asides else ''}"
    )
    moved = sum(count for _, count in tally.differences)
    yield f"{moved:,} of {tally.decided:,} requests would go elsewhere" + (
        f"; for {tally.undecided:,} the draft decides nothing, and they would become dead letters"
        if tally.undecided
        else ""
    )


_KEPT = {
    SkippedEvent.CHILD: "children follow their root",
    SkippedEvent.PINNED: "changes and cancellations keep what was decided",
    SkippedEvent.FOREIGN: "are no lifecycle events",
    SkippedEvent.UNREADABLE: "cannot be decoded",
}


def _named(loaded: Loaded) -> str:
    table = table_of(loaded)
    return f"{table.id}@{table.version}"


def _changes(tally: BacktestTally, limit: int) -> Table:
    table = Table("now", "draft", "requests", "runs", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for change, count, named in _bounded(tally, limit):
        more = ["…"] if count > len(named) else []
        table.add_row(_verdict(change.now), _verdict(change.draft), f"{count:,}", " ".join([*named, *more]))
    return table


def _bounded(tally: BacktestTally, limit: int) -> Iterator[tuple[RouteChange, int, list[str]]]:
    """Return each change with some of its runs, never more than `limit` altogether."""
    left = limit
    for change, count in tally.differences:
        named = tally.runs.get(change, [])[:left]
        left -= len(named)
        yield change, count, named


def _verdict(verdict: RouteVerdict) -> str:
    return f"{verdict.row}: {verdict.result}"


def _rows(compared: BacktestComparison) -> Table:
    table = Table("row", "now", "draft", box=None, pad_edge=False)
    for row, now, draft in _per_row(compared):
        table.add_row(row, _count(now), _count(draft))
    return table


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _per_row(compared: BacktestComparison) -> Iterator[tuple[str, int | None, int | None]]:
    """Return each row with how often it decides now and by the draft; None where a table does not have it."""
    tally = compared.found.tally
    now = tally.by_row(lambda change: change.now, _ids(compared.now))
    draft = tally.by_row(lambda change: change.draft, _ids(compared.draft))
    for row in {**draft, **now}:
        yield row, now.get(row), draft.get(row)


def _ids(loaded: Loaded) -> list[str]:
    table = table_of(loaded)
    return [row.id for row in (*table.rows, *([table.default] if table.default else ()))]


def as_json(compared: BacktestComparison, limit: int) -> str:
    """Write it as one JSON object."""
    found, tally = compared.found, compared.found.tally
    return orjson.dumps(
        {
            "draft": _named(compared.draft),
            "now": _named(compared.now),
            "topic": found.topic,
            "since": found.since.isoformat(timespec="seconds"),
            "events": tally.events,
            "decided": tally.decided,
            "elsewhere": sum(count for _, count in tally.differences),
            "undecided": tally.undecided,
            "aside": {aside.value: tally.asides[aside] for aside in SkippedEvent},
            "changes": [
                {"now": change.now._asdict(), "draft": change.draft._asdict(), "requests": count, "runs": named}
                for change, count, named in _bounded(tally, limit)
            ],
            "rows": [{"row": row, "now": now, "draft": draft} for row, now, draft in _per_row(compared)],
            "seconds": round(found.seconds, 3),
            "events_per_second": round(found.pace),
        }
    ).decode()
