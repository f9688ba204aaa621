"""Models as tools write them: their versions, their spellings, and the elements around a table."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import pytest

from router.tables.diagnostics import TableErrors
from router.tables.explain.wording import cell_in_words
from router.tables.formats.dmn import model as dmn
from router.tables.hit_policy import HitPolicy
from tests.builders.dmn_models import NAMESPACES, DmnText, an_item, as_xml

if TYPE_CHECKING:
    from pathlib import Path

OF_1_1 = """\
<?xml version="1.0" encoding="UTF-8"?>
<semantic:definitions xmlns:semantic="http://www.omg.org/spec/DMN/20151101/dmn.xsd"
    xmlns:feel="http://www.omg.org/spec/FEEL/20140401"
    xmlns:camunda="http://camunda.org/schema/1.0/dmn" id="dish" name="Dish" namespace="http://camunda.org/schema/1.0/dmn">
  <semantic:decision id="dish" name="Dish">
    <!-- what to cook -->
    <semantic:decisionTable id="table" hitPolicy="UNIQUE" preferredOrientation="Rule-as-Row">
      <semantic:input id="i1" label="Season" camunda:inputVariable="cellInput">
        <semantic:inputExpression id="e1" typeRef="feel:string">
          <semantic:text>season</semantic:text>
        </semantic:inputExpression>
        <semantic:inputValues><semantic:text><![CDATA["Winter","Summer"]]></semantic:text></semantic:inputValues>
      </semantic:input>
      <semantic:input id="i2" label="guest count">
        <semantic:inputExpression typeRef="integer"><semantic:text></semantic:text></semantic:inputExpression>
      </semantic:input>
      <semantic:output id="o1" label="Dish" name="dish" typeRef="feel:string"/>
      <semantic:rule id="row-1">
        <semantic:description>stew</semantic:description>
        <semantic:inputEntry id="u1"><semantic:text>"Winter"</semantic:text></semantic:inputEntry>
        <semantic:inputEntry id="u2"><semantic:text><![CDATA[<= 8]]></semantic:text></semantic:inputEntry>
        <semantic:outputEntry id="r1"><semantic:text>"Stew"</semantic:text></semantic:outputEntry>
      </semantic:rule>
      <semantic:rule id="row-2">
        <semantic:inputEntry id="u3"><semantic:text></semantic:text></semantic:inputEntry>
        <semantic:inputEntry id="u4"><semantic:text>&gt; 8</semantic:text></semantic:inputEntry>
        <semantic:outputEntry id="r2"><semantic:text>"Pasta"</semantic:text></semantic:outputEntry>
      </semantic:rule>
    </semantic:decisionTable>
  </semantic:decision>
</semantic:definitions>
"""

OF_1_3 = """\
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" xmlns:t="http://tool.example/"
    name="Loans" namespace="urn:loans"
    expressionLanguage="https://www.omg.org/spec/DMN/20191111/FEEL/">
  <extensionElements><t:decision name="not of the standard"><t:decisionTable/></t:decision></extensionElements>
  <itemDefinition name="tApplicant">
    <itemComponent name="age"><typeRef>number</typeRef></itemComponent>
    <itemComponent name="risk">
      <typeRef>string</typeRef><allowedValues><text>"low", "high"</text></allowedValues>
    </itemComponent>
  </itemDefinition>
  <itemDefinition name="tTerms">
    <itemComponent name="Approved/Declined">
      <typeRef>string</typeRef><allowedValues><text>"Approved", "Declined"</text></allowedValues>
    </itemComponent>
    <itemComponent name="rate"><typeRef>number</typeRef></itemComponent>
  </itemDefinition>
  <inputData name="applicant"><variable name="applicant" typeRef="tApplicant"/></inputData>
  <decision name="Terms">
    <variable name="Terms" typeRef="tTerms"/>
    <informationRequirement><requiredInput href="#a"/></informationRequirement>
    <decisionTable hitPolicy="PRIORITY" outputLabel="Terms">
      <input><inputExpression typeRef="number"><text>applicant . age</text></inputExpression></input>
      <input><inputExpression typeRef="string"><text>applicant.risk</text></inputExpression></input>
      <output name="Approved/Declined"/>
      <output name="rate"/>
      <annotation name="why"/>
      <rule id="_1"><inputEntry><text>&gt;=18</text></inputEntry><inputEntry><text>-</text></inputEntry>
        <outputEntry><text>"Declined"</text></outputEntry><outputEntry><text>9.5</text></outputEntry>
        <annotationEntry><text>of age</text></annotationEntry></rule>
      <rule id="_2"><inputEntry><text>&gt;=18</text></inputEntry><inputEntry><text>"low"</text></inputEntry>
        <outputEntry><text>"Approved"</text></outputEntry><outputEntry><text>3</text></outputEntry></rule>
    </decisionTable>
  </decision>
  <decision name="Payment"><literalExpression><text>Terms.rate * 2</text></literalExpression></decision>
  <decision name="Letter"><variable name="Letter"/>
    <decisionTable>
      <input><inputExpression><text>Payment</text></inputExpression></input>
      <output><defaultOutputEntry><text>"none"</text></defaultOutputEntry></output>
      <rule><inputEntry><text>&gt; 10</text></inputEntry><outputEntry><text>"long"</text></outputEntry></rule>
    </decisionTable>
  </decision>
  <businessKnowledgeModel name="Fee"><encapsulatedLogic><decisionTable/></encapsulatedLogic></businessKnowledgeModel>
</definitions>
"""


def test_a_model_of_version_1_1_with_prefixes_comments_and_cdata(tmp_path: Path) -> None:
    path = tmp_path / "dish.dmn"
    path.write_text(OF_1_1)
    table = dmn.load(path)["Dish"]
    assert table.policy is HitPolicy.UNIQUE
    assert [(column.name, column.type) for column in table.inputs] == [("season", "string"), ("guest count", "number")]
    assert table.evaluate({"season": "Winter", "guest count": 8}) == "Stew"
    assert table.evaluate({"guest count": 9}) == "Pasta"
    assert [(row.id, row.note) for row in table.rows] == [("row-1", "stew"), ("row-2", "")]
    assert table.inputs[0].allowed is not None
    assert cell_in_words(table.inputs[0].allowed) == "Winter, Summer"
    assert dmn.load(str(path)) == dmn.load(path)


def test_a_model_of_several_decisions_gives_its_tables() -> None:
    tables = dmn.read_model(OF_1_3.encode(), "loans.dmn")
    assert list(tables) == ["Terms", "Letter"]
    terms = tables["Terms"]
    assert terms.evaluate({"applicant": {"age": 20, "risk": "low"}}) == {"Approved/Declined": "Approved", "rate": 3}
    assert terms.evaluate({"applicant": {"age": 20}}) == {"Approved/Declined": "Declined", "rate": Decimal("9.5")}
    assert [row.id for row in terms.rows] == ["R1", "R2"]
    assert terms.rows[0].note == "of age"
    assert tables["Letter"].evaluate({"Payment": 11}) == "long"
    assert tables["Letter"].evaluate({"Payment": 1}) == "none"


def test_the_version_of_a_table_names_the_content_of_its_file() -> None:
    content = OF_1_3.encode()
    table = dmn.read_model(content, "a.dmn")["Terms"]
    assert table.version == dmn.read_model(content, "b.dmn")["Letter"].version
    assert table.version != dmn.read_model(content + b"\n", "a.dmn")["Terms"].version


@pytest.mark.parametrize("version", NAMESPACES)
def test_files_mix_up_http_and_https(version: str) -> None:
    model = DmnText(inputs="x: number", outputs="y: number", rules=("1 => 2",), given=())
    text = as_xml(model, version)
    other = (
        text.replace(b"https://www", b"http://www")
        if b"https://" in text
        else text.replace(b"http://www", b"https://www")
    )
    assert dmn.read_model(other, "m.dmn")["Decision"].evaluate({"x": 1}) == 2


def test_the_first_tools_of_version_1_1_named_it_otherwise() -> None:
    text = OF_1_1.replace("20151101/dmn.xsd", "20151101/dmn11.xsd")
    assert "Dish" in dmn.read_model(text.encode(), "dish.dmn")


TYPES = [
    ("string", "string"),
    ("number", "number"),
    ("boolean", "boolean"),
    ("date", "date"),
    ("time", "time"),
    ("dateTime", "datetime"),
    ("date and time", "datetime"),
    ("dayTimeDuration", "days-duration"),
    ("days and time duration", "days-duration"),
    ("yearMonthDuration", "months-duration"),
    ("years and months duration", "months-duration"),
    ("Any", "any"),
    ("any", "any"),
    ("", "any"),
    ("feel:number", "number"),
    ("{http://www.omg.org/spec/FEEL/20140401}date", "date"),
    ("xsd:integer", "number"),
    ("long", "number"),
    ("double", "number"),
    ("tOwn", "string"),
    ("tns:tOwn", "string"),
    ("tList", "number"),
    ("tStructure", "any"),
    ("list<string>", "any"),
    ("<Undefined>", "any"),  # written by Red Hat's editors where no type was chosen
]


@pytest.mark.parametrize(("written", "column"), TYPES)
def test_a_type_is_known_in_every_spelling(written: str, column: str) -> None:
    items = an_item("tOwn", "feel:string") + an_item("tList", "number", is_list=True)
    items += '<itemDefinition name="tStructure"><itemComponent name="a"/></itemDefinition>'
    model = DmnText(inputs="x: number", outputs="y: number", rules=("- => 1",), items=items, given=())
    text = as_xml(model).replace(
        b'<inputExpression typeRef="number">', f"<inputExpression typeRef={quoteattr(written)}>".encode()
    )
    assert dmn.read_model(text, "m.dmn")["Decision"].inputs[0].type == column


def test_a_constraint_that_is_no_unary_test_of_ours_is_not_checked() -> None:
    items = an_item("tText", "string", 'matches(?, "[a-z]+")')
    model = DmnText(inputs="x: tText", outputs="y: tText", rules=('"A" => "B"',), items=items, given=())
    table = dmn.read_model(as_xml(model), "m.dmn")["Decision"]
    assert (table.inputs[0].allowed, table.outputs[0].allowed) == (None, ())


def test_a_rule_may_have_an_id_that_only_the_model_can_hold() -> None:
    model = DmnText(inputs="x: number", outputs="y: number", rules=("1 => 1", "2 => 2"), given=())
    text = as_xml(model).replace(b"<rule>", b'<rule id="same">')
    assert [row.id for row in dmn.read_model(text, "m.dmn")["Decision"].rows] == ["R1", "R2"]


def test_an_input_of_a_list_type_takes_lists() -> None:
    items = an_item("tTags", "string", '"a", "b"', is_list=True)
    model = DmnText(inputs="tags: tTags", outputs="y: number", rules=('"a" => 1',), items=items, given=())
    assert dmn.read_model(as_xml(model), "m.dmn")["Decision"].evaluate({"tags": ["b", "a"]}) == 1


def test_a_large_model_is_read(tmp_path: Path) -> None:
    rules = tuple(f'"s{number}" | [{number}..{number + 10}) => {number}' for number in range(2_000))
    path = tmp_path / "large.dmn"
    path.write_bytes(as_xml(DmnText(inputs="s: string | n: number", outputs="y: number", rules=rules, given=())))
    table = dmn.load(path)["Decision"]
    assert table.evaluate({"s": "s1999", "n": 2_000}) == 1999


def test_a_table_of_another_decision_is_named_by_that_decision() -> None:
    with pytest.raises(TableErrors) as refused:
        dmn.read_model(OF_1_3.replace('"long"', "long").encode(), "loans.dmn")
    (sentence,) = refused.value.sentences
    assert sentence.startswith("loans.dmn:39: decision 'Letter', row R1, output 'Letter': long is not a literal; ")


def test_a_cell_names_a_variable_whose_element_has_another_name() -> None:
    limit = '<inputData name="Limit of speed"><variable name="limit" typeRef="number"/></inputData>'
    model = DmnText(inputs="x: number", outputs="y: number", rules=("> limit => 1",), items=limit, given=())
    table = dmn.read_model(as_xml(model), "m.dmn")["Decision"]
    assert table.evaluate({"x": 5, "limit": 4}) == 1
    assert table.evaluate({"x": 5, "limit": 6}) is None


def test_a_name_may_have_the_apostrophe_of_the_standard() -> None:
    model = DmnText(inputs="Member\u2019s age: number", outputs="y: number", rules=("> 17 => 1",), given=())
    assert dmn.read_model(as_xml(model), "m.dmn")["Decision"].evaluate({"Member\u2019s age": 18}) == 1
