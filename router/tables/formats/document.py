"""A decision table as its file writes it: what the writers of all formats and the comparison of versions read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.tables.model import Row
    from router.tables.table import DecisionTable


class ExtraField(NamedTuple):
    """A field of a row besides its cells and outputs. `data` is written under `key`, unless it is None.

    `label` and `text` are the name and the value in a comparison of two versions. A field with an empty text is left
    out of it.
    """

    key: str
    data: object
    label: str
    text: str


class ExtraColumn(NamedTuple):
    """The column of a sheet for an extra field of the rows, or for one key inside the field.

    `path` is the key of the field, followed by the key inside it if there is one. `default` is written where a row does
    not have the field.
    """

    heading: str
    path: tuple[str, ...]
    type: Literal["whole number", "boolean", "text"]
    is_before_inputs: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDocument:
    """A table with the first key of its file (`kind`), its rows in file order, and their extra fields by row id.

    `extra_columns` are the columns of these fields in a sheet. If the rows are not `ordered_by_place`, an extra field
    orders them, and their places in the file mean nothing.
    """

    table: DecisionTable
    rows: tuple[Row, ...]
    kind: str = "table"
    has_policy: bool = True
    extras: Mapping[str, tuple[ExtraField, ...]] = field(default_factory=dict)
    extra_columns: tuple[ExtraColumn, ...] = ()
    ordered_by_place: bool = True

    def extra_data(self, row: Row) -> dict[str, object]:
        """Return the extra fields of a row that are written, by key."""
        return {extra.key: extra.data for extra in self.extras.get(row.id, ()) if extra.data is not None}


def document_of_table(table: DecisionTable) -> TableDocument:
    """Return the document of a table that has no extra fields."""
    return TableDocument(table=table, rows=table.rows)
