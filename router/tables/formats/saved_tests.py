"""Read the saved tests of a table file."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from router.tables.facts import ExampleFactsError
from router.tables.feel.unary_test import CellError
from router.tables.formats.entries import output_value
from router.tables.model import DEFAULT_ROW, NO_ROW, ROW_SEPARATOR, SavedTest
from schemas.files.located_tree import Scalar, plain_data

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from router.tables.facts import FactModel, Facts
    from router.tables.formats.fields import BlockReader
    from router.tables.model import Output


def read_tests(
    file: BlockReader, row_ids: Collection[str], outputs: Iterable[Output], model: FactModel
) -> tuple[SavedTest, ...]:
    """Read the saved tests of a table file; none if it has no `tests`."""
    if file.tree("tests") is None:
        return ()
    columns = {column.name: column for column in outputs}
    tests = [_test(fields, row_ids, columns, model) for fields in file.blocks("tests", "test")]
    return tuple(test for test in tests if test)


def _test(
    block: BlockReader, row_ids: Collection[str], columns: Mapping[str, Output], model: FactModel
) -> SavedTest | None:
    name = block.text("name")
    fields = block.named(f"test '{name}'")
    fields.check_keys(("name", "given", "expect", "note"))
    given = _given(fields)
    facts = None if given is None else _facts(fields, given, model)
    expect = fields.block("expect", fields.context)
    expect.check_keys(("row", *columns))
    row = _row(expect, row_ids)
    expected = _expected(expect, columns)
    note = fields.text("note", default="")
    if given is None or facts is None:
        return None
    outputs = MappingProxyType(expected)
    return SavedTest(name=name, given=given, facts=facts, row=row, outputs=outputs, note=note, line=block.line)


def _given(fields: BlockReader) -> Mapping[str, object] | None:
    given = fields.tree("given")
    data = plain_data(given) if given else None
    if isinstance(data, dict):
        return MappingProxyType(data)
    problem = "'given' must be an object of the form {field: value}"
    fields.report(problem, fields.line_of("given"))
    return None


def _facts(fields: BlockReader, given: Mapping[str, object], model: FactModel) -> Facts | None:
    try:
        return model.facts_from(given)
    except ExampleFactsError as error:
        for sentence in error.sentences:
            fields.report(sentence, fields.line_of("given"))
        return None


def _row(expect: BlockReader, row_ids: Collection[str]) -> str | None:
    if not expect.keys:
        expect.report("expects nothing: name a row, an output or both")
    if expect.tree("row") is None:
        return None
    row = expect.text("row")
    for row_id in row.split(ROW_SEPARATOR):
        if row_id not in {*row_ids, DEFAULT_ROW, NO_ROW}:
            expect.report(f"expects row {row_id}, which the table does not have", expect.line_of("row"))
    return row


def _expected(expect: BlockReader, columns: Mapping[str, Output]) -> dict[str, object]:
    expected: dict[str, object] = {}
    for name, column in columns.items():
        tree = expect.tree(name)
        if isinstance(tree, Scalar):
            try:
                expected[name] = output_value(tree, column)
            except CellError as error:
                expect.report(f"output '{name}': {error}", tree.line)
    return expected
