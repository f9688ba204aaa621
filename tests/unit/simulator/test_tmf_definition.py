"""A violation of the official schema is reported with a JSON pointer."""

from pathlib import Path
from typing import Any

import pytest

from southbound.simulator.tmf_definition import (
    DEFINITION_FILE,
    DefinitionMissingError,
    find_definition,
    official_definition,
)

VALID: dict[str, Any] = {
    "name": "Speed Test TR0001012",
    "relatedService": {"id": "PI0000011"},
    "testSpecification": {"id": "TD0001"},
    "testMeasure": [{"id": "TM0007", "metricName": "Flow speed"}],
}


def pointers(body: object) -> list[str]:
    return [violation.pointer for violation in official_definition().violations("ServiceTest_Create", body)]


def test_a_test_with_the_three_required_fields_is_valid() -> None:
    assert pointers(VALID) == []


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": 3}, "/name"),
        ({"relatedService": {}}, "/relatedService/id"),
        ({"startDateTime": "yesterday"}, "/startDateTime"),
        ({"characteristic": [{"name": "a", "value": 1}, {"name": "b"}]}, "/characteristic/1/value"),
        ({"testMeasure": [{"value": "3000"}]}, "/testMeasure/0/value"),
        ({"id": "mine"}, "/id"),
        ({"href": "http://example.org/1"}, "/href"),
    ],
)
def test_the_pointer_leads_to_what_is_wrong(wrong: dict[str, object], pointer: str) -> None:
    assert pointers(VALID | wrong) == [pointer]


def test_a_missing_field_is_pointed_at_by_its_name() -> None:
    assert pointers({}) == ["/name", "/relatedService", "/testSpecification"]


def test_a_body_that_is_no_object_is_wrong_as_a_whole() -> None:
    assert pointers([]) == [""]


def test_a_change_may_leave_everything_out_but_not_set_the_id() -> None:
    official = official_definition()
    assert not official.violations("ServiceTest_Update", {})
    assert [v.pointer for v in official.violations("ServiceTest_Update", {"id": "other"})] == ["/id"]


def test_the_installed_definition_is_beside_the_module(tmp_path: Path) -> None:
    module = tmp_path / "southbound" / "simulator" / "definition.py"
    module.parent.mkdir(parents=True)
    (module.parent / DEFINITION_FILE).write_text("{}")
    assert find_definition(module) == module.parent / DEFINITION_FILE


def test_without_the_definition_the_sentence_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DefinitionMissingError, match=rf"{DEFINITION_FILE}.*install southbound"):
        find_definition(tmp_path / "southbound" / "simulator" / "definition.py")
