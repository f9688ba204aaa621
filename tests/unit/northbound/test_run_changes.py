"""What subscribers are notified of follows from the published events of a run, in whatever order they are read."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.api_version import ApiVersion
from router.northbound.hub.plan import GoneRun, RunNotice
from router.northbound.hub.run_changes import HubEventType, row_as_of
from router.northbound.order import RunView
from schemas.results import ReportedMeasure, RunResult
from schemas.vocabulary import MeasureIdOrigin, RunState
from tests.builders.runs import NOON
from tests.builders.subscriptions import PLANNER, a_subscription, published

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.northbound.hub.run_changes import AnnouncedRun
    from router.northbound.hub.subscription import NewDelivery, RunSubscription
    from router.runs.run import RunRow
    from schemas.results import RunUpdate

    Published = tuple[RunUpdate | RunResult, RunRow]

CREATE, STATE, VALUE, DELETE, *_ = HubEventType
OPEN_STATES = (RunState.ACKNOWLEDGED, RunState.PENDING, RunState.IN_PROGRESS)


def told(
    notifications: Iterable[Published], *subscriptions: RunSubscription, row: RunRow | None = None
) -> list[NewDelivery]:
    """Return the deliveries for published events that are read in this order; who has to wait is read again later."""
    announced: AnnouncedRun | None = None
    waiting = list(notifications)
    found: list[NewDelivery] = []
    while waiting:
        again: list[Published] = []
        for notification, then in waiting:
            notice = RunNotice(
                event_id=f"{notification.revision}",
                notification=notification,
                view=RunView(row=row or then, order=None),
            )
            plan = PLANNER.plan(notice, announced, subscriptions or (a_subscription(),))
            announced = plan.announced or announced
            found += plan.deliveries
            again += [(notification, then)] if plan.waits else []
        assert len(again) < len(waiting), "every event waits for another one"
        waiting = again
    return found


def names(deliveries: Iterable[NewDelivery]) -> list[tuple[str, str]]:
    """Return the types and states of deliveries."""
    return [
        (delivery.event_type, json.loads(delivery.body)["event"]["serviceTest"]["state"]) for delivery in deliveries
    ]


def test_a_run_is_created_changes_its_state_and_its_attributes() -> None:
    events = published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.IN_PROGRESS, RunState.COMPLETED)
    assert names(told(events)) == [
        (CREATE, "acknowledged"),
        (STATE, "inProgress"),
        (VALUE, "inProgress"),
        (STATE, "completed"),
    ]


@pytest.mark.parametrize("version", list(ApiVersion))
def test_the_measures_of_a_result_are_a_change_of_an_attribute_and_come_before_the_last_state(
    version: ApiVersion,
) -> None:
    measure = ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=3000)
    events = published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.COMPLETED, measures=(measure,))
    [first, last] = told(events, a_subscription(version=version))[-2:]
    bodies = [json.loads(delivery.body) for delivery in (first, last)]
    assert (first.event_type, first.event_id != last.event_id) == (VALUE, True)
    assert last.event_type == (VALUE if version is ApiVersion.V4_1 else STATE)
    for body in bodies:
        run = body["event"]["serviceTest"]
        assert (run["state"], [each["id"] for each in run["testMeasure"]]) == ("completed", ["TM1"])
    assert bodies[0].get("fieldPath") == (None if version.is_v5 else "testMeasure")


def test_measures_that_are_corrected_are_one_change_of_an_attribute() -> None:
    measure = ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=3000)
    events = published(RunState.COMPLETED, RunState.COMPLETED, measures=(measure,))
    assert names(told(events))[1:] == [(VALUE, "completed"), (STATE, "completed"), (VALUE, "completed")]


def test_a_run_that_ends_at_once_is_created_and_changes_its_state() -> None:
    assert names(told(published(RunState.FAILED))) == [(CREATE, "acknowledged"), (STATE, "failed")]


def test_the_events_of_a_run_that_began_before_the_subscription_do_not_wait_for_those_before_it() -> None:
    late = a_subscription(created_at=NOON + timedelta(seconds=1, milliseconds=500))
    [_, *later] = published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.COMPLETED)
    assert names(told(later, late)) == [(STATE, "inProgress"), (STATE, "completed")]


def test_what_was_published_before_the_subscription_is_not_delivered() -> None:
    late = a_subscription(created_at=NOON + timedelta(seconds=2))
    events = published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.COMPLETED)
    assert names(told(events, a_subscription(), late))[-2:] == [(STATE, "completed")] * 2
    assert [delivery.subscription_id for delivery in told(events, a_subscription(), late)].count("S1") > 2


def test_an_event_shows_the_run_as_it_was_then() -> None:
    events = published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.COMPLETED)
    newest = events[-1][1]
    assert names(told(events, row=newest)) == [(CREATE, "acknowledged"), (STATE, "inProgress"), (STATE, "completed")]
    assert row_as_of(newest, events[0][0]).measures == ()
    assert row_as_of(newest, events[-1][0]) is newest


def test_a_subscriber_of_a_tenant_does_not_hear_of_the_runs_of_another_one() -> None:
    theirs, ours = a_subscription("S1", tenant="acme"), a_subscription("S2", tenant="other")
    deliveries = told(published(RunState.ACKNOWLEDGED, tenant="acme"), theirs, ours)
    assert {delivery.subscription_id for delivery in deliveries} == {"S1"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ApiVersion),
            st.sampled_from(("", "fields=state", "fields=name", "state=completed", "eventType=ServiceTestCreateEvent")),
        ),
        max_size=8,
    ),
    st.permutations((RunState.ACKNOWLEDGED, RunState.IN_PROGRESS, RunState.COMPLETED)),
)
def test_each_of_many_subscribers_gets_what_it_would_get_alone(
    forms: list[tuple[ApiVersion, str]], states: list[RunState]
) -> None:
    subscriptions = [
        a_subscription(f"S{number}", version=version, query=query) for number, (version, query) in enumerate(forms)
    ]
    events = published(*states[:2], RunState.COMPLETED)
    together = told(events, *subscriptions) if subscriptions else []
    for subscription in subscriptions:
        own = [delivery for delivery in together if delivery.subscription_id == subscription.subscription_id]
        assert own == told(events, subscription)


def test_an_event_is_written_once_for_all_who_get_the_same() -> None:
    first, second, _other = told(
        published(RunState.ACKNOWLEDGED),
        a_subscription("S1"),
        a_subscription("S2"),
        a_subscription("S3", query="fields=state"),
    )
    assert first.body is second.body


def test_the_deletion_of_a_run_has_the_same_id_each_time() -> None:
    gone = GoneRun("TR0001", None, "completed", {"id": "TR0001", "href": "/x", "state": "completed"})
    [first] = PLANNER.deletions(NOON, gone, [a_subscription()])
    [again] = PLANNER.deletions(NOON + timedelta(days=1), gone, [a_subscription(tenant=None)])
    assert (first.event_id, first.event_type) == (again.event_id, DELETE)
    assert PLANNER.deletions(NOON, gone, [a_subscription(tenant="acme")]) == ()


def test_the_deletion_of_a_run_is_written_for_the_version_of_the_subscription() -> None:
    service, kept_spec = {"id": "SVC1", "name": "Line"}, {"id": "TS1"}
    kept = {"id": "TR 1", "href": "https://we.example/tmf-api/serviceTestManagement/v4/serviceTest/TR%201"}
    kept |= {"@type": "RelatedServiceTest", "state": "completed"}
    gone = GoneRun("TR 1", None, "completed", {**kept, "relatedService": service, "testSpecification": kept_spec})
    v4, v5 = (
        json.loads(PLANNER.deletions(NOON, gone, [a_subscription(version=version)])[0].body)["event"]["serviceTest"]
        for version in (ApiVersion.V4_2, ApiVersion.V5)
    )
    assert v4 == gone.kept
    assert v5 == {
        "id": "TR 1",
        "href": "https://we.example/tmf-api/serviceTestManagement/v5/serviceTest/TR%201",
        "@type": "ServiceTest",
        "state": "completed",
        "relatedService": {**service, "@type": "ServiceRef"},
        "testSpecification": {**kept_spec, "@type": "ServiceTestSpecificationRef"},
    }


def test_a_subscriber_of_4_1_hears_of_a_state_as_of_an_attribute() -> None:
    old, new = a_subscription("S1", version=ApiVersion.V4_1), a_subscription("S2")
    events = published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS)
    deliveries = told(events, old, new)
    of_old, of_new = ([each for each in deliveries if each.subscription_id == name] for name in ("S1", "S2"))
    assert names(of_old) == [(CREATE, "acknowledged"), (VALUE, "inProgress")]
    assert names(of_new) == [(CREATE, "acknowledged"), (STATE, "inProgress")]
    assert [each.event_id for each in of_old] == [each.event_id for each in of_new]
    event = json.loads(of_old[1].body)
    assert (event["eventType"], event["fieldPath"]) == (VALUE, "state")


@pytest.mark.parametrize(("event_type", "count"), [(VALUE, 1), (STATE, 1), (DELETE, 0)])
def test_a_query_of_4_1_selects_changes_of_state_as_changes_of_attributes(event_type: str, count: int) -> None:
    old = a_subscription(version=ApiVersion.V4_1, query=f"eventType={event_type}")
    assert len(told(published(RunState.ACKNOWLEDGED, RunState.IN_PROGRESS), old)) == count


@pytest.mark.parametrize(("version", "field"), [(ApiVersion.V4_2, "timeOcurred"), (ApiVersion.V5, "timeOccurred")])
def test_the_time_of_an_event_is_written_as_its_version_spells_it(version: ApiVersion, field: str) -> None:
    [delivery] = told(published(RunState.ACKNOWLEDGED), a_subscription(version=version))
    event = json.loads(delivery.body)
    assert event[field] == event["eventTime"] == "2026-11-23T12:00:01.000Z"
    assert event["event"]["serviceTest"]["href"] == f"{version.base}/serviceTest/TR0001"
    assert event["correlationId"] == "RQ0001"


@st.composite
def orders_of_reading(draw: st.DrawFn) -> tuple[list[Published], list[Published]]:
    """Draw the events of a run as they were published, and as two topics may be read, with repetitions."""
    open_states = draw(st.lists(st.sampled_from(OPEN_STATES), max_size=5))
    ends = draw(st.lists(st.sampled_from((RunState.COMPLETED, RunState.FAILED)), max_size=3))
    states = [*open_states, *ends]
    # After the end, measures that arrive late lead to an update and another result.
    events = published(*states)
    updates = [each for each in events if not isinstance(each[0], RunResult)]
    results = [each for each in events if isinstance(each[0], RunResult)]
    read: list[Published] = []
    while updates or results:
        topic = draw(st.sampled_from([topic for topic in (updates, results) if topic]))
        read.append(topic.pop(0))
        if draw(st.booleans()):
            read.append(read[draw(st.integers(0, len(read) - 1))])
    return events, read


@given(orders_of_reading())
def test_nothing_is_lost_or_repeated_and_the_order_is_that_of_publication(
    orders: tuple[list[Published], list[Published]],
) -> None:
    events, read = orders
    assert told(read) == told(events)
    deliveries = told(events)
    assert len({delivery.event_id for delivery in deliveries}) == len(deliveries)
    shown = [state for event_type, state in names(deliveries) if event_type in {CREATE, STATE}]
    assert shown == without_repetitions([RunState.ACKNOWLEDGED, *(row.state for _, row in events)] if events else [])


def without_repetitions(states: Sequence[RunState | None]) -> list[str | None]:
    """Return the states without those that repeat the one before."""
    return [state for number, state in enumerate(states) if number == 0 or state != states[number - 1]]
