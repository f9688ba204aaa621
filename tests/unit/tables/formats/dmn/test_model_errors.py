"""An unusable DMN model is refused with all of its problems together, and is never dangerous to read."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.tables.diagnostics import TableErrors
from router.tables.formats.dmn import model as dmn
from router.tables.formats.dmn.xml import MAX_BYTES
from tests.builders.dmn_models import DmnText, an_item, as_xml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GOOD = DmnText(inputs="x: number | s: string", outputs="y: number", rules=('1 | "a" => 1', "2 | - => 2"), given=())
QUOTES = 'write "5" in double quotes'
LITERALS = 'write a value such as 5, true, null, date("2026-03-12") or "text"'


def sentences(content: bytes | str) -> tuple[str, ...]:
    with pytest.raises(TableErrors) as refused:
        dmn.read_model(content if isinstance(content, bytes) else content.encode(), "model.dmn")
    return refused.value.sentences


def only_sentence(changed: Mapping[str, Any]) -> str:
    """Return the one sentence about a changed model."""
    (sentence,) = sentences(as_xml(replace(GOOD, **changed)))
    return sentence


def test_all_mistakes_are_told_at_once_with_line_row_and_column() -> None:
    model = DmnText(
        inputs='x: number | s: string {"a", "b"} | d: date',
        outputs='y: number | z: string {"p", "q"}',
        rules=(
            '[1..5 | "a" | - => 1 | "p"',
            '1 | "c" | date("2026-02-30") => 2 | "r"',
            'lmt | 5 | - => one | "p" + "q"',
            '- | - => 1 | "p"',
        ),
        given=(),
    )
    assert [sentence.replace("decision 'Decision', ", "") for sentence in sentences(as_xml(model))] == [
        "model.dmn:10: row R1, column 'x': interval \"[1..5\" is not closed",
        "model.dmn:11: row R2, column 's': c is not one of the allowed values a, b",
        "model.dmn:11: row R2, column 'd': there is no date 2026-02-30",
        "model.dmn:11: row R2, output 'z': \"r\" is not one of the allowed values p, q",
        "model.dmn:12: row R3, column 'x': unknown name \"lmt\"; the other inputs are d, s",
        f"model.dmn:12: row R3, column 's': 5 is a number, the column takes string; {QUOTES}",
        f"model.dmn:12: row R3, output 'y': one is not a literal; {LITERALS}",
        f'model.dmn:12: row R3, output \'z\': "p" + "q" is not a literal; {LITERALS}',
        "model.dmn:13: row R4: has 2 input entries for 3 input columns",
    ]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"policy": "LAST"}, "there is no hit policy 'LAST'"),
        ({"policy": "UNIQUE SUM"}, "there is no hit policy 'UNIQUE SUM'"),
        ({"policy": "PRIORITY"}, "policy 'priority' sorts by the order of the allowed values, but no output lists"),
        ({"policy": "OUTPUT ORDER"}, "policy 'output-order' sorts by the order of the allowed values"),
        ({"policy": "COLLECT SUM", "outputs": "y: string", "rules": ('1 | - => "a"',)}, "adds numbers, but output 'y'"),
        ({"policy": "COLLECT MAX", "outputs": "y", "rules": ("1 | - => true",)}, "compares values of one kind"),
        ({"policy": "COLLECT COUNT", "outputs": "a: number | b: number", "rules": ()}, "but the table has 2"),
        ({"outputs": "", "rules": ()}, "there is no output: a table must decide something"),
        ({"outputs": "a: number | : number", "rules": ()}, "output 2: has no name"),
        ({"outputs": "a: number | a: number", "rules": ()}, "output 2: 'a' appears twice"),
        ({"outputs": "y: tNone"}, "output 1: there is no type 'tNone': the model does not define it"),
        ({"outputs": "y: number {a}"}, "output 1: allowed values: unknown name"),
        ({"outputs": "y: number = a"}, "default, output 'y': a is not a literal"),
        ({"outputs": 'y: number = "a"'}, "default, output 'y': \"a\" is a string, the column takes number"),
        ({"inputs": "x + 1: number", "rules": ()}, 'input 1: "x + 1" is more than a name or a path'),
        ({"inputs": "sum(x): number", "rules": ()}, 'input 1: "sum(x)" is more than a name or a path'),
        ({"inputs": "null", "rules": ()}, 'input 1: "null" is more than a name or a path'),
        ({"inputs": ": number", "rules": ()}, "input 1: has no expression and no label"),
        ({"inputs": "x: nmber", "rules": ()}, "input 1: there is no type 'nmber'"),
        ({"inputs": "x: number {5..1}", "rules": ()}, "input 1: allowed values: "),
        ({"inputs": 'x: number {"a"}', "rules": ()}, 'input 1: allowed values: "a" is a string'),
        ({"inputs": "x: tLoop", "rules": (), "items": an_item("tLoop", "tLoop")}, "type 'tLoop' is defined by itself"),
        ({"rules": ("1 => 1",)}, "row R1: has 1 input entries for 2 input columns"),
        ({"rules": ("1 | - => 1 | 2",)}, "row R1: has 2 output entries for 1 output columns"),
        ({"rules": ("1 | - =>",)}, "row R1: has 0 output entries for 1 output columns"),
        ({"rules": ("? > 1 | - => 1",)}, "row R1, column 'x': \"? > 1\" is not understood"),
        (
            {"rules": ("5 | - => [1..2]",)},
            "row R1, output 'y': [1..2] is not a literal; write a value such as 5, true, ",
        ),
        ({"rules": ("5 | - => 1, 2",)}, "row R1, output 'y': 1, 2 is not a literal"),
        ({"rules": ("5 | - => -",)}, "row R1, output 'y': - is not a literal"),
        ({"rules": ("5 | - => not(5)",)}, "row R1, output 'y': not(5) is not a literal"),
        ({"rules": ("5 | - => = 5",)}, "row R1, output 'y': = 5 is not a literal"),
        ({"rules": ("5 | - => x * 2",)}, "row R1, output 'y': x * 2 is not a literal"),
        ({"rules": ('5 | - => "5"',)}, "row R1, output 'y': \"5\" is a string, the column takes number"),
        ({"rules": ("< s | - => 5",)}, "row R1, column 'x': input \"s\" is of type string, the column takes number"),
    ],
)
def test_a_mistake_is_named(changed: Mapping[str, Any], sentence: str) -> None:
    text = only_sentence(changed)
    assert text.startswith("model.dmn:")
    assert sentence in text


def test_an_empty_output_is_not_taken_for_null() -> None:
    (sentence,) = sentences(as_xml(GOOD).replace(b"<text>2</text></outputEntry>", b"<text/></outputEntry>"))
    assert sentence.endswith("row R2, output 'y': has no value; write null if no value is intended")


@pytest.mark.parametrize("part", ["definitions", "decisionTable", "inputExpression", "inputEntry", "outputEntry"])
def test_another_expression_language_is_refused(part: str) -> None:
    text = as_xml(GOOD).replace(f"<{part} ".encode(), f'<{part} expressionLanguage="juel" '.encode(), 1)
    (sentence,) = sentences(text)
    assert "expression language 'juel' is not supported, only FEEL" in sentence


def test_two_decisions_of_one_name_are_refused() -> None:
    text = as_xml(GOOD).decode()
    decision = text[text.index("<decision ") : text.index("</definitions>")]
    (sentence,) = sentences(text.replace("</definitions>", decision + "</definitions>"))
    assert sentence == "model.dmn:12: decision 'Decision': the name appears twice in the model"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "model.dmn:1: not valid XML: Document is empty"),
        ("table: a\n", "model.dmn:1: not valid XML: Start tag expected, '<' not found"),
        ("<definitions>\n<decision></definitions>", "model.dmn:2: not valid XML: Opening and ending tag mismatch"),
        ("<definitions/>", "model.dmn:1: this is not a DMN model of version 1.1 to 1.5"),
        ('<definitions xmlns="urn:x"/>', "model.dmn:1: this is not a DMN model of version 1.1 to 1.5"),
        ('<decision xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/"/>', "model.dmn:1: this is not a DMN model"),
        (
            '<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/"/>',
            "model.dmn:1: no decision of the model is a decision table",
        ),
        ("<a>" * 300 + "</a>" * 300, "model.dmn:1: not valid XML: Excessive depth in document: 256"),
        ("<a>&nbsp;</a>", "model.dmn:1: the file uses entities of its own"),
        ("<a b='\x00'/>", "model.dmn:1: not valid XML"),
    ],
)
def test_what_is_no_model_is_refused_in_one_sentence(content: str, sentence: str) -> None:
    (only,) = sentences(content)
    assert only.startswith(sentence)


def with_doctype(doctype: str, text: str = "1") -> str:
    model = as_xml(GOOD).decode().replace("<text>1</text>", f"<text>{text}</text>", 1)
    return model.replace("?>\n", f"?>\n{doctype}\n", 1)


BILLION_LAUGHS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "content",
    [
        with_doctype("<!DOCTYPE definitions>"),
        with_doctype('<!DOCTYPE definitions SYSTEM "http://127.0.0.1:9/model.dtd">'),
        with_doctype('<!DOCTYPE d [<!ENTITY one "1">]>', "&one;"),
        with_doctype('<!DOCTYPE d [<!ENTITY file SYSTEM "file:///etc/hostname">]>', "&file;"),
        with_doctype('<!DOCTYPE d [<!ENTITY % far SYSTEM "http://127.0.0.1:9/far.ent"> %far;]>'),
        with_doctype(f'<!DOCTYPE d [<!ENTITY e0 "laugh">{BILLION_LAUGHS}]>', "&e11;"),
        with_doctype(f'<!DOCTYPE d [<!ENTITY e0 "laugh">{BILLION_LAUGHS}]>').replace('name="model"', 'name="&e11;"'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_with_definitions_of_its_own_is_refused_at_once(content: str, encoding: str) -> None:
    start = time.monotonic()
    (sentence,) = sentences(content.replace('encoding="UTF-8"', f'encoding="{encoding}"').encode(encoding))
    assert "take it out" in sentence or "write the text out" in sentence
    assert time.monotonic() - start < 2


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.dmn"
    path.write_bytes(as_xml(GOOD) + b" " * MAX_BYTES)
    with pytest.raises(TableErrors, match=r"large\.dmn:1: the file has more than 10,000,000 bytes"):
        dmn.load(path)


def test_a_file_that_is_not_there_is_the_callers_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dmn.load(tmp_path / "none.dmn")


parts = st.sampled_from(
    [
        "<rule>",
        "</rule>",
        "<input>",
        "<output/>",
        "<inputEntry>",
        "<text>",
        "</text>",
        "<decision>",
        '"',
        "&lt;",
        "é",
        "typeRef",
    ]
)


@settings(deadline=None)
@given(data=st.data())
def test_any_damage_to_a_model_gives_tables_or_sentences(data: st.DataObject) -> None:
    text = as_xml(GOOD).decode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    damaged = text[:start] + data.draw(parts | st.text(max_size=5)) + text[end:]
    try:
        assert dmn.read_model(damaged.encode("utf-8", "surrogatepass"), "model.dmn")
    except TableErrors as refused:
        assert all(sentence.startswith("model.dmn:") for sentence in refused.sentences)  # noqa: PT017 - both ends are fine


@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_in_a_sentence(content: bytes) -> None:
    assert sentences(content)


def test_a_rule_that_lacks_an_entry_in_a_long_table_is_named_and_does_not_break_its_index() -> None:
    rules = (*[f"{number} | - => {number}" for number in range(50)], "50 => 50")
    assert only_sentence({"rules": rules}).endswith("row R51: has 1 input entries for 2 input columns")


def test_a_complaint_is_one_line_that_somebody_reads() -> None:
    text = only_sentence({"rules": ('1 | "a" => 1\n + "' + "x" * 5000 + '"',)})
    assert len(text) < 600
    assert "\n" not in text


def test_a_chain_of_types_has_an_end() -> None:
    items = "".join(an_item(f"t{number}", f"t{number + 1}") for number in range(3000))
    assert "through too many others" in only_sentence({"inputs": "x: t0", "rules": (), "items": items})


def test_a_model_of_very_many_names_is_refused_before_every_cell_is_searched_for_them() -> None:
    items = "".join(f'<inputData name="n{number}"/>' for number in range(1000))
    assert (
        only_sentence({"items": items})
        == "model.dmn:2: the model has more than 1000 decisions and input data: split it"
    )


def test_a_model_may_be_as_deep_as_the_parser_reads() -> None:
    nested = "<extensionElements>" + "<x>" * 250 + "</x>" * 250 + "</extensionElements>"
    assert dmn.read_model(as_xml(replace(GOOD, items=nested)), "model.dmn")["Decision"].evaluate({"x": 2}) == 2
