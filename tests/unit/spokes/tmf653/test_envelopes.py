"""The id of an envelope is never taken for the id of a run."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.callback_parser import NotACallbackError, parse_callback
from consumers.inbound.intake.events import EventsUnreadableError, read_events
from consumers.spokes.port import NotAboutARunError, NotUnderstoodError
from consumers.spokes.tmf653.envelopes import open_envelope
from schemas.vocabulary import Channel, RunState
from tests.builders.spokes import a_notification, a_spoke

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
RUN = {"id": "89757", "state": "completed", "testMeasure": [{"metricName": "speed", "value": 1}]}
TMF = {"eventId": "inner", "eventType": "ServiceTestStateChangeEvent", "event": {"serviceTest": RUN}}


def cloud_event(data: object, **more: object) -> dict[str, object]:
    attributes = {"specversion": "1.0", "id": "outer", "type": "org.lab.ServiceTestStateChangeEvent", "source": "/lab"}
    return attributes | {"data": data} | more


def read(body: object) -> Any:  # noqa: ANN401 - the report of a spoke
    received = parse_callback("fibre-lab", orjson.dumps(body), event_in_path="", content_type=None, at=AT)
    a_spoke().check_callback(received)
    return a_spoke().read_callback(received)


@pytest.mark.parametrize(
    ("body", "event_id"),
    [
        (cloud_event(TMF), "inner"),
        (cloud_event({"event": {"serviceTest": RUN}}), "outer"),
        (cloud_event({"serviceTest": RUN}), "outer"),
        (cloud_event(RUN), "outer"),
        (cloud_event(None, data_base64=b64encode(orjson.dumps(RUN)).decode()), "outer"),
        (cloud_event({"state": "completed", "testMeasure": RUN["testMeasure"]}, subject="serviceTest/89757"), "outer"),
    ],
)
def test_a_cloud_event_is_read_with_whatever_is_in_it(body: dict[str, object], event_id: str) -> None:
    report = read(body)
    assert (report.external_id, report.state, len(report.measures)) == ("89757", RunState.COMPLETED, 1)
    assert report.event_id == event_id


@pytest.mark.parametrize(
    "body",
    [
        cloud_event({"state": "completed"}),
        {"id": "e-1", "eventTime": "2026-11-23T10:00:00Z", "state": "completed"},
        {"id": "e-1", "eventId": "e-1", "resourcePath": "/serviceTest"},
    ],
)
def test_the_id_of_an_envelope_is_not_the_id_of_a_run(body: dict[str, object]) -> None:
    received = parse_callback("fibre-lab", orjson.dumps(body), event_in_path="", content_type=None, at=AT)
    assert received.external_id == ""


FLAT = {"eventType": "ServiceTestStateChangeEvent"}
ADDRESS = "https://lab.example/tmf-api/serviceTestManagement/v4/serviceTest/89757"


@pytest.mark.parametrize("event", [{}, {"event": None}])
@pytest.mark.parametrize(
    "about",
    [
        {"serviceTest": RUN},
        {"ServiceTest": RUN},
        {"eventId": "e-1", **RUN},
        {**RUN, "id": "e-1", "href": ADDRESS},
        {**RUN, "eventId": "e-1", "id": "e-1", "resourcePath": "/serviceTest/89757"},
    ],
)
def test_an_event_may_have_its_run_beside_its_own_fields(about: dict[str, object], event: dict[str, object]) -> None:
    report = read(FLAT | about | event)
    assert (report.external_id, report.state, len(report.measures)) == ("89757", RunState.COMPLETED, 1)


@pytest.mark.parametrize(
    "about", [{"eventId": "e-1", "id": "89757"}, {"serviceTest": {"id": "89757"}}, {"href": ADDRESS}]
)
def test_an_event_that_only_names_its_run_makes_us_read_it(about: dict[str, object]) -> None:
    report = read(FLAT | about)
    assert (report.external_id, report.thin, report.announces_change) == ("89757", True, True)


def test_a_run_that_is_only_named_without_an_event_is_read() -> None:
    assert read({"id": "89757"}).thin
    assert not read(RUN).thin
    assert not a_spoke().read_callback(a_notification({"id": "89757"}, channel=Channel.POLL)).thin


def test_an_event_may_have_its_task_or_specification_beside_its_own_fields() -> None:
    task = {"id": "C1", "state": "done", "serviceTest": {"id": "89757"}}
    report = read({"eventType": "CancelServiceTestStateChangeEvent", "cancelServiceTest": task})
    assert (report.external_id, report.cancel_task.id) == ("89757", "C1")
    with pytest.raises(NotAboutARunError):
        read({"eventType": "ServiceTestSpecificationCreateEvent", "serviceTestSpecification": {"id": "S1"}})


@pytest.mark.parametrize("about", [{}, {"eventId": "e-1"}, {"state": "completed"}])
def test_an_event_that_names_no_run_is_refused(about: dict[str, object]) -> None:
    with pytest.raises(NotUnderstoodError, match="names no run"):
        read(FLAT | about)


LATIN = '{"id": "89757", "state": "completed", "name": "Straße"}'


@pytest.mark.parametrize("charset", ["iso-8859-1", "latin1", "windows-1252"])
def test_a_declared_charset_is_honoured(charset: str) -> None:
    body, declared = LATIN.encode("iso-8859-1"), f"application/json; charset={charset}"
    received = parse_callback("fibre-lab", body, event_in_path="", content_type=declared, at=AT)
    assert a_spoke().read_callback(received).name == "Straße"


@pytest.mark.parametrize("declared", [None, "application/json", "application/json; charset=klingon"])
@pytest.mark.parametrize("form", ["{}", "[{}]"])
def test_a_body_in_another_charset_that_does_not_say_so_is_refused_with_what_to_do(
    declared: str | None, form: str
) -> None:
    body = form.replace("{}", LATIN).encode("iso-8859-1")
    with pytest.raises((NotACallbackError, EventsUnreadableError), match="declare the charset, as in application/json"):
        read_all(body, declared)


def read_all(body: bytes, declared: str | None) -> None:
    for event in read_events(body, declared or "", {}, max_events=9, max_depth=9):
        parse_callback("fibre-lab", event.body, event_in_path="", content_type=declared, at=AT)


@pytest.mark.parametrize("data", [None, "text", [RUN], 5])
def test_a_cloud_event_without_an_object_is_refused(data: object) -> None:
    with pytest.raises(NotACallbackError, match="CloudEvent whose data is not an object"):
        read(cloud_event(data))


def test_a_cloud_event_about_a_specification_is_about_no_run() -> None:
    with pytest.raises(NotAboutARunError):
        read(cloud_event({"id": "S1"}, type="org.lab.ServiceTestSpecificationCreateEvent"))
    with pytest.raises(NotAboutARunError):
        read(cloud_event({"serviceTestSpecification": {"id": "S1"}}, type="created"))


def test_the_type_of_a_cloud_event_says_that_a_run_was_deleted() -> None:
    assert read(cloud_event(RUN, type="org.tmforum.serviceTest.delete.v1")).deleted


@pytest.mark.parametrize(
    "path", ["/serviceTest/89757", "/serviceTestManagement/v3/serviceTest/89757?x=1", "serviceTest/89757/"]
)
@pytest.mark.parametrize(
    "event",
    [{"state": "inProgress"}, {"serviceTest": {"state": "inProgress"}}, {"ServiceTest": {"state": "inProgress"}}],
)
def test_the_resource_path_of_v3_names_the_run(path: str, event: dict[str, object]) -> None:
    body = {"eventId": "e", "eventType": "ServiceTestCreationNotification", "resourcePath": path, "event": event}
    report = read(body)
    assert (report.external_id, report.state, report.event_id) == ("89757", RunState.IN_PROGRESS, "e")


@pytest.mark.parametrize("event", [None, [], [RUN], {}])
def test_a_resource_path_beside_an_event_without_content_makes_us_read_the_run(event: object) -> None:
    path = "/serviceTest/89757"
    report = read(
        {"eventId": "e", "eventType": "ServiceTestStateChangeNotification", "resourcePath": path, "event": event}
    )
    assert (report.external_id, report.event_id, report.thin) == ("89757", "e", True)


def test_an_event_with_a_resource_path_alone_makes_us_read_the_run() -> None:
    report = read({"eventId": "e", "eventType": "ServiceTestStateChangeEvent", "resourcePath": "/serviceTest/a%2Fb"})
    assert (report.external_id, report.thin) == ("a/b", True)


def test_the_run_of_an_event_counts_more_than_its_path() -> None:
    assert read(TMF | {"resourcePath": "/serviceTest/other"}).external_id == "89757"


def test_the_path_of_another_resource_names_no_run() -> None:
    body = {"eventId": "e", "eventType": "x", "resourcePath": "/serviceTestSpecification/S1", "event": {}}
    with pytest.raises(NotUnderstoodError):
        read(body)


def test_an_answer_to_a_poll_is_no_envelope() -> None:
    report = a_spoke().read_callback(a_notification({"specversion": "1.0", **RUN}, channel=Channel.POLL))
    assert report.external_id == "89757"


@given(
    st.dictionaries(
        st.sampled_from(["specversion", "id", "type", "data", "event", "eventType", "resourcePath", "serviceTest"]),
        st.recursive(
            st.none() | st.text(max_size=5) | st.just("/serviceTest/1"),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["id", "event", "serviceTest", "state"]), inner, max_size=3)
            ),
            max_leaves=6,
        ),
    )
)
def test_opening_an_envelope_twice_changes_nothing(body: dict[str, object]) -> None:
    try:
        opened = open_envelope(body)
    except NotUnderstoodError:
        return
    if "specversion" not in opened:
        assert open_envelope(opened) == opened
