"""One request carries one event, a list of them, or a CloudEvent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from consumers.inbound.intake.events import EventsUnreadableError, OneEvent, read_events

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(st.text(), json_values, max_size=5)


def read(body: bytes, headers: dict[str, str] | None = None, **limits: int) -> tuple[OneEvent, ...]:
    return read_events(
        body, "application/json", CIMultiDict(headers or {}), **{"max_events": 10, "max_depth": 50, **limits}
    )


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(objects, st.sampled_from([0, orjson.OPT_INDENT_2]))
def test_one_event_is_kept_to_the_byte(event: dict[str, Any], option: int) -> None:
    body = orjson.dumps(event, option=option)
    assert read(body) == (OneEvent(body, "application/json"),)


@given(st.lists(objects, min_size=1, max_size=10), st.sampled_from([0, orjson.OPT_INDENT_2]))
def test_every_event_of_a_list_is_read(events: list[dict[str, Any]], option: int) -> None:
    found = read(orjson.dumps(events, option=option))
    assert [orjson.loads(each.body) for each in found] == events


def test_a_number_in_a_list_stays_as_it_is_written() -> None:
    found = read(b' [ {"value": 123456789012345678901234567890.10} ,{"value":1e400}] ')
    assert [each.body for each in found] == [b'{"value": 123456789012345678901234567890.10}', b'{"value":1e400}']


@given(json_values)
def test_a_body_is_refused_exactly_if_it_is_nested_more_deeply_than_the_limit(value: object) -> None:
    body = orjson.dumps({"value": value, "text": '[[[{{"'})
    depth = depth_of({"value": value})
    assert read(body, max_depth=depth)
    with pytest.raises(EventsUnreadableError, match="nested more than"):
        read(body, max_depth=depth - 1)


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        (b"[]", "a list without events"),
        (b"[{}," * 2 + b"{}]" + b"]" * 2, "not JSON|something else"),
        (b"[" + b"{}," * 10 + b"{}]", "11 events: send at most 10"),
        (b'[{}, "text"]', "something else than objects"),
        (b"[{},]", "not JSON"),
        (b"[{}", "not JSON"),
        (b"[" * 100_000, "nested more than"),
        (b"[NaN]", "not JSON"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_as_a_whole(body: bytes, mistake: str) -> None:
    with pytest.raises(EventsUnreadableError, match=mistake):
        read(body)


def test_a_cloud_event_in_binary_mode_is_kept_in_structured_mode() -> None:
    headers = {
        "Ce-SpecVersion": "1.0",
        "ce-id": "e-1",
        "ce-type": "ServiceTestStateChangeEvent",
        "ce-source": "/lab",
        "ce-unknown": "x",
    }
    (event,) = read(b'{"id": "89757", "value": 1e400}', headers)
    assert event.content_type == "application/cloudevents+json"
    assert event.body.endswith(b',"data":{"id": "89757", "value": 1e400}}')
    attributes = {"specversion": "1.0", "id": "e-1", "source": "/lab", "type": "ServiceTestStateChangeEvent"}
    assert orjson.loads(event.body.replace(b"1e400", b"1")) == attributes | {"data": {"id": "89757", "value": 1}}


def test_the_headers_of_one_cloud_event_do_not_go_with_a_list() -> None:
    with pytest.raises(EventsUnreadableError, match="send one event"):
        read(b"[{}]", {"ce-specversion": "1.0"})


@given(st.dictionaries(st.sampled_from(["ce-specversion", "ce-id", "ce-type"]), st.text(max_size=30)), st.binary())
def test_any_request_is_read_or_refused(headers: dict[str, str], body: bytes) -> None:
    try:
        assert read(body, headers)
    except EventsUnreadableError:
        return
