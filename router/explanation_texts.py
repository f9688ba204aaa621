"""Keep explanations as a short text beside a decision, and tell them from it when the table is long gone.

The text is JSON that begins with its version. Texts that begin otherwise are older ones, in words already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from router.tables.explain.explanation import Close, Explanation, Matched, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

_START = '{"v":1,'


def compact(explanations: Iterable[Explanation]) -> str:
    """Write explanations, one per table that was asked."""
    return orjson.dumps({"v": 1, "why": [_written(one) for one in explanations]}).decode()


def explanations_in(text: str) -> tuple[Explanation, ...]:
    """Read what `compact` wrote; nothing where the text is in words."""
    return tuple([_read(one) for one in orjson.loads(text)["why"]]) if text.startswith(_START) else ()


def told(text: str) -> str:
    """Tell what was kept, one sentence per line."""
    explanations = explanations_in(text)
    return "\n".join(line for one in explanations for line in one.sentences) if explanations else text


def _written(one: Explanation) -> list[object]:
    rows = [[row.row, None if row.is_default else [_cell(cell) for cell in row.cells], row.more] for row in one.rows]
    close = [[row.row, [_cell(miss) for miss in row.misses], row.switched_off] for row in one.close]
    return [one.reference, rows, one.used_up, close, one.as_close]


def _cell(seen: Seen) -> list[str]:
    same = seen.value == seen.wants
    return [seen.column, seen.value] if same else [seen.column, seen.value, seen.wants]


def _read(written: list[Any]) -> Explanation:
    reference, rows, used_up, close, as_close = written
    return Explanation(
        reference=reference,
        rows=tuple([_matched(*row) for row in rows]),
        used_up=tuple(used_up),
        close=tuple([_close(*row) for row in close]),
        as_close=as_close,
    )


def _matched(row: str, cells: list[list[str]] | None, more: int) -> Matched:
    seen = tuple([_seen(*cell) for cell in cells or ()])
    return Matched(row=row, cells=seen, more=more, is_default=cells is None)


def _close(row: str, misses: list[list[str]], switched_off: bool) -> Close:  # noqa: FBT001 - as it was written
    return Close(row=row, misses=tuple([_seen(*cell) for cell in misses]), switched_off=switched_off)


def _seen(column: str, value: str, wants: str | None = None) -> Seen:
    return Seen(column, value, value if wants is None else wants)
