"""What is written as a JSON pointer can be read back, whatever the names are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.text.json_pointer import pointer_to, unescape


@given(names=st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_a_pointer_leads_back_to_its_names(names: list[str]) -> None:
    assert [unescape(part) for part in pointer_to(names).split("/")[1:]] == names


def test_the_examples_of_rfc_6901_are_read_and_written() -> None:
    assert pointer_to(["a/b", "m~n", 0]) == "/a~1b/m~0n/0"
    assert unescape("~01") == "~1"
