"""Pointers find, write and remove what they lead to, whatever stands in a body."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.mapping.pointers import MAX_TOKENS, find, parse_pointer, put, remove

KEYS = st.sampled_from(["a", "b", "c", "name"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=4)
TOKENS = st.sampled_from(["a", "b", "name", "0", "1", "*", "[name=a]"])
POINTERS = st.lists(TOKENS, min_size=1, max_size=4).map(lambda tokens: "/" + "/".join(tokens))


def found(body: object, pointer: str) -> list[object]:
    return [value for _, value in find(body, parse_pointer(pointer))]


@pytest.mark.parametrize(
    ("pointer", "values"),
    [
        ("/a/b", [1]),
        ("/list/0/v", ["x"]),
        ("/list/*/v", ["x", "y"]),
        ("/list/[name=second]/v", ["y"]),
        ("/list/[name=third]/v", []),
        ("/a~1b", [2]),
        ("/a/b/c", []),
        ("/list/7", []),
    ],
)
def test_a_pointer_finds_what_it_leads_to(pointer: str, values: list[object]) -> None:
    body = {"a": {"b": 1}, "a/b": 2, "list": [{"name": "first", "v": "x"}, {"name": "second", "v": "y"}]}
    assert found(body, pointer) == values


@pytest.mark.parametrize(
    ("pointer", "body"),
    [
        ("/x/y", {"x": {"y": 7}}),
        ("/x/-/y", {"x": [{"y": 7}]}),
        ("/x/1", {"x": [{}, 7]}),
        ("/x/[name=port]/value", {"x": [{"name": "port", "value": 7}]}),
    ],
)
def test_what_leads_to_a_place_is_made(pointer: str, body: object) -> None:
    made: dict[str, Any] = {}
    put(made, parse_pointer(pointer), (), 7)
    assert made == body


def test_what_is_empty_after_a_removal_is_removed_too() -> None:
    body = {"a": {"b": {"c": 1}}, "d": {"e": 1, "f": {}}}
    remove(body, parse_pointer("/a/b/c"))
    remove(body, parse_pointer("/d/e"))
    assert body == {"d": {"f": {}}}


@given(body=OBJECTS, pointer=POINTERS)
def test_nothing_raises_whatever_the_body_is(body: dict[str, object], pointer: str) -> None:
    tokens = parse_pointer(pointer)
    before = copy.deepcopy(body)
    places = [*find(body, tokens)]
    assert body == before
    for at, _ in places:
        put(body, tokens, at, "new")
    assert all(value == "new" for value in found(body, pointer))
    remove(body, tokens)


@given(body=OBJECTS, pointer=POINTERS)
def test_what_is_written_where_it_was_found_changes_nothing(body: dict[str, object], pointer: str) -> None:
    before = copy.deepcopy(body)
    for at, value in [*find(body, parse_pointer(pointer))]:
        put(body, parse_pointer(pointer), at, value)
    assert body == before


@pytest.mark.parametrize("text", ["", "/", "a/b", "/a" * (MAX_TOKENS + 1)])
def test_what_is_no_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pointer"):
        parse_pointer(text)
