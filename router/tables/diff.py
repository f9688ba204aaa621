"""Say in words what differs between two versions of a table."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from router.tables.feel.writer import value_text
from router.tables.formats.entries import bare_cell
from router.tables.formats.yaml_writer import in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.formats.document import TableDocument
    from router.tables.model import Input, Output, Row, SavedTest
    from router.tables.table import DecisionTable


Kind = Literal["table", "input", "output", "row", "default", "test"]

Part = tuple[str, str]  # what it is, and in which column


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """A column, a row, a test … with its parts. Equal things are written equally."""

    kind: Kind
    name: str
    parts: Mapping[Part, str]

    @property
    def key(self) -> tuple[Kind, str]:
        """What makes it the same thing in another version."""
        return self.kind, self.name


def parts_of(document: TableDocument) -> list[TablePart]:
    """Take a table apart, in its own order."""
    return list(_things(document.table, (_row(row, document) for row in document.rows)))


def _things(table: DecisionTable, rows: Iterator[TablePart]) -> Iterator[TablePart]:
    about = {("policy", ""): str(table.policy), **_if_said("note", table.note)}
    yield TablePart(kind="table", name=table.id, parts=about)
    yield from map(_input, table.inputs)
    yield from map(_output, table.outputs)
    yield from rows
    if table.default is not None:
        yield TablePart(kind="default", name="", parts=_results(table.default))
    yield from map(_test, table.tests)


def _input(column: Input) -> TablePart:
    about = {("path", ""): column.path or column.name, ("type", ""): column.type}
    values = bare_cell(column.allowed) if column.allowed else ""
    return TablePart(kind="input", name=column.name, parts={**about, **_if_said("values", values)})


def _output(column: Output) -> TablePart:
    values = ", ".join(map(value_text, column.allowed))
    return TablePart(kind="output", name=column.name, parts={("type", ""): column.type, **_if_said("values", values)})


def _row(row: Row, document: TableDocument) -> TablePart:
    table = document.table
    cells = zip(table.inputs, row.cells, strict=True)
    written = {("cell", column.name): _cell(cell, column, table) for column, cell in cells if not cell.is_any}
    extras = {(extra.label, ""): extra.text for extra in document.extras.get(row.id, ()) if extra.text}
    return TablePart(
        kind="row", name=row.id, parts={**extras, **written, **_results(row), **_if_said("note", row.note)}
    )


def _cell(cell: Cell, column: Input, table: DecisionTable) -> str:
    return bare_cell(cell, [other.name for other in table.inputs if other is not column])


def _results(row: Row) -> dict[Part, str]:
    return {("output", name): _value(value) for name, value in row.outputs.items()}


def _test(test: SavedTest) -> TablePart:
    row = _if_said("expected row", test.row or "")
    expected = {("expected", name): _value(value) for name, value in test.outputs.items()}
    given = {("given", ""): in_one_line(test.given)}
    return TablePart(kind="test", name=test.name, parts={**given, **row, **expected, **_if_said("note", test.note)})


def _value(value: object) -> str:
    return "null" if value is None else value_text(value)


def _if_said(what: str, text: str) -> dict[Part, str]:
    return {(what, ""): text} if text else {}


ANY = "-"

NOTHING = "(none)"

ORDERED: tuple[Kind, ...] = ("input", "output", "row")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """One difference. `part` and `column` say where in the thing, `before` and `after` what stood and stands there."""

    what: Literal["added", "removed", "changed", "moved"]
    kind: Kind
    name: str
    part: str = ""
    column: str = ""
    before: str = ""
    after: str = ""

    @property
    def sentence(self) -> str:
        """Say it."""
        thing = self.kind if self.kind == "default" else f"{self.kind} {self._named}"
        match self.what:
            case "moved":
                return f"{thing} moved from place {self.before} to {self.after}"
            case "changed" if self.part == "switched":
                return f"{thing} switched {self.after}"
            case "changed":
                return f"{thing}: {self._where} {self.before} → {self.after}"
            case _:
                return f"{thing} {self.what}: {self.before or self.after}"

    @property
    def _named(self) -> str:
        return self.name if self.kind in ("row", "table") else f"'{self.name}'"

    @property
    def _where(self) -> str:
        return f"{self.part} '{self.column}'" if self.column else self.part


def differences(before: TableDocument, after: TableDocument) -> tuple[TableChange, ...]:
    """Compare two versions; nothing is said of comments and layout, which change no decision."""
    old, new = ({thing.key: thing for thing in parts_of(one)} for one in (before, after))
    about = _about(next(iter(old.values())), next(iter(new.values())))
    gone = [_removed(thing) for key, thing in old.items() if key not in new and thing.kind != "table"]
    taken_along = {name for kind, name in old.keys() - new.keys() if kind in ("input", "output")}
    both = [key for key in new if key in old]
    changed = [change for key in both for change in _changes(old[key], new[key], taken_along)]
    come = [_added(thing) for key, thing in new.items() if key not in old and thing.kind != "table"]
    return (*about, *gone, *come, *_moves([*old.values()], [*new.values()]), *changed)


def _about(before: TablePart, after: TablePart) -> Iterator[TableChange]:
    """Compare what is said of the table as a whole, under whatever id."""
    if before.name != after.name:
        yield TableChange(
            what="changed", kind="table", name=after.name, part="id", before=before.name, after=after.name
        )
        yield from _changes(before, after, frozenset())


def _removed(thing: TablePart) -> TableChange:
    return TableChange(what="removed", kind=thing.kind, name=thing.name, before=_in_words(thing))


def _added(thing: TablePart) -> TableChange:
    return TableChange(what="added", kind=thing.kind, name=thing.name, after=_in_words(thing))


def _in_words(thing: TablePart) -> str:
    cells = ", ".join(f"{column} {text}" for (part, column), text in thing.parts.items() if part == "cell")
    results = ", ".join(f"{column} {text}" for (part, column), text in thing.parts.items() if part == "output")
    rest = ", ".join(_said(part, text) for part, text in thing.parts.items() if part[0] not in ("cell", "output"))
    decides = f"{cells or 'anything'} → {results}" if thing.kind == "row" else results
    return "; ".join(filter(None, [decides, rest]))


def _said(part: Part, text: str) -> str:
    return " ".join(filter(None, [*part, text]))


def _changes(before: TablePart, after: TablePart, taken_along: frozenset[str] | set[str]) -> Iterator[TableChange]:
    for part in dict.fromkeys((*before.parts, *after.parts)):
        what, column = part
        old, new = (_text(thing.parts, part) for thing in (before, after))
        # A column that is gone is told once, and not with every row.
        if old != new and not (column in taken_along and part not in after.parts):
            name = after.name
            yield TableChange(
                what="changed", kind=after.kind, name=name, part=what, column=column, before=old, after=new
            )


def _text(parts: Mapping[Part, str], part: Part) -> str:
    return parts.get(part, ANY if part[0] == "cell" else NOTHING)


def _moves(old: Sequence[TablePart], new: Sequence[TablePart]) -> Iterator[TableChange]:
    """Name as few things as possible whose moving explains the new order."""
    for kind in ORDERED:
        before, after = (_places(things, kind) for things in (old, new))
        if any(("order", "") in thing.parts for thing in new if thing.kind == kind):
            continue  # a definition says its order itself, and a new one is a change of that
        common = [name for name in after if name in before]
        for name in _displaced([before[name] for name in common], common):
            yield TableChange(what="moved", kind=kind, name=name, before=str(before[name]), after=str(after[name]))


def _places(things: Sequence[TablePart], kind: Kind) -> dict[str, int]:
    names = [thing.name for thing in things if thing.kind == kind]
    return {name: place for place, name in enumerate(names, start=1)}


def _displaced(places: Sequence[int], names: Sequence[str]) -> list[str]:
    """Give the names outside a longest rising sequence of places."""
    ends: list[int] = []  # the lowest end of a rising sequence of each length
    at: list[int] = []
    for place in places:
        at.append(bisect_left(ends, place))
        ends[at[-1] : at[-1] + 1] = [place]
    length = len(ends)
    kept: set[str] = set()
    ceiling = float("inf")
    for place, long, name in reversed([*zip(places, at, names, strict=True)]):
        if long == length - 1 and place < ceiling:
            kept.add(name)
            length, ceiling = long, place
    return [name for name in names if name not in kept]
