"""Choose and build the index of a large table, which finds the matching rows without testing each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.index.bitsets import column_bitsets
from router.tables.index.coarse_index import build_coarse_index
from router.tables.index.coarse_sets import is_coarse_index_worthwhile
from router.tables.index.exact_index import build_exact_index
from router.tables.index.word_index import MIN_WORD_INDEX_ROWS, build_word_index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from router.tables.index.coarse_index import CoarseIndex
    from router.tables.index.exact_index import ExactIndex
    from router.tables.index.word_index import WordIndex
    from router.tables.model import Row

    RowIndex: TypeAlias = "ExactIndex | CoarseIndex | WordIndex"


def compile_index(rows: Sequence[Row], width: int) -> RowIndex:
    """Build the index of the rows of a table with `width` input columns."""
    columns = {place: [row.cells[place] for row in rows] for place in range(width)}
    bitsets = {
        place: column_bitsets(cells) for place, cells in columns.items() if not all(cell.is_any for cell in cells)
    }
    # The most selective column comes first: if no row accepts its value, the search ends there.
    order = sorted(bitsets, key=lambda place: bitsets[place].average_share(len(rows)))
    exact = build_exact_index(rows, columns, bitsets, order)
    if is_coarse_index_worthwhile(list(bitsets.values()), len(rows)):
        return build_coarse_index(exact, bitsets)
    return (build_word_index(exact) if len(rows) >= MIN_WORD_INDEX_ROWS else None) or exact
