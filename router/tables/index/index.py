"""Choose and compile the index of a large table, which finds the rows that match without trying them one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.index.bitsets import masks_of
from router.tables.index.coarse_index import blurred_index
from router.tables.index.coarse_sets import is_worth_blurring
from router.tables.index.exact_index import exact_index
from router.tables.index.word_index import FEWEST_FILED, filed_index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from router.tables.index.coarse_index import CoarseIndex
    from router.tables.index.exact_index import ExactIndex
    from router.tables.index.word_index import WordIndex
    from router.tables.model import Row

    AnyIndex: TypeAlias = "ExactIndex | CoarseIndex | WordIndex"


def compile_index(rows: Sequence[Row], width: int) -> AnyIndex:
    """Compile the rows of a table with so many inputs."""
    columns = {place: [row.cells[place] for row in rows] for place in range(width)}
    masks = {place: masks_of(cells) for place, cells in columns.items() if not all(cell.is_any for cell in cells)}
    # The column that leaves the fewest rows comes first: a value that nothing takes ends the search there.
    order = sorted(masks, key=lambda place: masks[place].usual_share(len(rows)))
    exact = exact_index(rows, columns, masks, order)
    if is_worth_blurring(list(masks.values()), len(rows)):
        return blurred_index(exact, masks)
    return (filed_index(exact) if len(rows) >= FEWEST_FILED else None) or exact
