"""Say in sentences what an analysis found, as an error, a warning or a note, depending on the hit policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.analysis.findings import Gap, Overlap, Overlaps, Unreachable
    from router.tables.table import DecisionTable

_MOST_SENTENCES = 20  # about one thing
_MOST_ROWS = 5  # named in one sentence

# Policies whose result may be made of several rows, or of none.
_GATHERING = ("output-order", "rule-order", "collect")


def unreachable_in_words(rows: Sequence[Unreachable]) -> tuple[str, ...]:
    """Say of each row why nothing reaches it."""
    never = [row for row in rows if not row.except_lists]
    return _few([_unreachable(row) for row in never], len(never), "rows are never reached")


def list_warnings(rows: Sequence[Unreachable]) -> tuple[str, ...]:
    """Say of each row that only a list may reach it."""
    only = [row for row in rows if row.except_lists]
    return _few([_only_lists(row) for row in only], len(only), "rows are reached by lists only")


def _only_lists(found: Unreachable) -> str:
    lists = f"a list in {_named([repr(name) for name in found.except_lists])}"
    covered = f"{_covered(found)} every single value that it takes"
    return f"row {found.row} is reached by {lists} at most: {covered}; move it up unless that is meant"


def _unreachable(found: Unreachable) -> str:
    if not found.covered_by:
        return f"row {found.row} never matches: there is no value that one of its cells takes; correct the cell"
    return f"row {found.row} is never reached: {_covered(found)} everything that it takes; move it up or delete it"


def _covered(found: Unreachable) -> str:
    if len(found.covered_by) == 1:
        return f"row {found.covered_by[0]} above it takes"
    return f"rows {_named(found.covered_by)} above it together take"


def overlap_errors(table: DecisionTable, overlaps: Overlaps) -> tuple[str, ...]:
    """Say which rows break a policy that wants them apart, or equal."""
    if table.policy == "unique":
        sentences = [_overlap(one, "but only one may: make them exclude each other") for one in overlaps.pairs]
        return _few(sentences, overlaps.count, "pairs of rows overlap")
    if table.policy == "any":
        differing = [one for one in overlaps.pairs if not one.same_outputs]
        sentences = [_overlap(one, "with different outputs: make these equal") for one in differing]
        return _few(sentences, overlaps.differing, _DIFFERING)
    return ()


def overlap_warnings(table: DecisionTable, overlaps: Overlaps) -> tuple[str, ...]:
    """Say where only the order of rows decides; a row that is the exception from another is meant to."""
    if table.policy != "first":
        return ()
    partly = overlaps.pairs[: overlaps.partly]
    return _few([_overlap(one, _upper_decides(one)) for one in partly], overlaps.partly, _DIFFERING)


_DIFFERING = "pairs of rows overlap with different outputs"


def _upper_decides(found: Overlap) -> str:
    return f"with different outputs, and {found.rows[0]} decides because it stands above"


def _overlap(found: Overlap, and_so: str) -> str:
    return f"rows {found.rows[0]} and {found.rows[1]} both match where {found.where}, {and_so}"


def gap_warnings(table: DecisionTable, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Say what no row takes, where that leaves a run undecided."""
    if table.default is not None or table.policy.startswith(_GATHERING):
        return ()
    and_so = "and there is no default row: add a row or a default"
    return _few([f"no row matches where {gap.where}, {and_so}" for gap in gaps], len(gaps), "gaps were found")


def gap_notes(table: DecisionTable, gaps: Sequence[Gap]) -> tuple[str, ...]:
    """Say what no row takes, where something else decides."""
    if table.default is not None:
        return _few([f"the default row decides where {gap.where}" for gap in gaps], len(gaps), "gaps were found")
    if table.policy.startswith(_GATHERING):
        return _few([f"nothing is collected where {gap.where}" for gap in gaps], len(gaps), "gaps were found")
    return ()


def unchecked_in_words(doubtful: Sequence[str], unknown: Sequence[str], steps: int) -> str:
    """Say what was not checked; `steps`: after how many the search for gaps ended, 0 if it came to its end."""
    parts = []
    if steps:
        parts.append(f"the search for gaps ended after {steps:,} steps, so there may be more")
    if unknown:
        parts.append(f"whether {_rows(unknown)} can be reached was too long to find out")
    if doubtful:
        parts.append(f"what {_rows(doubtful)} takes depends on other inputs, so overlaps and gaps there are not found")
    return f"not fully checked: {'; '.join(parts)}" if parts else ""


def _few(sentences: list[str], count: int, what: str) -> tuple[str, ...]:
    """Keep the first sentences, and say how many more there are."""
    shown = sentences[:_MOST_SENTENCES]
    more = count - len(shown)
    return (*shown, f"{more} more {what}") if more > 0 else tuple(shown)


def _rows(ids: Sequence[str]) -> str:
    return f"row{'s' * (len(ids) > 1)} {_named(ids)}"


def _named(ids: Sequence[str]) -> str:
    shown, more = ids[:_MOST_ROWS], len(ids) - _MOST_ROWS
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
