"""A change sends the differing fields to the external system, each whole, and only fields that may be sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.changes import (
    CHANGEABLE_FIELDS,
    FieldChange,
    find_field_changes,
)
from schemas.run_document import (
    Characteristic,
    JsonText,
    RelatedParty,
    RequestedMeasure,
    RunDocument,
    ServiceRef,
    SpecificationRef,
    ValidityPeriod,
)
from schemas.vocabulary import Mode
from tests.builders.runs import NOON, a_document

PARTIES = (
    RelatedParty(id="P1", referred_type="Individual", role="technician"),
    RelatedParty(id="P2", referred_type="Organization"),
)
VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=3)
CHARACTERISTICS = st.lists(st.builds(Characteristic, name=st.sampled_from("abc"), value=VALUES), max_size=4).map(tuple)
FIELD_CHANGES: dict[str, tuple[str, Any]] = {
    "name": ("name", "Line test 2"),
    "description": ("description", "again"),
    "mode": ("mode", Mode.PROACTIVE),
    "characteristic": ("characteristic", (Characteristic(name="url", value="http://example.org"),)),
    "relatedParty": ("related_party", PARTIES),
    "relatedService": ("related_service", ServiceRef(id="PI0002")),
    "testSpecification": ("test_specification", SpecificationRef(id="copper-line")),
    "startDateTime": ("start_date_time", NOON),
    "endDateTime": ("end_date_time", NOON + timedelta(hours=1)),
    "validFor": ("valid_for", ValidityPeriod(end_date_time=NOON)),
}


def with_characteristics(*items: Characteristic) -> RunDocument:
    return a_document(characteristic=items)


def changed_document(*fields: str) -> RunDocument:
    return a_document().model_copy(update=dict(FIELD_CHANGES[field] for field in fields))


def test_a_change_of_every_sent_field_is_detected() -> None:
    assert set(FIELD_CHANGES) == set(CHANGEABLE_FIELDS)


@given(st.sets(st.sampled_from(sorted(FIELD_CHANGES))))
def test_exactly_the_fields_that_differ_are_listed_with_both_values(fields: set[str]) -> None:
    before, after = a_document(), changed_document(*fields)
    changes = find_field_changes(before, after)
    assert {change.field for change in changes} == fields
    assert all(change.new == getattr(after, FIELD_CHANGES[change.field][0]) for change in changes)
    assert all(change.old == getattr(before, FIELD_CHANGES[change.field][0]) for change in changes)


@given(st.sets(st.sampled_from(sorted(FIELD_CHANGES))))
def test_a_change_back_is_the_mirror_of_the_change(fields: set[str]) -> None:
    before, after = a_document(), changed_document(*fields)
    there = {(change.field, change.old, change.new) for change in find_field_changes(before, after)}
    assert {(change.field, change.new, change.old) for change in find_field_changes(after, before)} == there


def test_fields_that_are_not_sent_are_no_change() -> None:
    measured = (RequestedMeasure(id="TM1", metric_name="Flow speed"),)
    after = a_document(version=7, priority=1, tenant="acme", order=3, child_run_ids=("c1",)).model_copy(
        update={"test_measure": measured}
    )
    assert find_field_changes(a_document(), after) == ()


@given(CHARACTERISTICS, st.randoms(use_true_random=False))
def test_the_order_of_characteristics_is_ignored(items: tuple[Characteristic, ...], dice: object) -> None:
    shuffled = list(items)
    dice.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert find_field_changes(with_characteristics(*items), with_characteristics(*shuffled)) == ()


def test_the_order_of_parties_is_ignored() -> None:
    assert find_field_changes(a_document(related_party=PARTIES), a_document(related_party=PARTIES[::-1])) == ()


@given(CHARACTERISTICS, CHARACTERISTICS)
def test_characteristics_are_equal_only_with_the_same_names_and_json_values(
    old: tuple[Characteristic, ...], new: tuple[Characteristic, ...]
) -> None:
    before, after = with_characteristics(*old), with_characteristics(*new)
    same = sorted((item.name, repr(item.value)) for item in old) == sorted(
        (item.name, repr(item.value)) for item in new
    )
    assert (find_field_changes(before, after) == ()) is same


@pytest.mark.parametrize(("old", "new"), [(True, 1), (False, 0), ("1", 1), (None, "null")])
def test_values_that_are_equal_only_in_python_differ(old: Any, new: Any) -> None:  # noqa: ANN401 - any value
    before = with_characteristics(Characteristic(name="retry", value=old))
    after = with_characteristics(Characteristic(name="retry", value=new))
    (change,) = find_field_changes(before, after)
    assert change.field == "characteristic"


def test_the_same_json_object_written_differently_is_the_same() -> None:
    first = Characteristic(name="window", value=JsonText(json_text='{"a": 1, "b": [2]}'))
    second = Characteristic(name="window", value=JsonText(json_text='{"b":[2],"a":1}'))
    assert find_field_changes(with_characteristics(first), with_characteristics(second)) == ()


def test_an_array_is_sent_whole_although_one_item_changed() -> None:
    kept = Characteristic(name="url", value="http://example.org")
    before = with_characteristics(kept, Characteristic(name="port", value=80))
    after = with_characteristics(kept, Characteristic(name="port", value=443))
    assert find_field_changes(before, after) == (
        FieldChange(field="characteristic", old=before.characteristic, new=after.characteristic),
    )


def test_a_removed_field_changes_to_none() -> None:
    (change,) = find_field_changes(a_document(description="first"), a_document())
    assert change == FieldChange(field="description", old="first", new=None)
