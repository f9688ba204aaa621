"""Why a table decided as it did, as a value that can be stored and printed.

It contains texts only, so it can be printed when the version of the table that decided is no longer loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class CellComparison:
    """The value of an input and the cell that it was compared with, both in words."""

    column: str
    value: str
    expected: str

    @property
    def match_text(self) -> str:
        """A sentence part for a cell that matches."""
        text = f"`{self.column}` is {self.value}"
        return text if self.value == self.expected else f"{text} (the cell requires {self.expected})"

    @property
    def mismatch_text(self) -> str:
        """Return which value the cell compared and what it requires, as a part of a sentence."""
        return f"`{self.column}` is {self.value}, the cell requires {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedRow:
    """A row that matches, with the comparisons of its cells; cells that match anything are left out.

    `more_cells` counts the cells that were left out because there are too many.
    """

    row: str
    cells: tuple[CellComparison, ...] = ()
    more_cells: int = 0
    is_default: bool = False

    @property
    def match_text(self) -> str:
        """Which values match which cells."""
        if self.is_default:
            return "no other row matches"
        more = [f"and {self.more_cells} more"] if self.more_cells else []
        return ", ".join([*[cell.match_text for cell in self.cells], *more]) or "the row matches anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A row that does not match, with the comparison of every cell that does not match."""

    row: str
    mismatches: tuple[CellComparison, ...]
    inactive: bool = False

    @property
    def sentence(self) -> str:
        """Return one sentence that says why the row does not match."""
        reasons = [cell.mismatch_text for cell in self.mismatches] + (["it is switched off"] if self.inactive else [])
        start = "would have matched" if len(reasons) == 1 else "came closest"
        return f"{self.row} {start} but {', and '.join(reasons)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why `reference` (`table@version#row`) decided; without a row in it, why nothing was decided.

    `rows` match. `used_up` match too but could not be chosen. `near_misses` nearly match; `unnamed_near_misses` counts
    further rows that came as close.
    """

    reference: str
    rows: tuple[MatchedRow, ...] = ()
    used_up: tuple[str, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    unnamed_near_misses: int = 0

    @property
    def sentences(self) -> list[str]:
        """The explanation, one sentence per element."""
        used_up = [f"{row} matches too, but is used up for now" for row in self.used_up]
        count = self.unnamed_near_misses
        more = [f"{count} more row{'s' if count > 1 else ''} came as close"] if count else []
        return [*self._match_sentences(), *used_up, *[row.sentence for row in self.near_misses], *more]

    def _match_sentences(self) -> list[str]:
        if len(self.rows) == 1 and "#" in self.reference:
            return [f"{self.reference}: {self.rows[0].match_text}"]
        return [f"{row.row}: {row.match_text}" for row in self.rows]


_JSON_START = '{"v":1,'


def dump_explanations(explanations: Iterable[Explanation]) -> str:
    """Write explanations, one per table that decided, as compact JSON."""
    return orjson.dumps({"v": 1, "why": [_dump_explanation(each) for each in explanations]}).decode()


def load_explanations(text: str) -> tuple[Explanation, ...]:
    """Read what `dump_explanations` wrote. Return nothing if the text is not JSON (older versions stored sentences)."""
    return (
        tuple([_load_explanation(written) for written in orjson.loads(text)["why"]])
        if text.startswith(_JSON_START)
        else ()
    )


def explanation_text(text: str) -> str:
    """Return a stored explanation as text, one sentence per line."""
    explanations = load_explanations(text)
    return "\n".join(line for each in explanations for line in each.sentences) if explanations else text


def _dump_explanation(explanation: Explanation) -> list[object]:
    rows = [
        [row.row, None if row.is_default else [_dump_cell(cell) for cell in row.cells], row.more_cells]
        for row in explanation.rows
    ]
    near = [[row.row, [_dump_cell(cell) for cell in row.mismatches], row.inactive] for row in explanation.near_misses]
    return [explanation.reference, rows, explanation.used_up, near, explanation.unnamed_near_misses]


def _dump_cell(cell: CellComparison) -> list[str]:
    same = cell.value == cell.expected
    return [cell.column, cell.value] if same else [cell.column, cell.value, cell.expected]


def _load_explanation(stored: list[Any]) -> Explanation:
    reference, rows, used_up, near, unnamed = stored
    return Explanation(
        reference=reference,
        rows=tuple([_load_match(*row) for row in rows]),
        used_up=tuple(used_up),
        near_misses=tuple([_load_near_miss(*row) for row in near]),
        unnamed_near_misses=unnamed,
    )


def _load_match(row: str, cells: list[list[str]] | None, more: int) -> MatchedRow:
    comparisons = tuple([_load_cell(*cell) for cell in cells or ()])
    return MatchedRow(row=row, cells=comparisons, more_cells=more, is_default=cells is None)


def _load_near_miss(row: str, mismatches: list[list[str]], inactive: bool) -> NearMiss:  # noqa: FBT001 - the order of the stored list
    return NearMiss(row=row, mismatches=tuple([_load_cell(*cell) for cell in mismatches]), inactive=inactive)


def _load_cell(column: str, value: str, wants: str | None = None) -> CellComparison:
    return CellComparison(column, value, value if wants is None else wants)
