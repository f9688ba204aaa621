"""What a client sent and a run does not keep is named by pointers that a header can have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.not_kept import MAX_NAMED, not_kept

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    *("name", "state", "@type", "validFor", "relatedService", "characteristic", "testMeasure", "relatedParty"),
    *("externalIdentifier", "serviceTestRelationship", "childServiceTest", "colour"),
)
BODIES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON, max_size=6)


@given(JSON | BODIES, BODIES)
def test_any_body_leads_to_a_header_in_ascii(body: object, shown: dict[str, Any]) -> None:
    header = not_kept(body, shown)
    assert header.isascii()
    assert header.isprintable()
    assert len(header.split(", ")) <= MAX_NAMED + 1


@given(BODIES)
def test_what_is_shown_as_it_was_sent_is_kept(body: dict[str, Any]) -> None:
    own = {name: value for name, value in body.items() if name != "childServiceTest"}
    found = not_kept(own, own)
    assert [pointer for pointer in found.split(", ") if pointer and "partyOrPartyRole" not in pointer] == []


@pytest.mark.parametrize(
    ("body", "shown", "header"),
    [
        ({"@type": "ServiceTest"}, {"@type": "RelatedServiceTest", "@baseType": "ServiceTest"}, ""),
        ({"@type": "LineTest"}, {"@type": "ServiceTest"}, "/@type"),
        ({"state": "Acknowledged"}, {"state": "acknowledged"}, ""),
        ({"state": "running"}, {"state": "acknowledged"}, "/state"),
        ({"colour": None}, {}, ""),
        ({"characteristic": [{"name": "southbound.x", "a": 1}, {"name": "b", "c": 1}]}, {}, "/characteristic/1/c"),
        (
            {"relatedParty": [{"partyOrPartyRole": {"id": "x", "partyName": "y"}}]},
            {},
            "/relatedParty/0/partyOrPartyRole/partyName",
        ),
    ],
)
def test_each_place_is_named(body: dict[str, Any], shown: dict[str, Any], header: str) -> None:
    assert not_kept(body, shown) == header
