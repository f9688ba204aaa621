"""What is written as a JSON pointer can be read back, whatever the names are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text.json_pointer import is_pointer, pointer_to, unescape


@given(names=st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_a_pointer_leads_back_to_its_names(names: list[str]) -> None:
    assert [unescape(part) for part in pointer_to(names).split("/")[1:]] == names
    assert is_pointer(pointer_to(names))


@pytest.mark.parametrize("text", ["/~2", "/~", "/a~", "/a~/b", "/ok/~01~", "a", "a/b", "~0", "/~\n"])
def test_a_text_with_another_escape_or_without_a_slash_is_no_pointer(text: str) -> None:
    assert not is_pointer(text)


@pytest.mark.parametrize("text", ["", "/", "//", "/~0", "/~1~01", "/a\n~0b", "/a/0/-"])
def test_what_rfc_6901_allows_is_a_pointer(text: str) -> None:
    assert is_pointer(text)


def test_the_examples_of_rfc_6901_are_read_and_written() -> None:
    assert pointer_to(["a/b", "m~n", 0]) == "/a~1b/m~0n/0"
    assert unescape("~01") == "~1"
