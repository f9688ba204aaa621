"""Load a decision table from its YAML text, or report all of its problems together."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from router.tables.decision import decide
from router.tables.diagnostics import Diagnostics, LineNumbers, TableErrors, check_row_count
from router.tables.formats.columns import read_inputs, read_outputs
from router.tables.formats.fields import BlockReader
from router.tables.formats.rows import RowReader, check_ids
from router.tables.formats.saved_tests import read_tests
from router.tables.formats.yaml_reader import read_yaml
from router.tables.hit_policy import HitPolicy, find_hit_policy, hit_policy_problems
from router.tables.model import DEFAULT_ROW, Row
from router.tables.table import DecisionTable
from router.tables.test_cases import run_tests
from schemas.files.located_tree import Block, Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from router.tables.decision import Decision, Undecided
    from router.tables.diagnostics import SourcePlaces
    from router.tables.facts import FactModel, Facts
    from router.tables.model import Output
    from schemas.files.located_tree import Tree

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout:
    """The keys of one kind of table file.

    `outputs` are the output columns if the file does not list them itself. `foreign_keys` are keys of other kinds of
    file, each with a hint.
    """

    kind: str
    keys: tuple[str, ...]
    row_keys: tuple[str, ...] = ("id", "when", "then", "note")
    outputs: tuple[Output, ...] = ()
    foreign_keys: Mapping[str, str] = field(default_factory=dict)


TABLE_LAYOUT = FileLayout(
    kind="table",
    keys=("table", "policy", "inputs", "outputs", "rows", "default", "tests", "note"),
)


@dataclass(frozen=True, slots=True)
class TableTree:
    """The content of a table file of any format, read as a tree but not checked yet.

    `version` names the content; it is empty if the YAML text that the content becomes will define the version. Unless
    `runs_tests` is set, saved tests are read but not run.
    """

    root: Tree
    version: str
    diagnostics: Diagnostics
    runs_tests: bool = True


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table file as far as it could be read, with its problems so far."""

    table: DecisionTable
    rows: tuple[tuple[BlockReader, Row], ...]
    fields: BlockReader
    diagnostics: Diagnostics
    runs_tests: bool


def load_table(text: str, source_name: str, model: FactModel, layout: FileLayout = TABLE_LAYOUT) -> DecisionTable:
    """Load a decision table and run its saved tests.

    The version of the table is the first 8 hex digits of the SHA-256 of its text in UTF-8.

    Raises:
        TableErrors: the problems of the file, each with file, line, row and column.
    """
    return table_from_tree(table_tree_from_yaml(text, source_name), model, layout)


def table_from_tree(tree: TableTree, model: FactModel, layout: FileLayout = TABLE_LAYOUT) -> DecisionTable:
    """Check a decision table and run its saved tests.

    Raises:
        TableErrors: the problems of the file, each with its place, row and column.
    """
    file = read_table_file(tree, layout, model)
    check_file(file, partial(decide, file.table))
    return file.table


def version_of(text: str) -> str:
    """Return the version of a text: it is derived from its exact content."""
    return version_of_bytes(text.encode("utf-8", "surrogatepass"))


def version_of_bytes(content: bytes) -> str:
    """Return the version of the bytes of a file."""
    return hashlib.sha256(content).hexdigest()[:_VERSION_DIGITS]


def table_tree_from_yaml(text: str, source_name: str) -> TableTree:
    """Read the YAML text of a table file.

    Raises:
        TableErrors: it is not YAML.
    """
    diagnostics = Diagnostics(LineNumbers(source_name))
    return TableTree(read_yaml(text, source_name, diagnostics), version_of(text), diagnostics)


def read_table_file(tree: TableTree, layout: FileLayout, model: FactModel) -> TableFile:
    """Read a table file as far as possible, and collect its problems.

    Raises:
        TableErrors: it is not a mapping.
    """
    root, diagnostics = tree.root, tree.diagnostics
    if not isinstance(root, Block):
        place = diagnostics.places.full_name(root.line)
        raise TableErrors([f"{place}: a {layout.kind} file starts with '{layout.kind}: its-id'"])
    fields = BlockReader(root, "", diagnostics)
    fields.check_keys(layout.keys, layout.foreign_keys)
    return _read(fields, layout, tree, model)


def _read(fields: BlockReader, layout: FileLayout, tree: TableTree, model: FactModel) -> TableFile:
    inputs = read_inputs(fields, model)
    outputs = layout.outputs or read_outputs(fields)
    reader = RowReader(inputs, outputs, model)
    rows = tuple(_rows(fields, reader, layout, tree.diagnostics.places))
    table = DecisionTable(
        id=_id(fields, layout.kind),
        version=tree.version,
        note=fields.text("note", default=""),
        inputs=inputs,
        outputs=outputs,
        policy=_policy(fields, layout),
        rows=tuple(row for _, row in rows),
        default=_default(fields, reader),
        tests=read_tests(fields, {row.id for _, row in rows}, outputs, model),
    )
    for problem in hit_policy_problems(table.policy, table.outputs, table.rows):
        fields.report(problem, fields.line_of("policy"))
    return TableFile(table, rows, fields, tree.diagnostics, tree.runs_tests)


def _rows(
    file: BlockReader, reader: RowReader, layout: FileLayout, places: SourcePlaces
) -> list[tuple[BlockReader, Row]]:
    if isinstance(listed := file.tree("rows"), Listing):
        check_row_count(len(listed.items), places.full_name(file.line_of("rows")))
    blocks = file.blocks("rows", "row")
    rows = [_row(block, place, reader, layout) for place, block in enumerate(blocks, start=1)]
    check_ids(rows)
    if isinstance(listed, Listing) and not listed.items:
        file.report("there are no rows", file.line_of("rows"))
    return rows


def _row(block: BlockReader, place: int, reader: RowReader, layout: FileLayout) -> tuple[BlockReader, Row]:
    row_id = block.tree("id")
    fields = block.named(f"row {getattr(row_id, 'text', '') or f'number {place}'}")
    fields.check_keys(layout.row_keys, layout.foreign_keys)
    return fields, reader.read(fields)


def _id(fields: BlockReader, kind: str) -> str:
    table_id = fields.text(kind)
    if table_id and not _ID.fullmatch(table_id):
        fields.report(f"the id '{table_id}' has other characters than a-z, 0-9, '.', '_', '-'", fields.line_of(kind))
    return table_id


def _policy(fields: BlockReader, layout: FileLayout) -> HitPolicy:
    if "policy" not in layout.keys:
        return HitPolicy.FIRST
    text = fields.text("policy", default=HitPolicy.FIRST)
    if policy := find_hit_policy(text):
        return policy
    fields.report(f"policy '{text}' is not one of {', '.join(HitPolicy)}", fields.line_of("policy"))
    return HitPolicy.FIRST


def _default(fields: BlockReader, reader: RowReader) -> Row | None:
    if fields.tree("default") is None:
        return None
    return Row(id=DEFAULT_ROW, outputs=reader.outputs(fields.named("default row"), "default"))


def check_file(file: TableFile, decide: Callable[[Facts], Decision | Undecided]) -> None:
    """Raise the problems of a file. If there are none and `runs_tests` is set, run its saved tests.

    Raises:
        TableErrors: the file has a problem, or a test failed.
    """
    file.diagnostics.raise_if_any()
    for line, sentence in run_tests(file.table.tests, decide) if file.runs_tests else ():
        file.diagnostics.add(line, sentence)
    file.diagnostics.raise_if_any()
