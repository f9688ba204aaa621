"""The callback parser reads ids and types where it can, and leaves the body to the spoke."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.callback_parser import MAX_ID_LENGTH, NotACallbackError, callback_event_id, parse_callback
from consumers.inbound.event_ids import EventIdMemory
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def received(content: object, path: str = "", spoke: str = "fibre-lab") -> InboundReceived:
    return parse_callback(spoke, orjson.dumps(content), event_in_path=path, content_type=None, at=AT)


def id_of(content: object, new_id: str = "new", spoke: str = "fibre-lab") -> str:
    return callback_event_id(received(content, spoke=spoke), new_id)


@pytest.mark.parametrize(
    ("content", "external_id"),
    [
        ({"event": {"serviceTest": {"id": "1"}}}, "1"),
        ({"event": {"serviceTest": {"id": 1}}}, "1"),
        ({"event": {"id": "1", "href": "/1"}}, "1"),
        ({"event": {"serviceTest": {}, "id": "1"}}, "1"),
        ({"serviceTest": {"id": "1"}, "eventType": "X"}, "1"),
        ({"id": "1", "state": "completed"}, "1"),
        ({"id": "event-7", "eventType": "X"}, ""),
        ({"event": {"serviceTest": {"id": True}}}, ""),
        ({"event": {"serviceTest": "1"}}, ""),
        ({"event": {"serviceTest": {"id": "x" * (MAX_ID_LENGTH + 1)}}}, ""),
        ({}, ""),
    ],
)
def test_the_external_id_is_found_where_systems_put_it(content: dict[str, Any], external_id: str) -> None:
    assert received(content).external_id == external_id


def test_the_body_is_kept_to_the_byte() -> None:
    body = b' { "eventId" : "e-1" } '
    parsed = parse_callback("fibre-lab", body, event_in_path="", content_type="text/plain", at=AT)
    assert (parsed.body, parsed.content_type, parsed.channel) == (body, "text/plain", Channel.CALLBACK)


def test_the_body_names_the_event_before_the_path_does() -> None:
    assert received({"eventType": "A"}, path="b").event_type == "A"
    assert received({}, path="serviceTestCreateEvent").event_type == "ServiceTestCreateEvent"
    assert received({}).event_type is None


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_json_object_is_accepted_and_anything_else_is_refused(content: object) -> None:
    if isinstance(content, dict):
        assert received(content).body == orjson.dumps(content)
    else:
        with pytest.raises(NotACallbackError, match="not an object"):
            received(content)


@given(st.dictionaries(st.sampled_from(["eventId", "eventType", "event", "id"]), st.text()))
def test_event_ids_of_any_type_are_read(content: dict[str, Any]) -> None:
    assert received(content).event_id == (str(content.get("eventId", "")).strip() or None)


def test_the_same_event_id_gives_the_same_message_id() -> None:
    assert id_of({"eventId": "e-1", "title": "a"}, "x") == id_of({"title": "a", "eventId": "e-1"}, "y")
    assert id_of({"eventId": "e-1"}) != id_of({"eventId": "e-2"})
    assert id_of({"eventId": "e-1"}) != id_of({"eventId": "e-1"}, spoke="copper-lab")


def test_two_notifications_with_one_event_id_and_different_content_have_two_ids() -> None:
    assert id_of({"eventId": "e-1", "title": "a"}) != id_of({"eventId": "e-1", "title": "b"})
    assert id_of({"eventId": "e-1", "eventType": "A"}) != id_of({"eventId": "e-1", "eventType": "B"})


def test_a_number_of_more_than_64_bits_is_part_of_the_content() -> None:
    bodies = [b'{"eventId": "e", "value": %d}' % number for number in (2**64, 2**64 + 1)]
    large, larger = [parse_callback("lab", body, event_in_path="", content_type=None, at=AT) for body in bodies]
    assert callback_event_id(large, "x") == callback_event_id(large, "y") != callback_event_id(larger, "z")


def test_an_event_id_is_reused_if_it_was_last_seen_with_another_notification() -> None:
    memory = EventIdMemory(max_remembered=2)
    assert [memory.is_reused("lab", "e-1", text) for text in ("a", "a", "b", "b", "a")] == [0, 0, 1, 0, 1]
    assert not memory.is_reused("other lab", "e-1", "c")
    assert not memory.is_reused("lab", "e-2", "d")  # the oldest is forgotten
    assert not memory.is_reused("lab", "e-1", "e")


@pytest.mark.parametrize("name", ["eventTime", "timeOccurred", "timeOcurred"])
def test_without_an_event_id_the_same_bytes_with_the_same_time_are_the_same_event(name: str) -> None:
    timed = {name: "2026-11-23T10:00:00Z", "event": {"id": "1"}}
    assert id_of(timed, "x") == id_of(timed, "y")
    assert id_of(timed) != id_of(timed | {name: "2026-11-23T10:00:01Z"})


def test_without_id_and_time_every_callback_is_an_event_of_its_own() -> None:
    assert (id_of({"event": {"id": "1"}}, "x"), id_of({"event": {"id": "1"}}, "y")) == ("x", "y")
