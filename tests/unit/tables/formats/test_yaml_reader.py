"""libyaml reads tables where it can; what it cannot read, or reads otherwise, is as the reader in Python has it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from router.tables.diagnostics import Diagnostics, LineNumbers, TableErrors
from router.tables.formats.yaml_reader import read_yaml
from schemas.files.located_tree import Block, plain_data

PLAIN_SCALARS = [
    "a",
    "b",
    "é",
    "yes",
    "no",
    "null",
    "~",
    "1",
    "017",
    "0o17",
    "1_0",
    "1e3",
    ".5",
    "12:30",
    "2026-01-01",
    "=",
    "<<",
]
QUOTED = [
    '"x"',
    "'it''s'",
    '"\\n"',
    '"a\n  b"',
    '"\\ud83d\\ude00"',
    '""',
    "'5'",
    "!!str 5",
    "! 5",
    "- x",
    "|\n  t\n",
    ">\n  u\n  v\n",
]
LINES = st.sampled_from(["", "\n", "# note\n", "---\n", "...\n", "\r\n", "\ufeff"])
YAML_CHARACTERS = st.sampled_from([*"[]{}:,-?&*#|>@`\"'%!\n ", "  ", ": ", "\n  ", "\n- ", "*x", "&x "])
scalars = st.sampled_from([*PLAIN_SCALARS, *QUOTED])
flows = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(PLAIN_SCALARS), inner), max_size=3).map(
            lambda pairs: f"{{{', '.join(f'{name}: {value}' for name, value in pairs)}}}"
        )
    ),
    max_leaves=6,
)
documents = st.lists(st.tuples(LINES, st.sampled_from(PLAIN_SCALARS), flows), max_size=4).map(
    lambda parts: "".join(f"{before}{name}: {value}\n" for before, name, value in parts)
)
random_texts = st.lists(scalars | YAML_CHARACTERS | LINES, max_size=12).map("".join)


def read_fast(text: str) -> tuple[Any, ...]:
    """Return what is read and complained of."""
    complaints = Diagnostics(LineNumbers("t.yaml"))
    try:
        return read_yaml(text, "t.yaml", complaints), complaints.entries
    except TableErrors as error:
        return error.sentences


def read_slowly(text: str) -> tuple[Any, ...]:
    """The same without libyaml."""
    with patch("schemas.files.located_yaml.YAML", slow_yaml):
        return read_fast(text)


def may_be_a_table(outcome: tuple[Any, ...]) -> bool:
    """Whether something with keys was read."""
    return isinstance(outcome[0], Block)


def without_lines(outcome: tuple[Any, ...]) -> object:
    """Leave the lines out: a value that is missing stands here for one reader, and there for the other."""
    tree, complaints = outcome
    return plain_data(tree), sorted(what for _, what in complaints)


def slow_yaml(*, typ: str, pure: bool) -> YAML:
    """Make a reader without libyaml."""
    return YAML(typ=typ, pure=True)


@example("a: {b: }\n")
@example("a: 1\n---\nb: 2\n")
@example("&a x: 1\nb: *a\n")
@example("&12:30[a")
@given(text=documents)
def test_both_readers_give_the_same_tree(text: str) -> None:
    assert read_fast(text) == read_slowly(text)


@given(text=random_texts.map(lambda value: f"a: {value}\nb: 1\n"))
def test_what_both_readers_take_means_the_same_to_them(text: str) -> None:
    said, slowly = read_fast(text), read_slowly(text)
    if may_be_a_table(said) and may_be_a_table(slowly):  # one may be stricter than the other
        assert without_lines(said) == without_lines(slowly)


@pytest.mark.parametrize("sign", ["\u2028", "\u2029"])
def test_a_sign_that_ended_lines_in_yaml_1_1_is_part_of_a_text(sign: str) -> None:
    tree = read_yaml(f"a: 1\nb: x{sign}y\nc: 2\n", "t.yaml", Diagnostics(LineNumbers("t.yaml")))
    assert plain_data(tree) == {"a": 1, "b": f"x{sign}y", "c": 2}


def test_libyaml_is_there() -> None:
    assert find_spec("_ruamel_yaml") or find_spec("ruamel.yaml.clib")


@pytest.mark.parametrize("deep", ["[", "{a: ", "- ", "? ", "[[], "])
def test_deep_nesting_is_refused_at_once_and_ends_no_process(deep: str) -> None:
    with pytest.raises(TableErrors, match="nested too deep for a table"):
        read_yaml(deep * 200_000, "t.yaml", Diagnostics(LineNumbers("t.yaml")))


def test_a_key_that_is_no_word_is_named() -> None:
    complaints = Diagnostics(LineNumbers("t.yaml"))
    tree = read_yaml("a: 1\n? [b, c]\n: 2\n{d: e}: 3\n", "t.yaml", complaints)
    assert plain_data(tree) == {"a": 1}
    assert [line for line, _ in complaints.entries] == [2, 4]
