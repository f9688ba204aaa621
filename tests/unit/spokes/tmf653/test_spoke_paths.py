"""An external id names one run in a path, whatever characters it has."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.builders.spokes import a_spoke

BASE = "http://127.0.0.1:8701/v4"


@pytest.mark.parametrize("external_id", [".", "..", "a/b", "a?b", "a#b", "%2E%2E", "../admin", "a b", "ä", "..."])
def test_an_odd_id_is_one_segment(external_id: str) -> None:
    path = a_spoke().to_read(external_id).path
    assert path.count("/") == 2
    assert unquote(path.rpartition("/")[2]) == external_id
    assert path.rpartition("/")[2] not in {".", ".."}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_id_reaches_the_address_unchanged(external_id: str) -> None:
    path = a_spoke().to_read(external_id).path
    sent = URL(BASE + path, encoded=True)
    assert urlsplit(BASE + path).path == sent.raw_path
    assert sent.raw_path.split("/")[:3] == ["", "v4", "serviceTest"]
    assert unquote(sent.raw_path.split("/", 3)[3]) == external_id
    assert not sent.raw_query_string
