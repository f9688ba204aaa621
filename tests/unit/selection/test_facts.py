"""The facts of a run: the paths that a table may use, and their values."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from router.selection.fact_paths import fact_path
from router.selection.facts import facts_of
from router.selection.partial_facts import facts_from_example
from router.tables.facts import ExampleFactsError, UnknownFactError
from router.tables.feel.values import Months
from schemas.run_document import Characteristic, JsonText, RelatedParty, ServiceRef
from tests.builders.runs import NOON, a_document, a_tree
from tests.builders.specifications import a_specification


def test_fields_are_read_by_their_path() -> None:
    run = a_document(priority=2, tenant="north")
    facts = facts_of(run.model_copy(update={"related_service": ServiceRef(id="S1", type="fibre")}))
    paths = ("test_specification.id", "related_service.type", "mode", "priority", "tenant", "version")
    assert [facts.value(path) for path in paths] == ["fibre-line", "fibre", "ONDEMAND", 2, "north", 1]


def test_a_field_that_a_run_lacks_is_missing() -> None:
    facts = facts_of(a_document())
    assert [facts.value(path) for path in ("tenant", "related_service.type", "characteristic[speed]")] == [None] * 3


def test_the_place_in_the_hierarchy_is_a_fact() -> None:
    tree = facts_of(a_tree(children=3))
    assert [tree.value(path) for path in ("has_children", "child_count", "is_child")] == [True, 3, False]
    child = facts_of(a_document("C", parent="P"))
    assert [child.value(path) for path in ("has_children", "child_count", "is_child")] == [False, 0, True]
    assert facts_of(a_document(child_run_ids=("A", "B"))).value("child_count") == 2


def test_a_run_with_a_start_is_planned() -> None:
    planned = facts_of(a_document(start_date_time=NOON))
    assert (planned.value("planned"), planned.value("start_date_time")) == (True, NOON)
    assert facts_of(a_document()).value("planned") is False


def test_characteristics_are_found_by_name() -> None:
    listed = Characteristic(name="tags", value=JsonText(json_text='["a", 2]'))
    site = Characteristic(name="site", value=JsonText(json_text='{"region": {"code": "N"}}'))
    speed = Characteristic(name="down speed", value=0.1)
    facts = facts_of(a_document(characteristic=(speed, listed, site)))
    assert facts.value("characteristic[down speed]") == Decimal("0.1")
    assert facts.value("characteristic[tags]") == ("a", 2)
    assert facts.value("characteristic[site].region.code") == "N"
    assert facts.value("characteristic[site].region.code.more") is None


def test_a_characteristic_named_twice_has_both_values() -> None:
    twice = (Characteristic(name="port", value=1), Characteristic(name="port", value=2))
    assert facts_of(a_document(characteristic=twice)).value("characteristic[port]") == (1, 2)


@pytest.mark.parametrize(
    ("text", "value_type", "value"),
    [
        ("300", "number", 300),
        ("0.5", "Decimal", Decimal("0.5")),
        ("300", "string", "300"),
        ("300", None, "300"),
        ("fast", "number", "fast"),
        ("NaN", "number", "NaN"),
        ("True", "boolean", True),
        ("maybe", "boolean", "maybe"),
        ("PT1H", "duration", timedelta(hours=1)),
        ("P1Y", "duration", Months(12)),
        ("2026-11-23T12:00:00Z", "date-time", NOON),
        ("2026-11-23", "date", NOON.date()),
        ("x", "somethingElse", "x"),
    ],
)
def test_text_with_a_value_type_is_read_as_that_type(text: str, value_type: str | None, value: object) -> None:
    named = Characteristic(name="x", value=text, value_type=value_type)
    found = facts_of(a_document(characteristic=(named,))).value("characteristic[x]")
    assert (type(found), found) == (type(value), value)


def test_a_path_through_a_list_gives_the_list() -> None:
    parties = (RelatedParty(id="1", referred_type="x", role="customer"), RelatedParty(id="2", referred_type="x"))
    assert facts_of(a_document(related_party=parties)).value("related_party.role") == ("customer", None)
    specs = facts_of(a_tree(children=2)).value("children.test_specification.id")
    assert specs == ("fibre-tree-child", "fibre-tree-child")


@pytest.mark.parametrize(
    ("path", "fact_type"),
    [
        ("test_specification.id", "string"),
        ("mode", "string"),
        ("priority", "number"),
        ("start_date_time", "datetime"),
        ("has_children", "boolean"),
        ("child_count", "number"),
        ("characteristic[speed]", "any"),
        ("test_measure.mandatory", "boolean"),
        ("related_party.role", "string"),
        ("characteristic.value", "any"),
    ],
)
def test_every_path_has_a_type(path: str, fact_type: str) -> None:
    assert fact_path(path).type == fact_type


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("test_specifcation.id", "did you mean 'test_specification.id'?"),
        ("test_specification.idd", "did you mean 'test_specification.id'?"),
        ("has_child", "did you mean 'has_children'?"),
        ("has_children.x", "is not a fact of a run"),
        ("colour", "is not a fact of a run"),
        ("", "is not a fact of a run"),
        ("priority.x", "goes on after 'priority'"),
        ("related_service", "is a group; name one of its fields: id, href, name, type"),
        ("characteristic", "needs the name of a characteristic"),
        ("characteristic[]", "needs the name of a characteristic"),
        ("characteristic[speed", "needs the name of a characteristic"),
        ("model_fields", "is not a fact of a run"),
        ("__class__", "is not a fact of a run"),
    ],
)
def test_an_unknown_path_is_refused_with_similar_ones(path: str, hint: str) -> None:
    with pytest.raises(UnknownFactError) as refused:
        fact_path(path)
    assert hint in str(refused.value)


def test_a_saved_test_may_give_only_part_of_a_run() -> None:
    facts = facts_from_example(
        {"test_specification": {"name": "n"}, "characteristic": {"speed": 300}, "has_children": True, "priority": 2}
    )
    given = ("test_specification.name", "characteristic[speed]", "has_children", "priority", "mode")
    assert [facts.value(path) for path in given] == ["n", 300, True, 2, "ONDEMAND"]
    missing = ("test_specification.id", "related_service.id", "run_id", "root_run_id", "name", "tenant")
    assert [facts.value(path) for path in missing] == [None] * 6


def test_a_whole_document_can_be_given() -> None:
    facts = facts_from_example(a_tree().model_dump(mode="json"))
    assert (facts.value("run_id"), facts.value("child_count")) == ("TR0001", 3)


def test_impossible_values_of_a_run_are_refused_field_by_field() -> None:
    with pytest.raises(ExampleFactsError) as refused:
        facts_from_example({"colour": 1, "priority": "high", "related_service": "x", "test_specification": {"idd": 1}})
    sentences = " ".join(refused.value.sentences)
    assert "'colour' is not a field of a run document" in sentences
    assert "'test_specification.idd' is not a field" in sentences
    assert "'priority' cannot be so" in sentences
    assert "'related_service' cannot be so" in sentences


def a_characteristic(name: str, *values: object, value_type: str | None = None) -> dict[str, object]:
    return {
        "name": name,
        "valueType": value_type,
        "characteristicValueSpecification": [{"value": value} for value in values],
    }


def test_the_fields_and_characteristics_of_the_specification_are_facts() -> None:
    specification = a_specification(
        "fibre-line",
        "TM-1",
        specCharacteristic=[
            a_characteristic("technology", "fibre"),
            a_characteristic("speed", "1000", value_type="integer"),
            a_characteristic("Line of service", {"vlan": 7}),
            a_characteristic("type", "a characteristic"),
        ],
        lifecycleStatus="published",
    ).model_copy(update={"type": "LineTest"})
    facts = facts_of(a_document(specification=specification))
    values = {
        "specification.id": "fibre-line",
        "specification.type": "LineTest",
        "specification.lifecycle_status": "published",
        "specification.technology": "fibre",
        "specification.speed": Decimal(1000),
        "specification.characteristic[Line of service].vlan": Decimal(7),
        "specification.characteristic[type]": "a characteristic",
        "specification.colour": None,
    }
    assert {path: facts.value(path) for path in values} == values


def test_a_run_without_specification_lacks_all_of_its_facts() -> None:
    facts = facts_of(a_document())
    paths = ("specification.type", "specification.technology", "specification.characteristic[Line of service]")
    assert [facts.value(path) for path in paths] == [None] * 3
    assert (fact_path("specification.type").type, fact_path("specification.technology").type) == ("string", "any")


def test_an_example_may_write_the_specification_as_its_paths_are() -> None:
    facts = facts_from_example({"specification": {"type": "LineTest", "technology": "fibre"}})
    assert (facts.value("specification.type"), facts.value("specification.technology")) == ("LineTest", "fibre")
    assert (facts.value("specification.id"), facts.value("test_specification.id")) == (None, None)
    named = facts_from_example({"specification": {"id": "A", "characteristic": {"type": "x"}}})
    assert (named.value("specification.id"), named.value("specification.characteristic[type]")) == ("A", "x")
    with pytest.raises(ExampleFactsError, match=r"specification\.version"):
        facts_from_example({"specification": {"version": [1]}})
