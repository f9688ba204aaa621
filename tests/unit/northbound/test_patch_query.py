"""A path with a query selects entries of a list; what it selects is what a plain JSON Patch changes by position."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.errors import ApiRefusedError
from router.northbound.patches.patch_query import MAX_QUERY_OPERATIONS, json_patch_query, without_query

RUN: dict[str, Any] = {
    "name": "Line test",
    "testMeasure": [
        {"id": "TM1", "metricName": "Flow speed", "unitOfMeasure": "bit/s"},
        {"id": "TM2", "metricName": "Loss", "unitOfMeasure": "dB"},
        {"id": "TM3", "metricName": "Loss", "unitOfMeasure": "dB"},
    ],
    "relatedParty": [{"role": "technician", "partyOrPartyRole": {"id": "P1"}}],
}


def patched(*operations: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    before = deepcopy(RUN)
    result = json_patch_query(RUN, [*operations])
    assert before == RUN, "the resource itself is not changed"
    return result


@pytest.mark.parametrize(
    "query",
    ["testMeasure.metricName=Loss", "metricName=Loss", "testMeasure.metricName=Loss&testMeasure.unitOfMeasure=dB"],
)
def test_every_entry_that_a_query_selects_is_changed(query: str) -> None:
    path = f"/testMeasure/unitOfMeasure?{query}"
    result = patched({"op": "replace", "path": path, "value": "%"})
    assert [each["unitOfMeasure"] for each in result["testMeasure"]] == ["bit/s", "%", "%"]


def test_selected_entries_are_removed_together() -> None:
    result = patched({"op": "remove", "path": "/testMeasure?testMeasure.metricName=Loss"})
    assert [each["id"] for each in result["testMeasure"]] == ["TM1"]


def test_an_operation_sees_what_the_one_before_left() -> None:
    result = patched(
        {"op": "replace", "path": "/testMeasure/metricName?id=TM1", "value": "Loss"},
        {"op": "remove", "path": "/testMeasure?metricName=Loss"},
        {"op": "add", "path": "/testMeasure/-", "value": {"id": "TM4"}},
    )
    assert result["testMeasure"] == [{"id": "TM4"}]


def test_a_value_is_decoded_and_may_lie_deeper() -> None:
    result = patched({"op": "remove", "path": "/testMeasure?metricName=Flow%20speed"})
    assert result["testMeasure"] == RUN["testMeasure"][1:]
    path = "/relatedParty/role?relatedParty.partyOrPartyRole.id=P1"
    result = patched({"op": "replace", "path": path, "value": "owner"})
    assert result["relatedParty"][0]["role"] == "owner"


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "remove", "path": "/testMeasure?metricName=Delay"}, 409),
        ({"op": "remove", "path": "/name?name=Line"}, 409),
        ({"op": "remove", "path": "/nothing?name=Line"}, 409),
        ({"op": "test", "path": "/testMeasure/unitOfMeasure?metricName=Loss", "value": "%"}, 409),
        ({"op": "remove", "path": "/testMeasure?"}, 400),
        ({"op": "remove", "path": "/testMeasure?metricName"}, 400),
        ({"op": "remove", "path": "/testMeasure?" + "&".join(["id=TM1"] * 11)}, 400),
        ({"op": "move", "path": "/testMeasure?id=TM1", "from": "/name"}, 400),
        ({"op": "explode", "path": "/testMeasure?id=TM1"}, 400),
        ("no operation", 400),
    ],
)
def test_what_does_not_fit_is_refused_as_a_whole(operation: Any, status: int) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(ApiRefusedError) as raised:
        patched(operation)
    assert raised.value.status == status


def test_the_number_of_operations_is_bounded() -> None:
    with pytest.raises(ApiRefusedError, match=f"{MAX_QUERY_OPERATIONS} operations"):
        patched(*[{"op": "add", "path": "/name", "value": "x"}] * (MAX_QUERY_OPERATIONS + 1))
    with pytest.raises(ApiRefusedError, match="list of operations"):
        json_patch_query(RUN, {})


def test_paths_without_their_queries_name_what_is_changed() -> None:
    operations = [{"op": "remove", "path": "/id?x=1"}, {"op": "remove", "path": "/name"}, 7]
    assert without_query(operations) == [{"op": "remove", "path": "/id"}, {"op": "remove", "path": "/name"}, 7]
    assert without_query("no list") == "no list"


words = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.fixed_dictionaries({"key": words, "value": words}), max_size=8), words)
def test_removing_by_a_query_keeps_exactly_the_others_in_order(entries: list[dict[str, str]], wanted: str) -> None:
    kept = [entry for entry in entries if entry["key"] != wanted]
    operation = {"op": "remove", "path": f"/items?items.key={wanted}"}
    if kept == entries:
        with pytest.raises(ApiRefusedError):
            json_patch_query({"items": entries}, [operation])
    else:
        assert json_patch_query({"items": entries}, [operation]) == {"items": kept}


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_path_is_applied_or_refused(path: str, query: str) -> None:
    with suppress(ApiRefusedError):  # any other error is a finding
        assert json_patch_query(RUN, [{"op": "remove", "path": f"/{path}?{query}"}]) != RUN
