"""Read the saved tests of a sheet: one line each, with `given` and `expect` as YAML in a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.diagnostics import Diagnostics, TableErrors
from router.tables.formats.sheets.grid import EXPECT, GIVEN, NOTE, TEST
from router.tables.formats.yaml_reader import read_yaml
from schemas.files.located_tree import Block, Listing, Scalar, block_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.tables.formats.sheets.grid import SheetLine
    from schemas.files.located_tree import Tree

_COLUMNS = (TEST, GIVEN, EXPECT, NOTE)


class _CellPlaces:
    """The places of YAML inside a cell: each of them is the cell."""

    def full_name(self, _place: int) -> str:
        """Return the name of the cell."""
        return self.short_name(_place)

    def short_name(self, _place: int) -> str:
        """Return the name of the cell."""
        return "the same cell"


def read_sheet_tests(lines: Sequence[SheetLine], diagnostics: Diagnostics) -> Listing:
    """Read the tests. The first line has the headings."""
    heading = lines[0]
    columns = {cell.text.strip(): at for at, cell in enumerate(heading.cells) if cell.text.strip()}
    for name, at in columns.items():
        if name not in _COLUMNS:
            place = heading.cell(at).line
            diagnostics.add(place, f"tests have no column '{name}'; known are {', '.join(_COLUMNS)}")
    return Listing(tuple(_test(line, columns, diagnostics) for line in lines[1:]), heading.place)


def _test(line: SheetLine, columns: dict[str, int], diagnostics: Diagnostics) -> Block:
    for at, cell in enumerate(line.cells):
        if at not in columns.values() and cell.text.strip():
            diagnostics.add(cell.line, f"'{cell.text}' is in no column: give it a heading or empty the cell")
    entries = dict(_entries(line, columns, diagnostics))
    return block_of(entries, line.place)


def _entries(line: SheetLine, columns: dict[str, int], diagnostics: Diagnostics) -> Iterator[tuple[str, Tree]]:
    for name, at in columns.items():
        cell = line.cell(at)
        if not cell.text.strip():
            continue
        if name == TEST:
            yield "name", cell
        elif name == NOTE:
            yield name, cell
        elif name in (GIVEN, EXPECT):
            yield name, _yaml_in_cell(cell, f"test '{line.first_text}': '{name}'", diagnostics)


def _yaml_in_cell(cell: Scalar, context: str, diagnostics: Diagnostics) -> Tree:
    """Read the YAML inside a cell. The place of each value is the cell."""
    cell_diagnostics = Diagnostics(_CellPlaces())
    try:
        tree = read_yaml(cell.text, context, cell_diagnostics)
    except TableErrors as error:
        for sentence in error.sentences:
            problem = sentence.removeprefix(f"{context}:").partition(": ")[2]
            diagnostics.add_unreadable(cell.line, f"{context}: {problem}")
        return Scalar(cell.text, cell.value, cell.line)
    for _, sentence in cell_diagnostics.entries:
        diagnostics.add(cell.line, f"{context}: {sentence}")
    return _at_place(tree, cell.line)


def _at_place(tree: Tree, place: int) -> Tree:
    match tree:
        case Block():
            entries = {key: _at_place(value, place) for key, value in tree.entries.items()}
            return Block(entries, dict.fromkeys(entries, place), place)
        case Listing():
            return Listing(tuple(_at_place(item, place) for item in tree.items), place)
        case Scalar():
            return Scalar(tree.text, tree.value, place)
