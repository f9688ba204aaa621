"""An invalid table file is refused with all of its problems together, each with line, row and column."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.selection.fact_model import RUN_FACTS
from router.selection.selector_file import RUN_TABLE_LAYOUT
from router.tables.diagnostics import TableErrors
from router.tables.formats.loader import load_table
from tests.builders.decision_tables import INPUTS, OUTPUTS, SENT, a_file, a_row


def sentences(text: str, source: str = "outbound-policy.yaml") -> tuple[str, ...]:
    with pytest.raises(TableErrors) as refused:
        load_table(text, source, RUN_FACTS, RUN_TABLE_LAYOUT)
    return refused.value.sentences


def mistake_in(row: str) -> str:
    """Return the only sentence about a row, without `outbound-policy.yaml:12: `."""
    (sentence,) = sentences(a_file([row]))
    assert sentence.startswith("outbound-policy.yaml:12: ")
    return sentence.removeprefix("outbound-policy.yaml:12: ")


def test_five_mistakes_make_five_sentences() -> None:
    rows = [
        a_row("R10", 'priority: "[1..5"'),
        a_row("R11", "spec: a, colour: red"),
        a_row("R12", 'start: date and time("2026-02-30T00:00:00Z")'),
        a_row("R13", "spec: a", "{hierarchical: true, payload: per-rum}"),
        a_row("R10", "spec: b"),
    ]
    allowed = "per-rum is not one of the allowed values per-run, bundle; did you mean per-run?"
    assert sentences(a_file(rows)) == (
        "outbound-policy.yaml:12: row R10, column 'priority': interval \"[1..5\" is not closed",
        "outbound-policy.yaml:13: row R11: unknown column 'colour'; the inputs are spec, mode, priority, speed, start",
        "outbound-policy.yaml:14: row R12, column 'start': there is no date 2026-02-30",
        f"outbound-policy.yaml:15: row R13, output 'payload': {allowed}",
        "outbound-policy.yaml:16: row R10: the id appears twice, first in line 12",
    )


CELLS = [
    ("spec: 5", "row R1, column 'spec': 5 is a number, the column takes string; write \"5\" in double quotes"),
    (
        "spec: true",
        "row R1, column 'spec': true is a boolean, the column takes string; write \"true\" in double quotes",
    ),
    ("priority: high", "row R1, column 'priority': unknown name \"high\"; the other inputs are mode, spec, "),
    ("priority: spec", "row R1, column 'priority': input \"spec\" is of type string, the column takes number"),
    ("priority: 2026-01-01", 'row R1, column \'priority\': "2026-01-01" is not understood from "-01-01" on;'),
    ('priority: "[5..1]"', "row R1, column 'priority': interval \"[5..1]\" is empty: nothing lies in it"),
    ("priority: [1..5]", "row R1, column 'priority': a cell is one text: put it in quotes"),
    ("priority: {a: b}", "row R1, column 'priority': a cell is one text"),
    ("priority: ", "row R1, column 'priority': the cell is empty; write \"-\" for any value"),
    ('priority: ""', "row R1, column 'priority': the cell is empty"),
    ("mode: ONDEMNAD", "row R1, column 'mode': ONDEMNAD is not one of the allowed values ONDEMAND, PROACTIVE; did"),
    ("mode: not(X)", "row R1, column 'mode': X is not one of the allowed values"),
    ("spec: a, b", "row R1: 'b' is no column; if it belongs to the cell before it, put that cell in quotes"),
    ("start: '< @\"2026-01-01T00:00:00\"'", "row R1, column 'start': @\"2026-01-01T00:00:00\" has no zone"),
    ("spec: a, spec: b", "'spec' stands twice, first in line 12"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "sentence"), CELLS)
def test_a_wrong_cell_is_named(when: str, sentence: str) -> None:
    assert mistake_in(a_row("R1", when)).startswith(sentence)


OUTPUT_MISTAKES = [
    ("{hierarchical: true}", "row R1, output 'payload': is missing, and unset is not possible"),
    ("{hierarchical: , payload: per-run}", "row R1, output 'hierarchical': has no value, and unset is not possible"),
    ("{hierarchical: null, payload: per-run}", "row R1, output 'hierarchical': has no value"),
    ("{hierarchical: 'true', payload: per-run}", "row R1, output 'hierarchical': true is a string, the col"),
    ("{hierarchical: yes, payload: per-run}", "row R1, output 'hierarchical': yes is a string"),
    ("{hierarchical: 1, payload: per-run}", "row R1, output 'hierarchical': 1 is a number"),
    ("{hierarchical: [true], payload: per-run}", "row R1, output 'hierarchical': must be one value"),
    ("{hierarchical: true, payload: 5}", "row R1, output 'payload': 5 is a number, the column takes string; put it"),
    ("{hierarchical: true, payload: ''}", "row R1, output 'payload': has no value"),
    ("{hierarchical: true, payload: bundle, extra: 1}", "row R1: unknown output 'extra'; the outputs are"),
]  # fmt: skip


@pytest.mark.parametrize(("then", "sentence"), OUTPUT_MISTAKES)
def test_a_wrong_or_unset_output_is_named(then: str, sentence: str) -> None:
    assert mistake_in(a_row("R1", "spec: a", then)).startswith(sentence)


ROWS = [
    (f"{{when: {{spec: a}}, then: {SENT}}}", "row number 1: 'id' is missing"),
    (f"{{id: , when: {{spec: a}}, then: {SENT}}}", "row number 1: 'id' must be a text"),
    (f"{{id: R 1, when: {{spec: a}}, then: {SENT}}}", "row R 1: an id has letters, digits"),
    (f"{{id: 'R#1', when: {{spec: a}}, then: {SENT}}}", "row R#1: an id has letters, digits"),
    (f"{{id: default, when: {{spec: a}}, then: {SENT}}}", "row default: the id 'default' is reserved"),
    (f"{{id: R1, then: {SENT}}}", "row R1: 'when' is missing; write it as {name: value}"),
    (f"{{id: R1, whn: {{}}, when: {{}}, then: {SENT}}}", "row R1: unknown key 'whn'; did you mean 'when'?"),
    (f"{{id: R1, when: {{}}, then: {SENT}, order: 5}}", "row R1: unknown key 'order'; only a spoke selector has it"),
    ("R1", "row: must be {name: value}"),
]


@pytest.mark.parametrize(("row", "sentence"), ROWS)
def test_a_wrong_row_is_named(row: str, sentence: str) -> None:
    assert mistake_in(row).startswith(sentence)


COLUMNS = [
    ("{name: x, path: tennant, type: string}", "input 'x': path 'tennant' is not a fact of a run; did you me"),
    ("{name: colour, type: string}", "input 'colour': path 'colour' is not a fact of a run"),
    ("{name: x, path: tenant, type: text}", "input 'x': there is no type 'text'; the types are string, number"),
    ("{name: x, path: tenant}", "input 'x': 'type' is missing"),
    ("{name: x, path: priority, type: string}", "input 'x': path 'priority' is of type number, but the column"),
    ("{name: spec, path: tenant, type: string}", "input: column 'spec' appears twice"),
    ("{path: tenant, type: string}", "input: 'name' is missing"),
    ("{name: 'a, b', path: tenant, type: string}", "input: 'a, b' cannot name a column"),
    ("{name: null, path: tenant, type: string}", "input: 'name' must be a text"),
    ("{name: 'not', path: tenant, type: string}", "input: 'not' cannot name a column"),
    ("{name: x, path: tenant, type: string, value: [a]}", "input 'x': unknown key 'value'; did you mean 'values'?"),
    ("{name: x, path: tenant, type: string, values: [5]}", "input 'x': values: 5 is a number, the column takes string"),
    ("{name: x, path: tenant, type: string, values: []}", "input 'x': values: the cell is empty"),
    ("{name: x, path: tenant, type: string, values: '-'}", "input 'x': values: leave 'values' out"),
    ("{name: x, path: child_count, type: number, values: '[5..1]'}", "input 'x': values: interval \"[5..1]\" is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "sentence"), COLUMNS)
def test_a_wrong_input_is_named(column: str, sentence: str) -> None:
    (problem, *_) = sentences(a_file(inputs=f"{INPUTS}  - {column}\n"))
    assert problem.startswith(f"outbound-policy.yaml:8: {sentence}")


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        ("  []\n", "there are no outputs"),
        ("  - {name: x, type: any}\n", "output 'x': there is no type 'any'"),
        ("  - {name: x, type: number, values: [a]}\n", "output 'x': values: a is a string, the column takes number"),
        ("  - {name: x, type: number, values: 5}\n", "output 'x': 'values' must be a list of values"),
        ("  - {name: row, type: number}\n", "output: 'row' cannot name a column"),
    ],
)
def test_a_wrong_output_column_is_named(outputs: str, sentence: str) -> None:
    text = a_file([f"{{id: R1, when: {{}}, then: {{}}}}"], outputs=outputs)  # noqa: F541 - braces as in the others
    assert any(sentence in problem for problem in sentences(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "t.yaml:1: the file is empty"),
        ("# only a comment\n", "t.yaml:1: the file is empty"),
        ("rows: [", "t.yaml:1: not valid YAML: expected the node content, but found '<stream end>' (column 8)"),
        ("a: 1\nb: c: d\n", "t.yaml:2: not valid YAML: mapping values are not allowed here (column 5)"),
        ("\tx: 1", "t.yaml:1: not valid YAML: found a tab: indent with spaces (column 1)"),
        ("a\0b", "t.yaml:1: not valid YAML: the character U+0000 is not allowed: remove it"),
        ("a: 1\n---\nb: 1\n", "t.yaml:2: a second YAML document begins here"),
        ("[" * 5000, "t.yaml:1: nested too deep for a table"),
        ("just a text", "t.yaml:1: a table file starts with 'table: its-id'"),
        ("- a\n- b\n", "t.yaml:1: a table file starts with 'table: its-id'"),
    ],
)
def test_what_is_no_table_file_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    (problem,) = sentences(text, "t.yaml")
    assert problem.startswith(sentence)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            "policy: some\n",
            "13: policy 'some' is not one of first, unique, any, priority, output-order, rule-order, collect",
        ),
        ("polcy: first\n", "13: unknown key 'polcy'; did you mean 'policy'?"),
        ("table: again\n", "13: 'table' stands twice, first in line 1"),
        ("default: {hierarchical: true}\n", "13: default row, output 'payload': is missing"),
        ("default:\n", "13: default row: 'default' must be {name: value}"),
        ("note: &n x\ndefault: *n\n", "14: aliases (*name) are not taken"),
        ("tests: {}\n", "13: 'tests' must be a list of tests"),
    ],
)
def test_a_wrong_part_of_the_file_is_named(more: str, sentence: str) -> None:
    assert any(problem.startswith(f"outbound-policy.yaml:{sentence}") for problem in sentences(a_file(more=more)))


def test_a_table_without_rows_is_refused() -> None:
    text = f"table: t\ninputs:\n{INPUTS}outputs:\n{OUTPUTS}rows: []\n"
    assert sentences(text, "t.yaml") == ("t.yaml:11: there are no rows",)


def test_every_missing_part_is_told() -> None:
    problem = "\n".join(sentences("note: nothing else\n", "t.yaml"))
    assert all(f"t.yaml:1: '{part}' is missing" in problem for part in ("table", "inputs", "outputs", "rows"))


def test_an_id_of_a_table_can_stand_in_a_reference() -> None:
    assert sentences(a_file().replace("a-table", "A table@2"))[0].endswith(
        "the id 'A table@2' has other characters than a-z, 0-9, '.', '_', '-'"
    )


def test_a_cell_on_a_line_of_its_own_is_named_by_that_line() -> None:
    row = f"id: R1\n    when:\n      spec: a\n      priority: '[1..5'\n    then: {SENT}"
    assert sentences(a_file([row]), "t.yaml") == (
        "t.yaml:15: row R1, column 'priority': interval \"[1..5\" is not closed",
    )


def test_the_version_names_the_content() -> None:
    table = load_table(a_file(), "a.yaml", RUN_FACTS)
    assert table.version == load_table(a_file(), "renamed.yaml", RUN_FACTS).version
    assert table.version != load_table(a_file(more="# changed\n"), "a.yaml", RUN_FACTS).version
    assert int(table.version, 16) >= 0


def test_words_need_no_quotes_in_a_column_of_strings() -> None:
    rows = [
        a_row("R1", "spec: 'not(fibre-line, in progress)'"),
        a_row("R2", 'spec: "007"'),
        a_row("R3", 'spec: "true"'),
    ]
    table = load_table(a_file(rows), "t.yaml", RUN_FACTS)
    given = ["other", "fibre-line", "in progress", "007", "true"]
    hits = [[row.id for row in table.matching_rows((spec, None, None, None, None))] for spec in given]
    assert hits == [["R1"], [], [], ["R1", "R2"], ["R1", "R3"]]


def test_typed_outputs_keep_their_types() -> None:
    outputs = "".join(
        f"  - {{name: {name}, type: {kind}}}\n"
        for name, kind in [("n", "number"), ("d", "date"), ("p", "days-duration"), ("m", "months-duration")]
    )
    table = load_table(
        a_file(["{id: R1, when: {}, then: {n: 0.1, d: 2026-03-12, p: PT1H, m: P1Y}}"], outputs=outputs),
        "t.yaml",
        RUN_FACTS,
    )
    result = table.evaluate({})
    assert str(result) == (
        "{'n': Decimal('0.1'), 'd': datetime.date(2026, 3, 12),"
        " 'p': datetime.timedelta(seconds=3600), 'm': Months(count=12)}"
    )


scraps = st.sampled_from(["table: t\n", "rows:\n", "  - {id: R1, when: ", "{}", "[", "*a", "&a ", "x: ", "- ", "? "])


@settings(deadline=None)
@given(text=st.text(max_size=60) | st.lists(scraps).map("".join))
def test_any_text_is_a_table_or_a_list_of_sentences(text: str) -> None:
    with pytest.raises(TableErrors) as refused:
        load_table(text, "t.yaml", RUN_FACTS)
    assert all(sentence.startswith("t.yaml:") for sentence in refused.value.sentences)


@settings(deadline=None)
@given(cell=st.text(max_size=20))
def test_any_text_in_a_cell_is_a_cell_or_a_sentence_about_it(cell: str) -> None:
    quoted = '"' + "".join(f"\\U{ord(sign):08x}" for sign in cell) + '"'
    try:
        load_table(a_file([a_row("R1", f"spec: {quoted}")]), "t.yaml", RUN_FACTS)
    except TableErrors as refused:
        assert all("column 'spec'" in problem or "not valid YAML" in problem for problem in refused.sentences)  # noqa: PT017 - both ends are fine
