"""An expression finds what Python's own finds, and takes no longer than its budget."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.lists.pattern import MAX_INSTRUCTIONS, Pattern, PatternBudget, PatternTooCostlyError
from router.northbound.lists.pattern_syntax import MAX_NESTING, MAX_PATTERN_LENGTH, PatternError

ATOMS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "[a-c]", "[]a]", "[a-]", r"\d", r"\D", r"\w", r"[\d.]", r"\.", "1", " ", "^", "$"]
)
REPEATED = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = st.one_of(inner.map("({})".format), inner.map("(?:{})".format))
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map("|".join).map("({})".format),
        st.tuples(groups, REPEATED).map("".join),
        st.tuples(ATOMS.filter(lambda atom: atom not in "^$"), REPEATED).map("".join),
    )


EXPRESSIONS = st.recursive(ATOMS, _grown, max_leaves=8).filter(lambda text: len(text) <= MAX_PATTERN_LENGTH)
TEXTS = st.text(st.sampled_from("abc1. \u00fc-]"), max_size=12)


def finds(expression: str, text: str) -> bool:
    return Pattern(expression, PatternBudget()).is_in(text)


@given(EXPRESSIONS, st.lists(TEXTS, min_size=1, max_size=5))
def test_it_finds_what_re_finds(expression: str, texts: list[str]) -> None:
    # Of Python's, `$` also matches before a line break at the end, and `\\w` any letter.
    python = re.compile(expression, re.ASCII | re.DOTALL)
    pattern = Pattern(expression, PatternBudget())
    for text in texts:
        assert pattern.is_in(text) is (python.search(text) is not None), (expression, text)


@pytest.mark.parametrize(
    "expression",
    [
        "(",
        ")",
        "a)",
        "[a",
        "*a",
        "a**",
        "a+?",
        "a{2",
        "a{,2}",
        "a{3,2}",
        "a{101}",
        "\\",
        r"\1",
        r"\b",
        "(?=a)",
        "(?P<n>a)",
    ],
)
def test_what_is_not_supported_is_refused_with_a_sentence(expression: str) -> None:
    with pytest.raises(PatternError, match=r"\w+ \w+"):
        finds(expression, "a")


@pytest.mark.parametrize(
    "expression",
    [
        "a" * (MAX_PATTERN_LENGTH + 1),
        "(" * (MAX_NESTING + 1) + ")" * (MAX_NESTING + 1),
        "(((a{100}){100}){100}){100}",
        f"a{{100}}{{1}}{MAX_INSTRUCTIONS}",
    ],
)
def test_what_is_too_large_is_refused_before_it_takes_time(expression: str) -> None:
    with pytest.raises(PatternError):
        finds(expression, "a")


def test_repeating_nothing_takes_no_time() -> None:
    nothing = "()"
    for _ in range(MAX_NESTING - 1):
        nothing = f"({nothing}{{100}})"
    assert finds(nothing, "")


@given(st.text(max_size=MAX_PATTERN_LENGTH), st.text(max_size=50))
def test_any_text_is_an_expression_or_refused(expression: str, text: str) -> None:
    try:
        pattern = Pattern(expression, PatternBudget())
    except PatternError:
        return
    assert isinstance(pattern.is_in(text), bool)


@pytest.mark.parametrize("expression", ["(a*)*b", "(a|a)*b", "(a|aa)+$", "(.*)(.*)(.*)(.*)[^a]"])
def test_what_keeps_re_busy_for_ever_takes_a_step_for_each_character(expression: str) -> None:
    budget = PatternBudget(200_000)
    assert Pattern(expression, budget).is_in("a" * 50_000) is (expression == "(a|aa)+$")


def test_a_budget_is_shared_and_ends() -> None:
    budget = PatternBudget(1_000)
    first, second = Pattern("a", budget), Pattern("b", budget)
    assert not first.is_in("c" * 600)
    with pytest.raises(PatternTooCostlyError):
        second.is_in("c" * 600)
