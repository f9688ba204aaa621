"""A decision table as its file spells it: what the writers of all formats and the comparison of versions read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.tables.model import Row
    from router.tables.table import DecisionTable


class ExtraField(NamedTuple):
    """What one row has besides its cells and outputs. `data` is written under `key`, unless it is None.

    `label` and `text` name it and its value where two versions are compared; an empty text stands for nothing.
    """

    key: str
    data: object
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDocument:
    """A table with the first key of its file, its rows in the order of the file, and their extra fields by row id."""

    table: DecisionTable
    rows: tuple[Row, ...]
    kind: str = "table"
    has_policy: bool = True
    extras: Mapping[str, tuple[ExtraField, ...]] = field(default_factory=dict)

    def extra_data(self, row: Row) -> dict[str, object]:
        """Return the extra fields of a row that are written, by their keys."""
        return {extra.key: extra.data for extra in self.extras.get(row.id, ()) if extra.data is not None}


def document_of_table(table: DecisionTable) -> TableDocument:
    """Return the document of a table that has nothing but columns and rows."""
    return TableDocument(table=table, rows=table.rows)
