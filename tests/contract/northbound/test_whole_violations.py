"""What TMF653 names of a violation arrives whole in the result, the store, the interface and the written-back record.

The fields are those of the official definitions of each version.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from consumers.store.sql_store import open_store
from router.northbound.api_version import ApiVersion
from router.northbound.order import RunView
from router.northbound.resource import to_resource
from router.northbound.writeback import TargetDialect, TargetFormat, ValueForm, update_body
from schemas.vocabulary import Result
from southbound.simulator.instance.rules import check_run
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from router.runs.run import RunRow

Content = dict[str, Any]
FILES = {
    "4.0": "TMF653-ServiceTest-v4.0.0.swagger.json",
    "4.1": "TMF653-ServiceTest-v4.1.0.swagger.json",
    "4.2": "TMF653_Service_Test_Management_API_v4.2.0_swagger.json",
    "5.0": "TMF653-ServiceTest-v5.0.0.types.json",
}
CHOICES = {
    "thresholdRuleSeverity": "high",
    "conformanceComparatorLower": "greater than",
    "conformanceComparatorUpper": "less than",
    "units": "minutes",
}


def definitions_of(version: str) -> Content:
    path = Path(__file__).parents[2] / "data/tmf653" / FILES[version]
    content = json.loads(path.read_text("utf-8"))
    definitions: Content = content.get("definitions") or content["$defs"]
    return definitions


def filled(definitions: Content, name: str) -> Content:
    """Return an object with every field that the definition names, but for those that TMF630 adds to all."""
    fields = definitions[name]["properties"].items()
    return {field: value_of(definitions, field, kind) for field, kind in fields if not field.startswith("@")}


def value_of(definitions: Content, field: str, kind: Content) -> object:
    reference = kind.get("$ref") or kind.get("items", {}).get("$ref")
    if reference is not None:
        inner = filled(definitions, reference.rpartition("/")[2])
        return [inner] if kind.get("type") == "array" else inner
    return {"integer": 3, "boolean": True}.get(kind["type"], CHOICES.get(field, f"the {field}"))


async def a_violated_run(version: str, violation: Content) -> InMemoryGateway:
    gateway = InMemoryGateway(profile={"version": version})
    await gateway.process_request(a_document(measures=("M1",)))
    measure = {"id": "M1", "value": {"name": "speed", "value": 1}, "ruleViolation": [violation]}
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[measure])
    return gateway


def without_ids(found: object) -> object:
    if isinstance(found, dict):
        return {key: without_ids(value) for key, value in found.items() if key != "id" and not key.startswith("@")}
    return [without_ids(each) for each in found] if isinstance(found, list) else found


def ids_in(violation: Content) -> list[str]:
    return [violation["id"], *(each["id"] for each in violation["appliedConsequence"])]


def shown(row: RunRow, version: str) -> Content:
    resource = to_resource(RunView(row=row, order=None), ApiVersion.V5 if version == "5.0" else ApiVersion.V4_1)
    measures: Any = resource["testMeasure"]
    only: Content = measures[0]["ruleViolation"][0]
    return only


@pytest.mark.parametrize("version", FILES)
async def test_every_field_of_a_violation_arrives_with_ids_that_stay_the_same(version: str, tmp_path: Path) -> None:
    violation = filled(definitions_of(version), "MeasureThresholdRuleViolation")
    assert {"tolerancePeriod", "appliedConsequence", "numberOfAllowedCrossing"} <= violation.keys()
    gateway = await a_violated_run(version, violation)
    (result,) = gateway.results()  # decoded from its bytes
    assert result.result is Result.FAIL

    store = await open_store(f"sqlite:///{tmp_path}/runs.db")
    await store.save(replace(gateway.row(), revision=1))
    stored = await store.run("TR0001")
    await store.close()
    assert stored is not None
    assert stored.measures == result.test_measure

    in_interface = shown(stored, version)
    assert without_ids(in_interface) == violation
    for form in (TargetFormat(), TargetFormat(dialect=TargetDialect.TMF653, value_form=ValueForm.OBJECT)):
        body: Content = update_body(form, stored)
        written = body["testMeasure"][0]["ruleViolation"][0]
        assert without_ids(written) == violation
        assert ids_in(written) == ids_in(in_interface)
        if form.is_servicenow:
            check_run(body)

    again = await a_violated_run(version, violation)
    assert ids_in(shown(again.row(), version)) == ids_in(in_interface)


async def test_ids_of_the_system_are_kept() -> None:
    violation = {"id": "V7", "name": "slow", "appliedConsequence": [{"id": "C8", "name": "ticket"}, {"name": "call"}]}
    gateway = await a_violated_run("4.1", violation)
    found = shown(gateway.row(), "4.1")
    assert ids_in(found)[:2] == ["V7", "C8"]
    assert len(set(ids_in(found))) == 3


@pytest.mark.parametrize(
    ("loose", "read"),
    [
        ({"tolerancePeriod": "15 Minutes"}, {"tolerancePeriod": {"amount": 15, "units": "Minutes"}}),
        ({"tolerancePeriod": "a while"}, {"tolerancePeriod": {"units": "a while"}}),
        ({"tolerancePeriod": "", "numberOfAllowedCrossing": ""}, {}),
        ({"numberOfAllowedCrossing": "0"}, {"numberOfAllowedCrossing": 0}),
        ({"conformanceComporatorExact": "true"}, {"conformanceComparatorExact": True}),
        (
            {"appliedConsequence": [{"name": "ticket", "repeatAction": "0"}]},
            {"appliedConsequence": [{"name": "ticket", "repeatAction": False}]},
        ),
        ({"appliedConsequence": ["call them"]}, {"appliedConsequence": [{"appliedAction": "call them"}]}),
    ],
)
async def test_the_loose_forms_of_servicenow_are_read(loose: Content, read: Content) -> None:
    gateway = await a_violated_run("4.1", {"name": "slow", **loose})
    assert without_ids(shown(gateway.row(), "4.1")) == {"name": "slow", **read}


async def test_consequences_that_are_left_out_are_counted() -> None:
    gateway = await a_violated_run("4.1", {"name": "slow", "appliedConsequence": [{"name": f"{n}"} for n in range(23)]})
    assert [each.code for each in gateway.results()[0].reasons] == ["CONSEQUENCES_LEFT_OUT"]
    assert gateway.results()[0].reasons[0].message.startswith("3 consequences")
