"""Patches are applied as RFC 7386 and RFC 6902 define them, together or not at all."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.errors import ApiRefusedError
from router.northbound.patches.patch import MAX_OPERATIONS, json_patch, merge_patch, touched_names

names = st.text("ab/~-0é", max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=4)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_the_standard_shows(target: object, patch: object, result: object) -> None:
    assert merge_patch(target, patch) == result


@given(objects, objects)
def test_a_merge_patch_is_idempotent_and_leaves_its_target(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = deepcopy(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert target == before


@pytest.mark.parametrize(
    ("target", "operations", "result"),
    [  # RFC 6902, appendix A
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "q"}], {"foo": ["bar", "q", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["bar", "q", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
        ({"foo": [1, 2, 3]}, [{"op": "move", "from": "/foo/0", "path": "/foo/2"}], {"foo": [2, 3, 1]}),
        ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "qux"}], {"baz": "qux"}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["x"]}], {"foo": ["bar", ["x"]]}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"a": {"b": [1]}}, [{"op": "copy", "from": "/a/b", "path": "/c"}], {"a": {"b": [1]}, "c": [1]}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)
def test_a_json_patch_does_what_the_standard_shows(target: object, operations: object, result: object) -> None:
    assert json_patch(target, operations) == result


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/n", "value": True}, 409),  # true is not 1
        ({"op": "test", "path": "/n", "value": "1"}, 409),
        ({"op": "remove", "path": "/none"}, 409),
        ({"op": "replace", "path": "/none", "value": 1}, 409),
        ({"op": "add", "path": "/none/x", "value": 1}, 409),
        ({"op": "add", "path": "/list/3", "value": 1}, 409),
        ({"op": "add", "path": "/list/01", "value": 1}, 409),
        ({"op": "remove", "path": "/list/-"}, 409),
        ({"op": "add", "path": "/n/x", "value": 1}, 409),
        ({"op": "move", "from": "/list", "path": "/list/0"}, 400),
        ({"op": "remove", "path": ""}, 400),
        ({"op": "add", "path": "/x"}, 400),
        ({"op": "add", "path": "x", "value": 1}, 400),
        ({"op": "copy", "path": "/x"}, 400),
        ({"op": "burn", "path": "/x"}, 400),
        ("add", 400),
    ],
)
def test_an_operation_that_does_not_fit_refuses_the_whole_patch(operation: object, status: int) -> None:
    target = {"n": 1, "list": [1, 2]}
    with pytest.raises(ApiRefusedError) as refused:
        json_patch(target, [{"op": "add", "path": "/first", "value": 1}, operation])
    assert (refused.value.status, refused.value.mistakes[0].pointer[:2]) == (status, "/1")
    assert target == {"n": 1, "list": [1, 2]}


def test_copies_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(ApiRefusedError, match="copy too much"):
        json_patch({"a": []}, [*([{"op": "add", "path": "/a/-", "value": 1}] * 400), *doubling])
    nesting = [{"op": "copy", "from": "", "path": "/x"}] * 100
    with pytest.raises(ApiRefusedError, match="levels deep"):
        json_patch({"a": 1}, nesting)
    with pytest.raises(ApiRefusedError, match="operations"):
        json_patch({}, [{"op": "test", "path": "", "value": {}}] * (MAX_OPERATIONS + 1))


pointers = st.lists(names | st.sampled_from(["0", "1", "-"]), max_size=3).map(
    lambda parts: "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": pointers},
    optional={"from": pointers, "value": values},
)


@given(objects, st.lists(operations, max_size=4))
def test_any_patch_is_applied_or_refused_and_touches_only_the_names_it_names(
    target: dict[str, Any], patch: list[dict[str, Any]]
) -> None:
    before = json.dumps(target)
    try:
        patched = json_patch(target, patch)
    except ApiRefusedError as error:
        status = error.status
    else:
        status = 400
        if isinstance(patched, dict) and all(each["path"] != "" and each.get("from") != "" for each in patch):
            changed = {name for name in target.keys() | patched.keys() if not _same(target, patched, name)}
            assert changed <= touched_names(patch)
    assert status in {400, 409}
    assert json.dumps(target) == before


def _same(one: dict[str, Any], other: dict[str, Any], name: str) -> bool:
    return json.dumps(one.get(name, "absent")) == json.dumps(other.get(name, "absent"))
