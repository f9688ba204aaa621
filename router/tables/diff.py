"""Describe the differences between two versions of a table in sentences."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from router.tables.feel.writer import value_text
from router.tables.formats.entries import shortest_cell_text
from router.tables.formats.yaml_writer import flow_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.formats.document import TableDocument
    from router.tables.model import Input, Output, Row, SavedTest
    from router.tables.table import DecisionTable


PartKind = Literal["table", "input", "output", "row", "default", "test"]

AttributeKey = tuple[str, str]  # the attribute, and the column that it belongs to (or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """A column, a row, a saved test, the default row or the table itself, with its attributes as text.

    Equal values have equal texts, so two versions of a part can be compared attribute by attribute.
    """

    kind: PartKind
    name: str
    attributes: Mapping[AttributeKey, str]

    @property
    def key(self) -> tuple[PartKind, str]:
        """What identifies the part across versions."""
        return self.kind, self.name


def parts_of_table(document: TableDocument) -> list[TablePart]:
    """Return the parts of a table in the order of its file."""
    return list(_table_parts(document.table, (_row(row, document) for row in document.rows)))


def _table_parts(table: DecisionTable, rows: Iterator[TablePart]) -> Iterator[TablePart]:
    attributes = {("policy", ""): str(table.policy), **_if_present("note", table.note)}
    yield TablePart(kind="table", name=table.id, attributes=attributes)
    yield from map(_input, table.inputs)
    yield from map(_output, table.outputs)
    yield from rows
    if table.default is not None:
        yield TablePart(kind="default", name="", attributes=_outputs(table.default))
    yield from map(_test, table.tests)


def _input(column: Input) -> TablePart:
    attributes = {("path", ""): column.path or column.name, ("type", ""): column.type}
    values = shortest_cell_text(column.allowed) if column.allowed else ""
    return TablePart(kind="input", name=column.name, attributes={**attributes, **_if_present("values", values)})


def _output(column: Output) -> TablePart:
    values = ", ".join(map(value_text, column.allowed))
    return TablePart(
        kind="output", name=column.name, attributes={("type", ""): column.type, **_if_present("values", values)}
    )


def _row(row: Row, document: TableDocument) -> TablePart:
    table = document.table
    cells = zip(table.inputs, row.cells, strict=True)
    conditions = {("cell", column.name): _cell(cell, column, table) for column, cell in cells if not cell.is_any}
    extras = {(extra.label, ""): extra.text for extra in document.extras.get(row.id, ()) if extra.text}
    return TablePart(
        kind="row", name=row.id, attributes={**extras, **conditions, **_outputs(row), **_if_present("note", row.note)}
    )


def _cell(cell: Cell, column: Input, table: DecisionTable) -> str:
    return shortest_cell_text(cell, [other.name for other in table.inputs if other is not column])


def _outputs(row: Row) -> dict[AttributeKey, str]:
    return {("output", name): _value_text(value) for name, value in row.outputs.items()}


def _test(test: SavedTest) -> TablePart:
    row = _if_present("expected row", test.row or "")
    expected = {("expected", name): _value_text(value) for name, value in test.outputs.items()}
    given = {("given", ""): flow_yaml(test.given)}
    return TablePart(
        kind="test", name=test.name, attributes={**given, **row, **expected, **_if_present("note", test.note)}
    )


def _value_text(value: object) -> str:
    return "null" if value is None else value_text(value)


def _if_present(attribute: str, text: str) -> dict[AttributeKey, str]:
    return {(attribute, ""): text} if text else {}


ANY_CELL = "-"

NO_VALUE = "(none)"

ORDERED_KINDS: tuple[PartKind, ...] = ("input", "output", "row")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """One difference between two versions.

    `field` and `column` name the changed attribute. `before` and `after` are its texts; `after` is empty for what was
    removed, `before` for what was added.
    """

    change: Literal["added", "removed", "changed", "moved"]
    kind: PartKind
    name: str
    field: str = ""
    column: str = ""
    before: str = ""
    after: str = ""

    @property
    def sentence(self) -> str:
        """The difference in one sentence."""
        subject = self.kind if self.kind == "default" else f"{self.kind} {self._name_in_sentence}"
        match self.change:
            case "moved":
                return f"{subject} moved from place {self.before} to {self.after}"
            case "changed":
                return f"{subject}: {self._location} {self.before} → {self.after}"
            case _:
                return f"{subject} {self.change}: {self.before or self.after}"

    @property
    def _name_in_sentence(self) -> str:
        return self.name if self.kind in ("row", "table") else f"'{self.name}'"

    @property
    def _location(self) -> str:
        return f"{self.field} '{self.column}'" if self.column else self.field


def compare_tables(before: TableDocument, after: TableDocument) -> tuple[TableChange, ...]:
    """Return the differences between two versions. Comments and layout of the files are not compared."""
    old, new = ({part.key: part for part in parts_of_table(document)} for document in (before, after))
    of_table = _table_changes(next(iter(old.values())), next(iter(new.values())))
    removed = [_removal(part) for key, part in old.items() if key not in new and part.kind != "table"]
    removed_columns = {name for kind, name in old.keys() - new.keys() if kind in ("input", "output")}
    common = [key for key in new if key in old]
    changed = [change for key in common for change in _field_changes(old[key], new[key], removed_columns)]
    added = [_addition(part) for key, part in new.items() if key not in old and part.kind != "table"]
    # Where an attribute orders the rows, its changes are reported instead of places.
    kinds = [kind for kind in ORDERED_KINDS if kind != "row" or after.ordered_by_place]
    moved = [change for kind in kinds for change in _order_changes(kind, [*old.values()], [*new.values()])]
    return (*of_table, *removed, *added, *moved, *changed)


def _table_changes(before: TablePart, after: TablePart) -> Iterator[TableChange]:
    """Yield the changes of the table's own attributes, also if its id changed."""
    if before.name != after.name:
        yield TableChange(
            change="changed", kind="table", name=after.name, field="id", before=before.name, after=after.name
        )
        yield from _field_changes(before, after, frozenset())


def _removal(part: TablePart) -> TableChange:
    return TableChange(change="removed", kind=part.kind, name=part.name, before=_description(part))


def _addition(part: TablePart) -> TableChange:
    return TableChange(change="added", kind=part.kind, name=part.name, after=_description(part))


def _description(part: TablePart) -> str:
    cells = ", ".join(f"{column} {text}" for (field, column), text in part.attributes.items() if field == "cell")
    results = ", ".join(f"{column} {text}" for (field, column), text in part.attributes.items() if field == "output")
    others = ", ".join(
        _attribute_text(key, text) for key, text in part.attributes.items() if key[0] not in ("cell", "output")
    )
    decides = f"{cells or 'anything'} → {results}" if part.kind == "row" else results
    return "; ".join(filter(None, [decides, others]))


def _attribute_text(key: AttributeKey, text: str) -> str:
    return " ".join(filter(None, [*key, text]))


def _field_changes(
    before: TablePart, after: TablePart, removed_columns: frozenset[str] | set[str]
) -> Iterator[TableChange]:
    for key in dict.fromkeys((*before.attributes, *after.attributes)):
        field, column = key
        old, new = (_attribute(part.attributes, key) for part in (before, after))
        # A removed column is reported once, and not again for every row.
        if old != new and not (column in removed_columns and key not in after.attributes):
            name = after.name
            yield TableChange(
                change="changed", kind=after.kind, name=name, field=field, column=column, before=old, after=new
            )


def _attribute(attributes: Mapping[AttributeKey, str], key: AttributeKey) -> str:
    return attributes.get(key, ANY_CELL if key[0] == "cell" else NO_VALUE)


def _order_changes(kind: PartKind, old: Sequence[TablePart], new: Sequence[TablePart]) -> Iterator[TableChange]:
    """Yield a smallest set of moves that turns the old order of the parts of a kind into the new one."""
    before, after = (_positions(parts, kind) for parts in (old, new))
    common = [name for name in after if name in before]
    for name in _out_of_order([before[name] for name in common], common):
        yield TableChange(change="moved", kind=kind, name=name, before=str(before[name]), after=str(after[name]))


def _positions(parts: Sequence[TablePart], kind: PartKind) -> dict[str, int]:
    names = [part.name for part in parts if part.kind == kind]
    return {name: place for place, name in enumerate(names, start=1)}


def _out_of_order(places: Sequence[int], names: Sequence[str]) -> list[str]:
    """Return the names whose places are not part of a longest increasing subsequence."""
    ends: list[int] = []  # the smallest last place of an increasing subsequence of each length
    lengths: list[int] = []
    for place in places:
        lengths.append(bisect_left(ends, place))
        ends[lengths[-1] : lengths[-1] + 1] = [place]
    length = len(ends)
    kept: set[str] = set()
    bound = float("inf")
    for place, shorter, name in reversed([*zip(places, lengths, names, strict=True)]):
        if shorter == length - 1 and place < bound:
            kept.add(name)
            length, bound = shorter, place
    return [name for name in names if name not in kept]
