"""What a program made of the typed text of a table is refused with its place, or read as what it stands for."""

# ruff: noqa: RUF001 - these characters are the subject

from __future__ import annotations

import csv
import re
from contextlib import suppress
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from router.selection.fact_model import RUN_FACTS
from router.selection.load import document_of
from router.selection.selector_file import load_selector
from router.tables.diagnostics import TableErrors
from router.tables.feel.errors import CellError
from router.tables.feel.lexer import quote_bare_words
from router.tables.feel.look_alikes import check_word, is_in_odd_quotes, plain_spaces
from router.tables.formats.entries import check_numbers, with_plain_numbers
from router.tables.formats.loader import load_table, table_from_tree
from router.tables.formats.sheets.csv_file import table_tree_from_csv, write_csv
from router.tables.formats.sheets.number_format import shown_number
from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx
from tests.builders.decision_tables import INPUTS, SENT, a_file, a_row

FAULTS = Path(__file__).parents[4] / "tests/data/faults"


def sentences(cell: str, column: str = "spec") -> list[str]:
    text = a_file([f"{{id: R1, when: {{{column}: {cell}}}, then: {{hierarchical: true, payload: bundle}}}}"])
    try:
        load_table(text, "t.yaml", RUN_FACTS)
    except TableErrors as error:
        return list(error.sentences)
    return []


@pytest.mark.parametrize(
    "cell",
    [
        "“fibre”",
        "„fibre“",
        "«fibre»",
        "‘fibre’",
        "'`fibre`'",
        "´fibre´",
        "＂fibre＂",
        "fibre”",
        "'not(“fibre”)'",
        "'copper, “fibre”'",
        "–",
        "—",
        "−",
        "a，b",
        "'≥ a'",
        '"fib\\u200bre"',
        '"\\ufefffibre"',
        '"fibre\\u202e"',
        '"fib\\u0007re"',
        '"fibre\\u0000"',
        '"\\ufb01bre"',
        '"\\uff41\\uff42"',
        '"e\\u0301mile"',
    ],
)
def test_a_look_alike_in_a_string_column_is_refused_with_its_place(cell: str) -> None:
    (sentence,) = sentences(cell)
    assert sentence.startswith("t.yaml:")
    assert "column 'spec'" in sentence
    assert "U+" in sentence


# Marks, formats, fillers, separators of lines, selectors, tags, what is private, unassigned or was not read.
INVISIBLE = """
    200c 200d 2060 2061 2062 2063 2064 180e 034f 115f 1160 3164 ffa0 2800 17b4 180b 00ad 0600 206a 2028 2029 0085 000b
    fe0f fe00 e0100 e01ef e0041 e0001 fff9 fffb fffc fffd e000 f0b7 f0000 0378
"""


@pytest.mark.parametrize("code", INVISIBLE.split())
def test_fault_a_character_that_cannot_be_seen_is_refused_in_a_string_column(code: str) -> None:
    (sentence,) = sentences(f'"fib\\U{int(code, 16):08x}re"')
    assert sentence.startswith("t.yaml:")
    assert "column 'spec': fib" in sentence
    assert f"U+{int(code, 16):04X}" in sentence
    assert sentences(f"'\"fib{chr(int(code, 16))}re\"'") == [] or code in {"0085", "000b"}  # which YAML does not take


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("• fibre", "begins with the bullet • (U+2022, bullet) of a list: delete it"),
        ("▪ fibre", "of a list: delete it"),
        ("– fibre", "write -, or put the text in double quotes"),
        ("— fibre", "write -, or put"),
        ("⁃", "which looks like -"),
        ("─", "which looks like -"),
        ("copper；fibre", "which looks like ;"),
        ("copper﹐ fibre", "which looks like ,"),
        ("copper، fibre", "which looks like ,"),
        ("copper‚ fibre", "put straight double quotes around all of it"),
        ("'≧ a'", "which looks like >="),
    ],
)
def test_fault_what_a_program_put_in_place_of_a_list_or_a_comma_is_refused(cell: str, remedy: str) -> None:
    (sentence,) = sentences(cell)
    assert "column 'spec'" in sentence
    assert remedy in sentence


@pytest.mark.parametrize("hyphen", ["\u2011", "-"])
def test_fault_the_hyphen_of_word_that_does_not_break_is_read_as_a_hyphen(hyphen: str) -> None:
    table = load_table(a_file([a_row("R1", f"spec: fibre{hyphen}line")]), "t.yaml", RUN_FACTS)
    assert table.rows == load_table(a_file([a_row("R1", "spec: fibre-line")]), "t.yaml", RUN_FACTS).rows


@pytest.mark.parametrize("error", ["#REF!", "#N/A", "#NAME?", "#DIV/0!", "#WERT!", "#NV", "#####"])
def test_what_a_spreadsheet_shows_in_place_of_a_value_is_no_value(error: str) -> None:
    (sentence,) = sentences(f"'{error}'")
    assert f"{error} is what a spreadsheet shows in place of a value: correct the cell there" in sentence
    assert sentences(f"'\"{error}\"'") == []


@pytest.mark.parametrize(
    ("cell", "delimiter", "sentence"),
    [
        ("1,500", ",", '"1,500" may be a number or a choice of two'),
        (">= 1,500", ",", "may be a number or a choice of two"),
        ("1.500", ";", '"1.500" may be 1500 or 1.500: write 1500, or another number of decimals'),
        ("[1.500.000..2.000.000]", ";", "may be 1500000 or 1.500.000"),
    ],
)
def test_fault_a_separator_between_thousands_is_neither_a_decimal_point_nor_a_choice(
    cell: str, delimiter: str, sentence: str
) -> None:
    with pytest.raises(TableErrors, match=re.escape(sentence)):
        table_from_tree(table_tree_from_csv(a_csv(cell, delimiter), "t.csv"), RUN_FACTS)


@pytest.mark.parametrize(
    ("cell", "delimiter"), [("1.500", ","), ("0.125", ";"), ("1.5", ";"), ("1, 500", ","), ("12.1234", ";")]
)
def test_a_number_that_is_not_ambiguous_is_read(cell: str, delimiter: str) -> None:
    table_from_tree(table_tree_from_csv(a_csv(cell, delimiter), "t.csv"), RUN_FACTS)


def a_csv(cell: str, delimiter: str) -> bytes:
    lines = [
        "table|t",
        "columns|when|then",
        "path|priority|",
        "type|number|boolean",
        "row|p|hierarchical",
        f'R|"{cell}"|true',
    ]
    return "\n".join(lines).replace("|", delimiter).encode()


def output_sentences(value: str, column_type: str) -> list[str]:
    outputs = f"  - {{name: o, type: {column_type}}}\n"
    row = "{id: R1, when: {spec: fibre}, then: {o: " + value + "}}"
    try:
        load_table(a_file([row], outputs=outputs), "t.yaml", RUN_FACTS)
    except TableErrors as error:
        return list(error.sentences)
    return []


NOT_ONE_NUMBER = ["5,0", "1.000,5", "1,000", "1,5,2", "<5,0", "[1..5,5]", "not(1,5)", "0777", "-05", "[1..05]", "00.5"]
NO_NUMBER = ["1_000", "0x10", "0o17", "5.", "12:30", "1:30:00", "yes", "no", "2026-03-12", "5%", ".inf", "٥"]


@pytest.mark.parametrize("cell", [*NOT_ONE_NUMBER, *NO_NUMBER])
@pytest.mark.parametrize("column", ["priority", "other"])
@pytest.mark.parametrize("written", ["{}", "'{}'"])
def test_fault_a_number_of_yaml_that_is_not_what_the_author_sees_is_refused_with_its_place(
    cell: str, column: str, written: str
) -> None:
    inputs = INPUTS + '  - {name: other, path: "characteristic[x]", type: any}\n'
    row = f"id: R1\n    when:\n      {column}: {written.format(cell)}\n    then: {SENT}"
    with pytest.raises(TableErrors) as refused:
        load_table(a_file([row], inputs=inputs), "t.yaml", RUN_FACTS)
    (sentence,) = refused.value.sentences
    assert re.match(rf"t\.yaml:1[0-9]: (row R1, column '{column}': |not valid YAML)", sentence)


@pytest.mark.parametrize(
    "cell", ["5, 0", "-5", ".5", "1e3", "[0..10]", "0.05", "0", '"0777"', '"5,0"', '@"2026-03-05"']
)
def test_a_number_that_is_what_the_author_sees_is_taken(cell: str) -> None:
    inputs = INPUTS + '  - {name: other, path: "characteristic[x]", type: any}\n'
    row = f"{{id: R1, when: {{other: '{cell}'}}, then: {SENT}}}"
    assert load_table(a_file([row], inputs=inputs), "t.yaml", RUN_FACTS).rows


@pytest.mark.parametrize("value", ["1_000", "5.", "0777", "1 000", "0x10", "12:30", "yes", "\uff15"])
def test_fault_an_output_that_is_not_the_number_that_the_author_sees_is_refused(value: str) -> None:
    (sentence,) = output_sentences(value, "number")
    assert sentence.startswith("t.yaml:")
    assert "output 'o'" in sentence


@pytest.mark.parametrize("value", ["yes", "on", "0", "'true'"])
def test_only_true_and_false_are_truth_values(value: str) -> None:
    assert len(output_sentences(value, "boolean")) == 1


@pytest.mark.parametrize("text", ["1,2,3", "not(1,5)", "[1..5],7", "007, 10", 'x,"1,5"'])
def test_a_list_of_feel_in_a_dmn_file_is_what_the_standard_says_and_is_exported_so_that_it_loads(text: str) -> None:
    plain = with_plain_numbers(text)
    check_numbers(plain, "number")
    assert with_plain_numbers(plain) == plain
    assert '"1,5"' in plain or '"' not in text


UNSEEN = ["200b", "200d", "00ad", "fe0f", "3164", "e0041", "2028", "fffd", "feff"]


@pytest.mark.parametrize("code", UNSEEN)
def test_fault_a_character_that_nobody_sees_in_an_output_is_refused_in_yaml_and_in_sheets(code: str) -> None:
    letter = chr(int(code, 16))
    (sentence,) = output_sentences(f'"fib{letter}re"', "string")
    assert re.match(rf"t\.yaml:1[0-9]: row R1, output 'o': .*U\+{code.upper()}", sentence)
    assert output_sentences(f'"fib\\U{int(code, 16):08x}re"', "string") == []
    with pytest.raises(TableErrors, match=rf"cell C6: row R, output 'o': fib.?re contains .*U\+{code.upper()}"):
        table_from_tree(table_tree_from_csv(an_output_csv(f"fib{letter}re"), "t.csv"), RUN_FACTS)
    quoted = table_from_tree(table_tree_from_csv(an_output_csv(f'""fib{letter}re""'), "t.csv"), RUN_FACTS)
    assert quoted.rows[0].outputs["o"] == f"fib{letter}re"


def an_output_csv(value: str) -> bytes:
    lines = ["table,t", "columns,when,then", "path,priority,", "type,number,string", "row,p,o", f'R,5,"{value}"']
    return "\n".join(lines).encode()


def a_condition_csv(column_type: str, cell: str) -> bytes:
    path = {"string": "test_specification.id", "number": "priority"}[column_type]
    lines = ["table,t", "columns,when,then", f"path,{path},", f"type,{column_type},string", "row,i,o", f"R,{cell},x"]
    return "\n".join(lines).encode()


def test_fault_a_spoke_or_an_allowed_value_or_a_path_with_a_character_that_nobody_sees_is_refused() -> None:
    text = a_file(
        inputs='  - {name: speed, path: "characteristic[spe\u200bed]", type: any}\n',
        outputs='  - {name: o, type: string, values: ["fib\u200bre"]}\n',
        rows=["{id: R1, then: {o: fibre}}"],
    )
    with pytest.raises(TableErrors) as refused:
        load_table(text, "t.yaml", RUN_FACTS)
    assert ["path" in refused.value.sentences[0], "values" in refused.value.sentences[1]] == [True, True]
    selector = "selector: s\ninputs: []\nrows:\n  - {id: R1, order: 1, when: {}, then: {spoke: fibre\u2060-lab}}\n"
    with pytest.raises(TableErrors, match=r"row R1, output 'spoke': .*U\+2060"):
        load_selector(selector, "s.yaml")


def test_a_note_may_have_what_its_language_needs() -> None:
    row = '{id: R1, note: "\u26a0\ufe0f \u0645\u06cc\u200c\u0634\u0648\u062f", when: {spec: fibre}, then: ' + SENT + "}"
    assert load_table(a_file([row]), "t.yaml", RUN_FACTS).rows


@pytest.mark.parametrize("line", ["sep=;;;;", "SEP=;", '"sep=;"', '"sep=;";;;'])
def test_the_separator_line_of_other_programs_is_read(line: str) -> None:
    content = (FAULTS / "sep-line.csv").read_text(encoding="utf-8-sig").replace("sep=;", line, 1)
    table = table_from_tree(table_tree_from_csv(content.encode(), "s.csv"), RUN_FACTS)
    assert [row.id for row in table.rows] == ["R10"]


@pytest.mark.parametrize(
    "cell",
    [
        "d'accord",
        "'\"d’accord\"'",
        "'\"Fibre–Copper\"'",
        "'\"“fibre”\"'",
        "'\"8.94902E+19\"'",
        "émile",
        "•fibre",
        "‑‑‑x",
        "サーバー",
        "光纤",
        "کابل",
        "⚡ speed",
    ],
)
def test_a_sign_that_belongs_to_a_word_is_kept(cell: str) -> None:
    assert sentences(cell) == []


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("d’accord", "’ (U+2019, right single quotation mark)"),
        ("rue de l’Été", "put straight double quotes around all of it"),
        ("Fibre–Copper", "– (U+2013, en dash), which looks like -"),
        ("fibre – lab", "which looks like -: write -"),
        ("fibre—lab", "— (U+2014, em dash), which looks like -"),
        ("fibre−lab", "which looks like -"),
        ("line ©", "© (U+00A9, copyright sign), which looks like (c)"),
        ("fibre®", "which looks like (r)"),
        ("fibre™", "which looks like (tm)"),
        ("½", "which looks like 1/2"),
        ("a → b", "which looks like ->"),
        ("⇒ a", "which looks like =>"),
        ("fibre ☺", "which looks like :)"),
    ],
)
def test_fault_what_automatic_correction_makes_of_a_word_is_refused_with_what_was_typed(cell: str, remedy: str) -> None:
    (sentence,) = sentences(f"'{cell}'")
    assert "column 'spec'" in sentence
    assert remedy in sentence
    assert "double quotes" in sentence


@pytest.mark.parametrize("number", ["8.94902E+19", "9E+12", "-1,23457E+11"])
def test_fault_a_long_number_that_a_spreadsheet_cut_is_no_output(number: str) -> None:
    with pytest.raises(TableErrors, match=r"cell C6: row R, output 'o': .*without its last digits: format the column"):
        table_from_tree(table_tree_from_csv(an_output_csv(number), "t.csv"), RUN_FACTS)
    quoted = table_from_tree(table_tree_from_csv(an_output_csv(f'""{number}""'), "t.csv"), RUN_FACTS)
    assert quoted.rows[0].outputs["o"] == number


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("string", "8.94902E+19"),
        ("string", "9E+12"),
        ("string", "fibre, 8.94902E+19"),
        ("string", "not(8.94902E+19)"),
        ("number", "1.23457E+11"),
        ("number", ">= 1.23457E+11"),
        ("number", "[1..1.23457E+11]"),
    ],
)
def test_fault_a_long_number_that_a_spreadsheet_cut_is_no_condition(column: str, cell: str) -> None:
    with pytest.raises(TableErrors, match=r"cell B6: row R, column 'i': .*E\+1[129] .*last digits: format the column"):
        table_from_tree(table_tree_from_csv(a_condition_csv(column, f'"{cell}"'), "t.csv"), RUN_FACTS)


def test_a_number_with_an_exponent_is_a_condition_where_it_is_meant() -> None:
    quoted = table_from_tree(table_tree_from_csv(a_condition_csv("string", '"""8.94902E+19"""'), "t.csv"), RUN_FACTS)
    assert quoted.rows[0].cells[0].matches("8.94902E+19")
    number = table_from_tree(table_tree_from_csv(a_condition_csv("number", "1E+12"), "t.csv"), RUN_FACTS)
    assert number.rows[0].cells[0].matches(10**12)


@pytest.mark.parametrize("cell", ["'≥ 5'", "'≤5'", "'≠ 5'", "−5", "'[1…5]'", "'5，6'", "'＞ 5'"])
def test_a_look_alike_in_a_number_column_is_refused_with_what_to_write(cell: str) -> None:
    (sentence,) = sentences(cell, "priority")
    assert "which looks like" in sentence


def test_the_name_of_another_input_may_have_what_its_language_needs() -> None:
    name = "\u0645\u06cc\u200c\u0634\u0648\u062f"
    assert quote_bare_words(name, {name}) == name
    with pytest.raises(CellError, match=r"U\+200C"):
        quote_bare_words(name, set())


@given(st.text(max_size=12).filter(lambda text: text.strip() == text and text != ""))
def test_any_word_is_taken_or_refused_as_a_cell(word: str) -> None:
    with suppress(CellError):
        check_word(word)


@given(st.text(max_size=20))
def test_spaces_of_another_width_become_ordinary_ones_and_nothing_else_changes(text: str) -> None:
    changed = plain_spaces(text)
    assert len(changed) == len(text)
    differing = [(before, after) for before, after in zip(text, changed, strict=True) if before != after]
    assert all((after == " " and before.isspace()) or (before, after) == ("\u2011", "-") for before, after in differing)


SPACES = " \u00a0\u1680\u2000\u2004\u2006\u2008\u2009\u200a\u202f\u205f\u3000"


def test_a_space_that_does_not_break_is_read_as_a_space() -> None:
    tables = [load_table(a_file([a_row("R1", f"spec: fibre{space}line")]), "t.yaml", RUN_FACTS) for space in SPACES]
    assert all(table.rows == tables[0].rows for table in tables)


# Files that were found by trying


def test_curly_quotes_in_a_spreadsheet_are_refused_with_the_address() -> None:
    with pytest.raises(TableErrors, match=r"cell B9: row R10, column 'spec': “fibre” has the quote “ \(U\+201C"):
        table_from_tree(table_tree_from_xlsx((FAULTS / "curly-quotes.xlsx").read_bytes(), "t.xlsx"), RUN_FACTS)


def test_curly_quotes_in_yaml_are_refused_with_the_line() -> None:
    with pytest.raises(TableErrors, match=r"t\.yaml:8: row R1, column 'spec': “fibre” has the quote"):
        load_table((FAULTS / "curly-quotes.yaml").read_text(), "t.yaml", RUN_FACTS)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("shows-100-holds-99.5.xlsx", "cell C9: row R10, column 'speed': the cell shows 100, but holds 99.5"),
        ("shows-007-holds-7.xlsx", "cell B9: row R10, column 'spec': the cell shows 007, but holds 7"),
    ],
)
def test_a_cell_that_shows_something_else_than_it_holds_is_refused(file: str, sentence: str) -> None:
    with pytest.raises(TableErrors, match=sentence):
        table_from_tree(table_tree_from_xlsx((FAULTS / file).read_bytes(), file), RUN_FACTS)


def test_the_separator_line_of_excel_is_read() -> None:
    table = table_from_tree(table_tree_from_csv((FAULTS / "sep-line.csv").read_bytes(), "sep-line.csv"), RUN_FACTS)
    assert [row.id for row in table.rows] == ["R10"]


def test_lines_below_a_separator_line_keep_their_numbers() -> None:
    content = (FAULTS / "sep-line.csv").read_text(encoding="utf-8-sig").replace(">= 10", "≥ 10")
    with pytest.raises(TableErrors, match=r"s\.csv:10, cell C9: row R10, column 'speed': ≥ 10 has the character ≥"):
        table_from_tree(table_tree_from_csv(content.encode(), "s.csv"), RUN_FACTS)


# Numbers as Excel shows them


@pytest.mark.parametrize(
    ("number", "number_format", "shown"),
    [
        (7, "General", "7"),
        (12_345_678_901, "General", "12345678901"),
        (123_456_789_012, "General", "1.23457E+11"),
        (-1_000_000_000_000, "General", "-1E+12"),
        (7, "000", "007"),
        (99.5, "0", "100"),
        (0.07, "0%", "7%"),
        (1234.5, "#,##0.00", "1,234.50"),
        (1234.5, "0.0#", "1234.5"),
        (1_500_000, "0,", "1500"),
        (-5, "0;(0)", None),
        (-5, "0;0", "5"),
        (0, "0;-0;;@", ""),
        (5, "[Red]0", "5"),
        (5, '0" ms"', None),
        (5, "0.00E+00", None),
        (5, "yyyy", None),
        (0.1 + 0.2, "General", "0.3"),
        (-0.4, "0", "-0"),
    ],
)
def test_a_number_is_written_as_excel_shows_it(number: float, number_format: str, shown: str | None) -> None:
    assert shown_number(number, number_format) == shown


@given(st.integers(-(10**14), 10**14) | st.floats(-1e14, 1e14), st.text('0#?,.;%-_*[]Red"E+ @x', max_size=20))
def test_any_format_gives_a_text_or_nothing(number: float, number_format: str) -> None:
    assert isinstance(shown_number(number, number_format), str | None)


def test_a_merged_range_of_millions_of_cells_is_refused_before_it_takes_memory() -> None:
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = "Table"
    sheet.append(["table", "t"])
    content = BytesIO()
    sheet.merge_cells("C2:D3")
    workbook.save(content)
    hostile = _replaced(content.getvalue(), b'ref="C2:D3"', b'ref="C2:XFD1048576"')
    with pytest.raises(TableErrors, match=r"merges more than 100,000 cells, each of which takes memory: unmerge them"):
        table_tree_from_xlsx(hostile, "t.xlsx")


def _replaced(package: bytes, old: bytes, new: bytes) -> bytes:
    result = BytesIO()
    with ZipFile(BytesIO(package)) as source, ZipFile(result, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(old, new))
    return result.getvalue()


# Formulas


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_no_cell_of_an_exported_table_is_a_formula_whatever_the_separator(delimiter: str) -> None:
    table = load_table((FAULTS / "formulas.yaml").read_text(), "formulas.yaml", RUN_FACTS)
    written = write_csv(document_of(table))
    cells = [cell for line in csv.reader(StringIO(written), delimiter=delimiter) for cell in line]
    assert [cell for cell in cells if cell.strip(' \t"')[:1] in ("=", "+", "@", "＝")] == []


@given(note=st.text("ab;|'=+-@ \t\n,＝", max_size=16).filter(lambda text: text.strip() == text))
def test_an_escaped_note_is_read_back_as_it_was(note: str) -> None:
    table = load_table(a_file([a_row("R1", "spec: a")]), "t.yaml", RUN_FACTS)
    document = document_of(replace(table, note=note))
    back = table_from_tree(table_tree_from_csv(write_csv(document).encode(), "t.csv"), RUN_FACTS)
    assert back.note == note


@pytest.mark.parametrize(("text", "odd"), [("“a”", True), ("a “b”", False), ("'a'", False), ("“", False), ("a", False)])
def test_only_a_whole_value_in_odd_quotes_is_odd(text: str, *, odd: bool) -> None:
    assert is_in_odd_quotes(text) is odd
