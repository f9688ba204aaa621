"""The simulator reports measures under the ids that were requested."""

from datetime import UTC, datetime

from schemas.text.json_types import Json
from southbound.simulator.behaviours import Behaviour
from southbound.simulator.measures import fill_measures
from southbound.simulator.tmf_definition import official_definition

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
REQUESTED: Json = {
    "testMeasure": [{"id": "TM1", "metricName": "Flow speed"}, {"id": "TM2", "metricName": "Loss"}],
    "characteristic": [{"name": "url", "value": "http://a.example"}, {"name": "size", "value": 5}],
}


def values(behaviour: Behaviour, changed: str | None = None, requested: Json = REQUESTED) -> list[object]:
    measures = fill_measures(requested, behaviour, changed, AT)
    assert not official_definition().violations("ServiceTest", {"testMeasure": measures})
    return [m["value"]["value"] for m in measures if isinstance(m["value"], dict)]


def test_every_requested_measure_comes_back_under_its_id() -> None:
    measures = fill_measures(REQUESTED, Behaviour(), None, AT)
    assert [(m["id"], m["metricName"]) for m in measures] == [("TM1", "Flow speed"), ("TM2", "Loss")]


def test_a_metric_measures_the_same_every_time_unless_the_script_gives_a_value() -> None:
    assert values(Behaviour()) == values(Behaviour())
    assert values(Behaviour(values={"Loss": 0.5}))[1] == 0.5


def test_without_requested_measures_nothing_is_measured() -> None:
    assert fill_measures({}, Behaviour(), None, AT) == []


def test_an_echo_shows_the_characteristic_that_was_changed() -> None:
    assert values(Behaviour(echo_characteristics=True), "size") == [5, 5]


def test_an_echo_prefers_the_characteristic_with_the_name_of_the_metric() -> None:
    requested = REQUESTED | {"testMeasure": [{"metricName": "url"}]}
    assert values(Behaviour(echo_characteristics=True), "size", requested) == ["http://a.example"]


def test_an_echo_needs_no_request() -> None:
    requested: Json = {"characteristic": REQUESTED["characteristic"]}
    assert values(Behaviour(echo_characteristics=True), "size", requested) == [5]


def test_a_violation_is_part_of_the_first_measure() -> None:
    first, second = fill_measures(REQUESTED, Behaviour(violate_threshold=True), None, AT)
    assert first["ruleViolation"]
    assert "ruleViolation" not in second
