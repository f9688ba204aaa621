"""Models of other tools that were refused or misread at first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from router.tables.diagnostics import TableErrors
from router.tables.feel.unary_test import CellError, parse
from router.tables.formats.dmn import model as dmn
from tests.builders.decision_tables import a_row, a_table
from tests.builders.dmn_models import NAMESPACES, DmnText, an_item, as_xml

if TYPE_CHECKING:
    from router.tables.table import DecisionTable

GOOD = DmnText(inputs="x: number", outputs="y: number", rules=("1 => 10", "- => 20"), policy="FIRST", given=())


def read_model(content: str | bytes) -> DecisionTable:
    (table,) = dmn.read_model(content if isinstance(content, bytes) else content.encode(), "m.dmn").values()
    return table


def only_sentence(content: str | bytes) -> str:
    """Return the one sentence about a model."""
    with pytest.raises(TableErrors) as refused:
        read_model(content)
    (sentence,) = refused.value.sentences
    return sentence


# -- elements around a table


def test_a_converter_may_leave_the_elements_in_the_namespace_of_its_tool() -> None:
    own = f'xmlns="urn:tool:model" xmlns:semantic="{NAMESPACES["1.2"]}"'
    text = as_xml(GOOD).decode().replace(f'xmlns="{NAMESPACES["1.5"]}"', own)
    assert read_model(text).evaluate({"x": 1}) == 10


@pytest.mark.parametrize("namespace", ["http://www.omg.org/spec/DMN/20151101", "http://www.omg.org/spec/DMN/20151101/"])
def test_some_tools_name_version_1_1_without_its_schema(namespace: str) -> None:
    assert read_model(as_xml(GOOD, "1.1").decode().replace(NAMESPACES["1.1"], namespace)).evaluate({"x": 1}) == 10


def test_what_came_before_version_1_1_is_no_model() -> None:
    text = as_xml(GOOD, "1.1").decode().replace(NAMESPACES["1.1"], "http://www.omg.org/spec/DMN/20130901")
    assert only_sentence(text) == "m.dmn:2: this is not a DMN model of version 1.1 to 1.5"


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        (
            '<businessKnowledgeModel name="Fee"><encapsulatedLogic>',
            "</encapsulatedLogic></businessKnowledgeModel>",
            "business knowledge model 'Fee'",
        ),
        ('<decision name="Fee"><context><contextEntry>', "</contextEntry></context></decision>", "decision 'Fee'"),
    ],
)
def test_a_table_that_is_no_decision_is_refused_by_the_name_of_what_holds_it(
    before: str, after: str, where: str
) -> None:
    text = as_xml(GOOD).decode().replace('<decision name="Decision">', before).replace("</decision>", after)
    problem = f"the table in {where} is not read: make it a decision of its own"
    assert only_sentence(text) == f"m.dmn:2: no decision of the model is a decision table; {problem}"


# -- a cell that is not written as the standard requires was read as empty, so it matched everything


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("<inputEntry >1</inputEntry>", "1 is outside of <text>"),
        ("<inputEntry ><text/>1</inputEntry>", "1 is outside of <text>"),
        (
            '<inputEntry ><text xmlns="">1</text></inputEntry>',
            "<text> is in the namespace '', not in that of the model",
        ),
        ("<inputEntry ><text>1<or/>, 2</text></inputEntry>", "<or> is inside of <text>"),
    ],
)
def test_an_entry_that_is_written_otherwise_does_not_let_everything_pass(entry: str, problem: str) -> None:
    text = as_xml(GOOD).decode().replace("<inputEntry ><text>1</text></inputEntry>", entry)
    help_ = "write <text>…</text> in <inputEntry>, and nothing around it"
    assert only_sentence(text) == f"m.dmn:7: decision 'Decision', row R1, column 'x': {problem}: {help_}"


@pytest.mark.parametrize(
    ("part", "otherwise"),
    [
        ("<outputEntry ><text>10</text></outputEntry>", "<outputEntry >10</outputEntry>"),
        ("<text>x</text></inputExpression>", "x</inputExpression>"),
        ("</inputExpression>", "</inputExpression><inputValues>1, 2</inputValues>"),
        ('<output name="y" typeRef="number">', '<output name="y" typeRef="number"><outputValues>10</outputValues>'),
        (
            '<output name="y" typeRef="number">',
            '<output name="y" typeRef="number"><defaultOutputEntry>1</defaultOutputEntry>',
        ),
    ],
)
def test_no_expression_is_read_as_if_it_were_not_there(part: str, otherwise: str) -> None:
    text = as_xml(GOOD).decode()
    assert part in text
    assert "is outside of <text>: write <text>…</text> in <" in only_sentence(text.replace(part, otherwise, 1))


# -- comments


COMMENTED = [
    ("1 // one", 1, 2),
    ("// one\n1", 1, 2),
    ("/* from */ [1 .. /* to */ 3]", 3, 4),
    ("1, // one\n2 /* two", None, None),
    ("not(/* all but */ 1)", 2, 1),
    ("- // any", 1, None),
]


@pytest.mark.parametrize(("text", "fits", "misses"), COMMENTED)
def test_a_cell_may_have_comments(text: str, fits: object, misses: object) -> None:
    if fits is None:
        with pytest.raises(CellError, match=r"the comment /\* two is not closed"):
            parse(text, "number")
        return
    cell = parse(text, "number")
    assert cell.matches(fits)
    assert misses is None or not cell.matches(misses)
    assert "/" not in cell.text


def test_what_looks_like_a_comment_in_a_string_or_a_name_is_none() -> None:
    assert parse('"http://a" // where', "string").matches("http://a")
    assert parse("> a//b", "number", {"a//b": "number"}).matches(2, {"a//b": 1})


def test_a_cell_that_is_only_a_comment_is_refused() -> None:
    assert "the cell is empty" in only_sentence(as_xml(replace(GOOD, rules=("// any => 1",))))


def test_comments_stand_in_every_expression_of_a_model_and_are_no_part_of_the_table() -> None:
    model = DmnText(
        inputs="x // the speed\n: number {[0..100] /* Mbit/s */}",
        outputs="y: number {1, 2 /* best */, 3} = 2 // rest",
        rules=("< 5 // slow\n => 1 /* sorry */",),
        given=(),
    )
    table = read_model(as_xml(model))
    assert [table.evaluate({"x": x}) for x in (1, 9)] == [1, 2]
    assert dmn.read_model(dmn.write_model(table).encode(), "again.dmn")["decision"].rows == table.rows


# -- types


@pytest.mark.parametrize(
    ("written", "column"),
    [
        ("xsd:nonNegativeInteger", "number"),
        ("xs:unsignedShort", "number"),
        ("short", "number"),
        ("xsd:anyURI", "string"),
        ("xsd:token", "string"),
        ("xsd:dateTimeStamp", "datetime"),
        ("xsd:duration", "any"),
        ("feel:object", "any"),
        ("collection", "any"),
        ("xsd:anyType", "any"),
    ],
)
def test_a_type_of_xml_schema_is_the_column_that_says_the_same(written: str, column: str) -> None:
    text = as_xml(GOOD).decode().replace('inputExpression typeRef="number"', f'inputExpression typeRef="{written}"')
    text = text.replace("<text>1</text>", "<text>-</text>")
    assert read_model(text).inputs[0].type == column


# -- names


@pytest.mark.parametrize(
    "name", ["\N{ROCKET}", "speed\N{MIDDLE DOT}max", "cafe\N{COMBINING ACUTE ACCENT}", "a\N{UNDERTIE}b"]
)
def test_a_name_may_have_every_sign_that_the_standard_gives_it(name: str) -> None:
    assert parse(f"> {name}", "number").matches(2, {name: 1})
    table = read_model(as_xml(replace(GOOD, inputs=f"{name}: number | x: number", rules=(f"1 | > {name} => 5",))))
    assert table.evaluate({name: 1, "x": 2}) == 5


def test_a_digit_of_another_script_starts_no_name() -> None:
    with pytest.raises(CellError, match="is not understood"):
        parse("\N{ARABIC-INDIC DIGIT FIVE}", "number")


# -- outputs


@pytest.mark.parametrize("entry", ["11", "-1"])
def test_an_output_outside_of_the_range_that_its_column_allows_is_refused(entry: str) -> None:
    model = replace(GOOD, outputs="y: number {[1..10], 20}", rules=(f"1 => {entry}", "2 => 10", "3 => 20", "4 => null"))
    problem = f"row R1, output 'y': {entry} is not one of the allowed values [1..10], 20"
    assert only_sentence(as_xml(model)) == f"m.dmn:7: decision 'Decision', {problem}"


def test_an_output_outside_of_the_range_of_its_type_is_refused() -> None:
    items = an_item("tRate", "number", "[0..1]")
    problem = "row R1, output 'y': 2 is not one of the allowed values [0..1]"
    assert problem in only_sentence(
        as_xml(replace(GOOD, items=items, outputs="y: tRate", rules=("1 => 2", "2 => 0.5")))
    )


def test_a_default_outside_of_the_range_is_refused() -> None:
    problem = "default, output 'y': 5 is not one of the allowed values < 3"
    assert problem in only_sentence(as_xml(replace(GOOD, outputs="y: number {< 3} = 5", rules=())))


def test_a_summary_of_several_outputs_is_refused_as_the_standard_does_not_define_it() -> None:
    sentence = only_sentence(
        as_xml(replace(GOOD, policy="COLLECT SUM", outputs="y: number | z: number", rules=("1 => 1 | 2",)))
    )
    assert sentence.endswith(
        "policy 'collect+' makes one value of one output, but the table has 2, for which DMN does not define it: make a"
        " table of each, or take 'collect', which gives all as they are"
    )


# -- spellings of other languages are refused with the intended word


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("== 5", 'a value is expected where "=" stands; the comparisons are =, !=, <, <=, >, >='),
        ("<> 5", "the comparisons are =, !=, <, <=, >, >="),
        ("[1, 2]", "is not an interval; one is written [1..5], alternatives stand without brackets"),
        ("None", 'unknown name "None"; there is no other input'),
        ("True", 'unknown name "True"; did you mean true?'),
        ("NULL", 'unknown name "NULL"; did you mean null?'),
    ],
)
def test_a_word_of_another_language_is_refused_with_ours(cell: str, hint: str) -> None:
    assert only_sentence(as_xml(replace(GOOD, inputs="x", rules=(f"{cell} => 1",)))).endswith(hint)


def test_a_table_file_takes_the_names_that_a_model_has() -> None:
    inputs = '  - {name: "\N{ROCKET} speed", path: "characteristic[speed]", type: number}\n'
    table = a_table([a_row("R1", '"\N{ROCKET} speed": "> 5"')], inputs=inputs)
    assert table.evaluate({"\N{ROCKET} speed": 6}) == {"hierarchical": True, "payload": "per-run"}
