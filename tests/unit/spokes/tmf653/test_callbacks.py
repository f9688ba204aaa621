"""Notifications are read by their content, independent of the path to which they were sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from consumers.spokes.port import NotAboutARunError, NotUnderstoodError
from router.runs.reports.report import ExternalReport
from schemas.vocabulary import Channel, RunState
from tests.builders.spokes import a_notification, a_spoke, violations
from tests.unit.spokes.tmf653.test_replies import hostile

RUN = {
    "id": "89757",
    "href": "https://ext/v4/serviceTest/89757",
    "state": "completed",
    "testMeasure": [{"metricName": "speed"}],
}


def an_event(run: object = RUN, **more: object) -> dict[str, object]:
    return {
        "eventId": "e-1",
        "eventTime": "2026-11-23T10:00:00Z",
        "eventType": "ServiceTestStateChangeEvent",
        "event": {"serviceTest": run},
    } | more


def read_report(body: object, **more: Any) -> ExternalReport:  # noqa: ANN401 - any field of InboundReceived
    return a_spoke().read_callback(a_notification(body, **more))


@settings(deadline=None)
@given(hostile)
def test_any_notification_is_read_or_refused(body: object) -> None:
    for message in (body, {"event": body}, {"event": {"serviceTest": body}, "eventType": body}):
        try:
            assert isinstance(read_report(message), ExternalReport)
        except NotUnderstoodError:
            continue


def test_an_event_is_read_with_its_id() -> None:
    event = an_event()
    assert violations("ServiceTestStateChangeEvent", event, "4.2") == []
    report = read_report(event)
    assert (report.external_id, report.state, len(report.measures)) == ("89757", RunState.COMPLETED, 1)
    assert report.event_id == "e-1"
    assert not report.thin


@pytest.mark.parametrize(
    "event",
    [
        an_event(event={"id": "89757", "href": "https://ext/v4/serviceTest/89757"}),
        an_event({"id": "89757"}),
        an_event({"href": "https://ext/v4/serviceTest/89757", "description": "x"}),
        an_event({"id": "89757", "state": "completed"}),
        an_event(eventType="ServiceTestDeleteEvent"),
        an_event(eventType="ServiceTestRemoveNotification"),
    ],
)
def test_thin_events_ask_to_be_read_with_get(event: object) -> None:
    report = read_report(event)
    assert report.thin
    assert report.external_id == "89757"


@pytest.mark.parametrize(
    "run",
    [
        {"id": "1", "state": "inProgress"},
        {"id": "1", "state": "cancelled"},
        {"id": "1", "state": "brewing"},
        {"id": "1", "testMeasure": []},
    ],
)
def test_an_event_with_results_is_not_thin(run: object) -> None:
    assert not read_report(an_event(run)).thin


def test_the_type_in_the_body_takes_precedence_over_the_path() -> None:
    assert not read_report(an_event(), event_type="serviceTestDeleteEvent").thin
    assert read_report(an_event(eventType=None), event_type="serviceTestDeleteEvent").thin


@pytest.mark.parametrize("kind", ["ServiceTestCompleteEvent", "Surprise", None, 5])
def test_unknown_event_types_are_read_by_their_content(kind: object) -> None:
    assert read_report(an_event(eventType=kind)).state is RunState.COMPLETED


@pytest.mark.parametrize(
    "kind",
    [
        "ServiceTestStateChangeEvent",
        "service_test.created.event",
        "TestJobStateChangeEvent",
        "StateChangeEvent",
        "org.lab.CompletedEvent",
        "TestRunUpdatedEvent",
        "x",
        None,
    ],
)
def test_an_event_whose_type_names_no_other_resource_may_be_a_bare_run(kind: object) -> None:
    assert read_report(an_event(event={"id": "89757"}, eventType=kind)).external_id == "89757"


def test_a_run_without_an_envelope_is_read_as_in_a_poll() -> None:
    report = read_report(RUN, channel=Channel.POLL, event_id="poll-7")
    assert (report.external_id, report.state, report.event_id) == ("89757", RunState.COMPLETED, "poll-7")
    assert not report.thin


def test_without_an_id_in_the_run_that_of_the_envelope_is_used() -> None:
    assert read_report(an_event({"state": "inProgress"}), external_id="89757").external_id == "89757"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (an_event(event={"serviceTestSpecification": {"id": "S1"}}), "is about serviceTestSpecification"),
        (an_event(event="gone"), "'event' is not an object"),
        (an_event(event={}), "about nothing"),
        (b"%", "not JSON"),
    ],
)
def test_a_notification_about_no_run_is_refused_in_a_sentence(body: object, sentence: str) -> None:
    with pytest.raises(NotUnderstoodError, match=sentence):
        read_report(body)


@pytest.mark.parametrize(
    "body",
    [
        an_event(event={"serviceTestSpecification": {"id": "S1"}}),
        an_event(event={"id": "S1"}, eventType="ServiceTestSpecificationCreateEvent"),
        an_event(event={"alarm": {"id": "A1"}}, eventType="AlarmCreateEvent"),
        an_event(event={"id": "A1", "state": "raised"}, eventType="AlarmCreateEvent"),
        an_event(event={"serviceProblem": {"id": "P1"}}, eventType="ServiceProblemStateChangeEvent"),
        an_event(event={}, eventType="HubTestEvent"),
        an_event(event=None, eventType="HubTestEvent"),
        an_event(event={"id": "A1"}, eventType="org.lab.alarm-create-event"),
    ],
)
def test_an_event_about_another_resource_is_told_apart_from_one_that_cannot_be_read(body: object) -> None:
    with pytest.raises(NotAboutARunError):
        read_report(body)
    with pytest.raises(NotAboutARunError):
        a_spoke().check_callback(a_notification(body))


@pytest.mark.parametrize(
    "body", [{}, {"eventType": "x", "event": {"nothing": 1}}, {"event": {"serviceTest": {"state": "completed"}}}, [1]]
)
def test_flood_of_callbacks_that_name_no_run_is_refused_by_the_check(body: object) -> None:
    with pytest.raises(NotUnderstoodError):
        a_spoke().check_callback(a_notification(body, external_id=""))


@settings(deadline=None)
@given(hostile)
def test_what_can_be_read_and_names_a_run_passes_the_check(body: object) -> None:
    for message in (body, {"event": body}, {"event": {"serviceTest": body}}):
        notification = a_notification(message, external_id="")
        try:
            report = a_spoke().read_callback(notification)
        except NotUnderstoodError:
            continue
        if report.external_id or report.name or report.external_identifier:
            a_spoke().check_callback(notification)
