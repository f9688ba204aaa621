"""Run the tests that are saved with a table: what is given, and the row and outputs that are expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from router.selection.partial_facts import GivenError, facts_given
from router.tables.decision import Decision, Undecided
from router.tables.explain.wording import value_in_words
from router.tables.feel.unary_test import CellError
from router.tables.formats.entries import output_value
from router.tables.formats.rows import NO_ROW
from router.tables.formats.tree import Scalar, plain_data
from router.tables.table import DEFAULT_ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from router.selection.facts import Facts
    from router.tables.formats.fields import Fields
    from router.tables.table import Output

_BETWEEN_ROWS = ", "


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTest:
    """One example that a table must decide as expected.

    `row` None: any row with these outputs. A policy that gives several rows is asked for `R1, R3`, in this order;
    `outputs` are then those of the first. `given` is the part of a run document as it was written; `facts` are made
    of it.
    """

    name: str
    given: Mapping[str, object]
    facts: Facts = field(compare=False)
    row: str | None
    outputs: Mapping[str, object]
    note: str = ""
    line: int = field(compare=False)


def read_tests(file: Fields, row_ids: Collection[str], outputs: Iterable[Output]) -> tuple[SavedTest, ...]:
    """Read the tests of a table file; a file need not have any."""
    if file.tree("tests") is None:
        return ()
    columns = {column.name: column for column in outputs}
    tests = [_test(fields, row_ids, columns) for fields in file.blocks("tests", "test")]
    return tuple(test for test in tests if test)


def _test(block: Fields, row_ids: Collection[str], columns: Mapping[str, Output]) -> SavedTest | None:
    name = block.text("name")
    fields = block.under(f"test '{name}'")
    fields.only(("name", "given", "expect", "note"))
    given = _given(fields)
    facts = None if given is None else _facts(fields, given)
    expect = fields.block("expect", fields.where)
    expect.only(("row", *columns))
    row = _row(expect, row_ids)
    expected = _expected(expect, columns)
    note = fields.text("note", default="")
    if given is None or facts is None:
        return None
    outputs = MappingProxyType(expected)
    return SavedTest(name=name, given=given, facts=facts, row=row, outputs=outputs, note=note, line=block.line)


def _given(fields: Fields) -> Mapping[str, object] | None:
    given = fields.tree("given")
    data = plain_data(given) if given else None
    if isinstance(data, dict):
        return MappingProxyType(data)
    what = "'given' must be part of a run document, of the form {field: value}"
    fields.complain(what, fields.line_of("given"))
    return None


def _facts(fields: Fields, given: Mapping[str, object]) -> Facts | None:
    try:
        return facts_given(given)
    except GivenError as error:
        for sentence in error.sentences:
            fields.complain(sentence, fields.line_of("given"))
        return None


def _row(expect: Fields, row_ids: Collection[str]) -> str | None:
    if not expect.keys:
        expect.complain("expects nothing: name a row, an output or both")
    if expect.tree("row") is None:
        return None
    row = expect.text("row")
    for one in row.split(_BETWEEN_ROWS):
        if one not in {*row_ids, DEFAULT_ROW, NO_ROW}:
            expect.complain(f"expects row {one}, which the table does not have", expect.line_of("row"))
    return row


def _expected(expect: Fields, columns: Mapping[str, Output]) -> dict[str, object]:
    expected: dict[str, object] = {}
    for name, column in columns.items():
        tree = expect.tree(name)
        if isinstance(tree, Scalar):
            try:
                expected[name] = output_value(tree, column)
            except CellError as error:
                expect.complain(f"output '{name}': {error}", tree.line)
    return expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A saved test and what its table decided; `expected` and `found` are in words."""

    test: SavedTest
    decision: Decision | Undecided
    expected: str
    found: str
    passed: bool


def tried(test: SavedTest, decision: Decision | Undecided) -> Tried:
    """Hold a decision against what a test expects."""
    got = NO_ROW if isinstance(decision, Undecided) else _BETWEEN_ROWS.join(row.id for row in decision.rows)
    outputs = {} if isinstance(decision, Undecided) else decision.outputs
    wrong = [name for name, value in test.outputs.items() if name not in outputs or outputs[name] != value]
    return Tried(
        test=test,
        decision=decision,
        expected=_in_words(test.row, test.outputs),
        found=_in_words(got, {name: outputs[name] for name in wrong if name in outputs}),
        passed=not wrong and test.row in (None, got),
    )


def failure(test: SavedTest, decision: Decision | Undecided) -> str | None:
    """Say what a test expected and what it got; None where they agree."""
    one = tried(test, decision)
    why = "" if one.passed else decision.explanation.replace("\n", "; ")
    return None if one.passed else f"test '{test.name}' expected {one.expected}, got {one.found} ({why})"


def _in_words(row: str | None, outputs: Mapping[str, object]) -> str:
    words = [f"{name} {value_in_words(value)}" for name, value in outputs.items()]
    named = {None: [], NO_ROW: ["no row"], DEFAULT_ROW: ["the default row"]}.get(row, [f"row {row}"])
    return " with ".join(filter(None, [*named, ", ".join(words)]))


def run_tests(tests: Iterable[SavedTest], decide: Callable[[Facts], Decision | Undecided]) -> list[tuple[int, str]]:
    """Run saved tests; give line and sentence of each that fails."""
    outcomes = [(test.line, failure(test, decide(test.facts))) for test in tests]
    return [(line, sentence) for line, sentence in outcomes if sentence is not None]
