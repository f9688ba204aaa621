"""Whole DMN models decide as the standard requires, in every version, and again after they are written."""

from __future__ import annotations

import pytest

from router.tables.diagnostics import TableErrors
from router.tables.formats.dmn import model as dmn
from tests.builders.dmn_models import NAMESPACES, DmnText, as_xml
from tests.unit.tables.formats.dmn.standard_models import MODELS

CASES = [(name, version) for name in MODELS for version in NAMESPACES]


@pytest.mark.parametrize(("name", "version"), CASES)
def test_a_model_decides_as_the_standard_says(name: str, version: str) -> None:
    model = MODELS[name]
    table = dmn.read_model(as_xml(model, version), "model.dmn")["Decision"]
    for inputs, result in model.given:
        decided = table.evaluate(inputs)
        assert (decided, type(decided)) == (result, type(result)), inputs


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_was_written_out_decides_the_same(name: str) -> None:
    model = MODELS[name]
    (table, *_) = dmn.read_model(as_xml(model), "model.dmn").values()
    (again,) = dmn.read_model(dmn.write_model(table).encode(), "again.dmn").values()
    assert again.policy is table.policy
    for inputs, result in model.given:
        assert again.evaluate(inputs) == result, inputs


def test_these_are_many_models() -> None:
    assert len(MODELS) >= 60


def test_an_unnamed_output_has_the_name_of_its_decision() -> None:
    model = DmnText(inputs="", outputs=": string", rules=('=> "v"',), given=())
    table = dmn.read_model(as_xml(model, decision="Approval Status"), "model.dmn")["Approval Status"]
    assert table.outputs[0].name == "Approval Status"
    assert table.id == "approval-status"
    assert table.evaluate({}) == "v"


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_rule_of_any_model_is_refused(name: str) -> None:
    model = MODELS[name]
    if not model.rules:
        return
    width = model.rules[0].partition("=>")[0].count("|") + 1
    wrong = DmnText(
        policy=model.policy,
        inputs=model.inputs or "x: number",
        outputs=model.outputs,
        rules=(" | ".join(["sum(1)"] * width) + " =>" + model.rules[0].partition("=>")[2],),
        items=model.items,
        given=(),
    )
    with pytest.raises(TableErrors) as refused:
        dmn.read_model(as_xml(wrong), "model.dmn")
    assert all("row R1, column" in problem and "is a function" in problem for problem in refused.value.sentences)
