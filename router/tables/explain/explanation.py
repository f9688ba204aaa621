"""Why a table decided as it did: the cells that fitted, and the rows that came close, ready to be kept and told.

Everything is in words already, so that it can be told when the version that decided is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class CellComparison:
    """A value, and the cell that it met."""

    column: str
    value: str
    wants: str

    @property
    def fit(self) -> str:
        """Say how they fit."""
        told = f"`{self.column}` is {self.value}"
        return told if self.value == self.wants else f"{told} (the cell wants {self.wants})"

    @property
    def miss(self) -> str:
        """Say how they do not fit."""
        return f"`{self.column}` is {self.value}, the cell wants {self.wants}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedRow:
    """A row that matches, with the cells that ask for something. `more` were left out for their number."""

    row: str
    cells: tuple[CellComparison, ...] = ()
    more: int = 0
    is_default: bool = False

    @property
    def fit(self) -> str:
        """Say which values fit which cells."""
        if self.is_default:
            return "no other row matches"
        more = [f"and {self.more} more"] if self.more else []
        return ", ".join([*[cell.fit for cell in self.cells], *more]) or "the row takes anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A row that does not match, with every cell that does not fit."""

    row: str
    misses: tuple[CellComparison, ...]
    switched_off: bool = False

    @property
    def sentence(self) -> str:
        """Say what it failed for."""
        reasons = [miss.miss for miss in self.misses] + (["it is switched off"] if self.switched_off else [])
        start = "would have matched" if len(reasons) == 1 else "came closest"
        return f"{self.row} {start} but {', and '.join(reasons)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why `reference`, as `table@version#row`, decided; or, without a row in it, why nothing did.

    `rows` match, `used_up` match too but could not be taken, `close` came close; `as_close` counts those
    that came as close and are not named.
    """

    reference: str
    rows: tuple[MatchedRow, ...] = ()
    used_up: tuple[str, ...] = ()
    close: tuple[NearMiss, ...] = ()
    as_close: int = 0

    @property
    def sentences(self) -> list[str]:
        """Tell it, a line each."""
        used_up = [f"{row} matches too, but is used up for now" for row in self.used_up]
        more = [f"{self.as_close} more rows came as close"] if self.as_close else []
        return [*self._matched(), *used_up, *[row.sentence for row in self.close], *more]

    def _matched(self) -> list[str]:
        if len(self.rows) == 1 and "#" in self.reference:
            return [f"{self.reference}: {self.rows[0].fit}"]
        return [f"{row.row}: {row.fit}" for row in self.rows]


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


def _cell(seen: CellComparison) -> list[str]:
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


def _matched(row: str, cells: list[list[str]] | None, more: int) -> MatchedRow:
    seen = tuple([_seen(*cell) for cell in cells or ()])
    return MatchedRow(row=row, cells=seen, more=more, is_default=cells is None)


def _close(row: str, misses: list[list[str]], switched_off: bool) -> NearMiss:  # noqa: FBT001 - as it was written
    return NearMiss(row=row, misses=tuple([_seen(*cell) for cell in misses]), switched_off=switched_off)


def _seen(column: str, value: str, wants: str | None = None) -> CellComparison:
    return CellComparison(column, value, value if wants is None else wants)
