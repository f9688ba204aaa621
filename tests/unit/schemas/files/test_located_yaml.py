"""YAML becomes plain data in which every value has its line; what cannot be plain data is a problem with a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from schemas.files.located_tree import Block, locate, plain_data
from schemas.files.located_yaml import (
    LocatedYamlError,
    NestedTooDeepError,
    YamlLimitError,
    YamlProblemKind,
    read_located_yaml,
)
from schemas.files.yaml_file import YamlFileError, read_yaml_file

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.files.located_tree import Tree

TEXT = """\
name: a
lists:
  - one
  - {x: 1,
     y: 2}
"""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def root(text: str) -> Tree:
    read = read_located_yaml(text)
    assert read.problems == ()
    (document,) = read.documents
    return document.root


def data(text: str) -> object:
    return plain_data(root(text))


def problems(text: str, *, aliases: bool = True) -> list[tuple[YamlProblemKind, int]]:
    return [(problem.kind, problem.line) for problem in read_located_yaml(text, aliases=aliases).problems]


@pytest.mark.parametrize(
    ("path", "line", "name"),
    [
        ((), 1, ""),
        (("name",), 1, "name"),
        (("lists",), 2, "lists"),
        (("lists", 0), 3, "lists.0"),
        (("lists", 1, "y"), 5, "lists.1.y"),
        (("lists", 1, "z"), 4, "lists.1.z"),
        (("lists", 7), 2, "lists.7"),
        (("lists", "a union's member", 1, "y"), 5, "lists.1.y"),
        (("name", "below"), 1, "name.below"),
    ],
)
def test_every_field_has_its_line_and_a_missing_one_that_of_what_should_contain_it(
    path: tuple[int | str, ...], line: int, name: str
) -> None:
    assert locate(root(TEXT), path) == (line, name)


@given(value=json_values)
def test_json_is_yaml_and_means_the_same(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1)):
        assert data(text) == value


@given(value=json_values)
def test_the_parser_in_python_reads_json_as_libyaml_does(value: object) -> None:
    text = json.dumps(value, indent=1)
    quick = read_located_yaml(text)
    with patch("schemas.files.located_yaml.YAML", lambda **_: YAML(typ="safe", pure=True)):
        assert read_located_yaml(text) == quick


@given(text=st.text(max_size=40) | st.text(alphabet="ab:-&*<[]{},'\"\n !|>#", max_size=40))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    try:
        found = [(problem.line, problem.sentence) for problem in read_located_yaml(text).problems]
    except LocatedYamlError as error:
        found = [(error.line, error.problem)]
    assert all(line >= 1 and sentence for line, sentence in found)


def test_several_documents_have_the_lines_where_they_start() -> None:
    read = read_located_yaml("a: 1\n---\nb: 2\n---\n")
    assert [(plain_data(document.root), document.line) for document in read.documents] == [
        ({"a": 1}, 1),
        ({"b": 2}, 2),
        (None, 4),
    ]
    assert read_located_yaml("# nothing\n").documents == ()


def test_an_alias_stands_for_its_anchor_and_keeps_its_line() -> None:
    text = "a: &x {b: 1}\nc: *x\n"
    assert data(text) == {"a": {"b": 1}, "c": {"b": 1}}
    assert locate(root(text), ("c",)) == (2, "c")


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("<<: *x", {"p": 1, "q": 9}),
        ("<<: [*x, *y]", {"p": 1, "q": 9, "r": 4}),
        ("<<: [*y, *x]", {"p": 3, "q": 9, "r": 4}),
        ("'<<': *x", {"<<": {"p": 1, "q": 2}, "q": 9}),
        ("<<: 5", {"<<": 5, "q": 9}),
    ],
)
def test_a_merge_key_adds_what_the_mapping_does_not_have_itself(merge: str, expected: object) -> None:
    text = f"x: &x {{p: 1, q: 2}}\ny: &y {{p: 3, r: 4}}\nz:\n  {merge}\n  q: 9\n"
    found = data(text)
    assert isinstance(found, dict)
    assert found["z"] == expected


@pytest.mark.parametrize("text", ["a: *x\n", "a: &x [*x]\n", "a: &x 1\n---\nb: *x\n"])
def test_an_alias_without_a_finished_anchor_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(LocatedYamlError, match="found undefined alias 'x'") as refused:
        read_located_yaml(text)
    assert refused.value.line == text.count("\n")
    assert refused.value.column is not None


def test_aliases_that_repeat_each_other_are_refused_before_they_fill_the_memory() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    with pytest.raises(LocatedYamlError, match="aliases repeat more than 100,000"):
        read_located_yaml(f"l0: &l0 [x]\n{levels}\n")


def test_what_plain_data_cannot_have_is_a_problem_with_its_line() -> None:
    text = 'a: 1\n? [b]\n: 2\na: 3\ns: "\\ud800"\nx: &x 1\ny: *x\n'
    expected = [
        (YamlProblemKind.KEY_NOT_SCALAR, 2),
        (YamlProblemKind.DUPLICATE_KEY, 4),
        (YamlProblemKind.HALF_CHARACTER, 5),
    ]
    assert problems(text) == expected
    assert problems(text, aliases=False) == [*expected, (YamlProblemKind.ALIAS, 7)]


def test_the_sentence_of_a_duplicate_key_names_the_first() -> None:
    (problem,) = read_located_yaml("a: 1\nb: 2\na: 3\n").problems
    assert problem.sentence == "'a' stands twice, first in line 1"


@pytest.mark.parametrize("deep", ["[", "{a: ", "- ", "? ", "&x [", "[[], "])
def test_deep_nesting_is_refused_at_once_and_ends_no_process(deep: str) -> None:
    with pytest.raises(NestedTooDeepError):
        read_located_yaml(deep * 100_000)


LONG = "x: " + "a" * 250_000 + "\n"


@pytest.mark.parametrize(
    "text", ["a: 5 & 5 * 5! 50% x\n", 'a: "& * ! %"\n', "a: | # &\n  &x *y !z\n  %w\n", "# &a *b !c\na: 1\n"]
)
def test_a_long_text_reads_as_a_short_one(text: str) -> None:
    short, long = read_located_yaml(text), read_located_yaml(text + LONG)
    assert isinstance(root := long.documents[0].root, Block)
    assert plain_data(root) == {**plain_data(short.documents[0].root), "x": "a" * 250_000}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\n", "an anchor"),
        ("a: *x\n", "an anchor"),
        ("a: !!str 1\n", "an anchor"),
        ("a: !x [1]\n", "an anchor"),
        ("a:\t1\n", r"the character U\+0009 stands in a long text"),
        ("a: 'b\u2028c'\n", r"the character U\+2028 stands in a long text"),
        ("b: 1\n... \n%YAML 1.1\n---\n", r"the character U\+0025 stands in a long text"),
    ],
)
def test_a_long_text_with_what_only_the_slow_parser_reads_is_refused(text: str, problem: str) -> None:
    with pytest.raises(YamlLimitError, match=f"{problem}.*split the file into parts of up to 250,000 characters"):
        read_located_yaml(LONG + text)


def test_a_mistake_in_a_long_text_has_its_place() -> None:
    with pytest.raises(LocatedYamlError) as error:
        read_located_yaml(LONG + "b: [}\n")
    assert (error.value.line, "split the file" in error.value.problem) == (2, True)


def test_a_file_holds_one_document(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n---\nb: 2\n")
    with pytest.raises(YamlFileError, match=r"a\.yaml:2: a second YAML document begins here: remove it"):
        read_yaml_file(path)
    path.write_text("")
    empty = read_yaml_file(path)
    assert (empty.value, empty.locate(("a", "b"))) == (None, (1, "b"))


@pytest.mark.parametrize("code", ["200b", "00ad", "fe0f", "3164", "2060", "e0041", "fffd", "feff", "2028"])
def test_fault_a_character_that_nobody_sees_is_found_in_values_and_keys_unless_it_is_an_escape(code: str) -> None:
    letter = chr(int(code, 16))
    text = f'seen: yes\nva{letter}lue: one\nother: "fib{letter}re"\n# comment{letter}\n'
    found = read_located_yaml(text).invisible
    assert [(problem.line, problem.excerpt) for problem in found] == [
        (2, f"U+{code.upper()}"),
        (3, f"U+{code.upper()}"),
    ]
    assert read_located_yaml(f'other: "fib\\U{int(code, 16):08x}re"').invisible == ()
