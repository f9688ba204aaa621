"""What subscribers are notified of when a specification changes follows from what was announced of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.api_version import ApiVersion
from router.northbound.hub.specification_changes import AnnouncedSpecification, SpecificationNotice, SpecificationPlan
from schemas.published_tables import SpecificationRecord
from tests.builders.runs import NOON
from tests.builders.subscriptions import SPECIFICATIONS, a_subscription

LATER = NOON + timedelta(minutes=1)
DOCUMENTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b"])},
    optional={
        "lifecycleStatus": st.sampled_from(["Draft", "Published"]),
        "description": st.text(max_size=5),
        "vendorNumber": st.integers(0, 2**80),
    },
)


def a_record(document: dict[str, Any], revision: int = 1) -> SpecificationRecord:
    return SpecificationRecord(
        id="S1", revision=revision, author="ann", changed_at=NOON, document={"id": "S1", **document}
    )


def planned(
    record: SpecificationRecord | None,
    announced: AnnouncedSpecification | None = None,
    query: str = "",
    **more: Any,  # noqa: ANN401 - any further field of a subscription
) -> SpecificationPlan:
    revision = record.revision if record is not None else 99
    notice = SpecificationNotice("S1", revision, record, announced)
    return SPECIFICATIONS.plan(notice, [a_subscription(query=query, **more)], LATER)


def types_of(plan: SpecificationPlan) -> list[str]:
    return [delivery.event_type.removeprefix("ServiceTestSpecification") for delivery in plan.deliveries]


@given(before=DOCUMENTS, after=DOCUMENTS)
def test_a_change_is_announced_if_it_is_one_and_names_the_only_attribute(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    known = planned(a_record(before)).announced
    plan = planned(a_record(after, revision=2), known)
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    # More than 64 bits are no whole number in an event, so two of them may look alike.
    if before != after and changed != ["vendorNumber"]:
        assert types_of(plan) == ["AttributeValueChangeEvent"]
        body = json.loads(plan.deliveries[0].body)
        assert body.get("fieldPath") in {None, *changed}
        if len(changed) == 1:
            assert body["fieldPath"] == changed[0]
    if before == after:
        assert types_of(plan) == []


def test_creation_and_deletion_are_announced_once_each() -> None:
    created = planned(a_record({"name": "a"}))
    deleted = planned(None, created.announced)
    again = planned(None, deleted.announced)
    assert [types_of(each) for each in (created, deleted, again)] == [["CreateEvent"], ["DeleteEvent"], []]
    body = json.loads(deleted.deliveries[0].body)
    assert body["event"]["serviceTestSpecification"]["name"] == "a"
    assert body["eventTime"] == "2026-11-23T12:01:00.000Z"


def test_a_specification_whose_attributes_are_not_known_is_announced_as_changed() -> None:
    known = AnnouncedSpecification(revision=1, kept={"id": "S1"}, attributes={})
    (delivery,) = planned(a_record({"name": "a"}, revision=2), known).deliveries
    assert "fieldPath" not in json.loads(delivery.body)


@pytest.mark.parametrize(
    ("query", "heard"),
    [
        ("", True),
        ("eventType=ServiceTestSpecificationCreateEvent", True),
        ("eventType=ServiceTestCreateEvent", False),
        ("lifecycleStatus=Draft", True),
        ("event.serviceTestSpecification.lifecycleStatus=Published", False),
        ("state=completed", False),
        ("id=S1", True),
        ("id=S2", False),
    ],
)
def test_a_query_selects_among_specifications_too(query: str, heard: bool) -> None:  # noqa: FBT001 - a case
    assert bool(planned(a_record({"name": "a", "lifecycleStatus": "Draft"}), query=query).deliveries) is heard


def test_who_subscribed_after_the_change_and_clients_of_one_tenant() -> None:
    record = a_record({"name": "a"})
    assert types_of(planned(record, created_at=LATER)) == []
    assert types_of(planned(record, tenant="acme")) == ["CreateEvent"]


def test_an_event_has_the_form_of_the_version_of_its_subscription() -> None:
    (delivery,) = planned(a_record({"name": "a"}), version=ApiVersion.V5).deliveries
    event = json.loads(delivery.body)
    href = event["event"]["serviceTestSpecification"]["href"]
    assert href == "/tmf-api/serviceTestManagement/v5/serviceTestSpecification/S1"
