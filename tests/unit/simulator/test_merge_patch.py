"""A PATCH merges fields, cancels a test or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text.json_types import Json
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.merge_patch import MergePatch, apply_merge_patch, parent_id

JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


def test_arrays_are_replaced_and_null_deletes() -> None:
    before = {"a": [1, 2], "b": {"c": 1, "d": 2}, "e": 3}
    assert apply_merge_patch(before, {"a": [3], "b": {"c": None}, "e": None}) == {"a": [3], "b": {"d": 2}}


@given(OBJECTS, OBJECTS)
def test_merging_a_patch_twice_changes_nothing_more(target: Json, patch: Json) -> None:
    once = apply_merge_patch(target, patch)
    assert apply_merge_patch(once, patch) == once
    assert apply_merge_patch(target, {}) == target


@pytest.mark.parametrize("spelling", ["cancelled", "canceled", "Cancelled"])
def test_cancelling_is_accepted_in_every_spelling(spelling: str) -> None:
    assert MergePatch({"state": spelling}).cancels


def test_a_client_cannot_set_another_state() -> None:
    with pytest.raises(RequestRefusedError, match="can only cancel"):
        _ = MergePatch({"state": "completed"}).cancels


def test_the_characteristic_that_changed_is_found() -> None:
    before: Json = {"characteristic": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]}
    after: Json = {"characteristic": [{"name": "a", "value": 1}, {"name": "b", "value": 3}]}
    assert MergePatch(after).changed_characteristic(before) == "b"
    assert MergePatch(before).changed_characteristic(before) is None
    assert MergePatch({"characteristic": [{"name": "new", "value": None}]}).changed_characteristic(before) == "new"


def test_a_parent_is_named_by_relationship_or_by_characteristic() -> None:
    related: Json = {"serviceTestRelationship": [{"id": "o", "role": "other"}, {"id": "p", "role": "parent"}]}
    assert parent_id(related) == "p"
    assert parent_id({"characteristic": [{"name": "parentTestRunId", "value": "TR1"}]}) == "TR1"
    assert parent_id({"characteristic": [{"name": "url", "value": "x"}]}) is None
