"""What a system shows after a change is compared with what was sent, in the spelling of many systems."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.tmf653.echo import contradictions, shows
from router.responses import HttpResponse
from tests.builders.runs import a_run
from tests.fakes.external_system import json_answer

SPEED = {"name": "speed", "valueType": "number", "value": 1000}
LOOP = {"name": "loop", "value": True}
PARTY = {"id": "P1", "role": "technician", "@referredType": "Individual"}
V5_PARTY = {
    "role": "technician",
    "partyOrPartyRole": {"id": "P1", "@referredType": "Individual", "@type": "PartyRef"},
    "@type": "RelatedPartyRefOrPartyRoleRef",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "value"]), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("new", "old", "shown"),
    [
        ("fast", "slow", "fast"),
        ("fast & good", "slow", "Fast &amp; good"),
        ("a very long description", "slow", "a very long desc…"),
        ("2026-11-23T12:00:00.123Z", None, "2026-11-23T13:00:00+01:00"),
        (None, "slow", ""),
        (None, "slow", None),
        ([], [SPEED], None),
        ([SPEED, LOOP], [], [{**LOOP, "value": "true"}, {**SPEED, "value": "1000.0", "id": "c7"}]),
        ([SPEED], [], [{"name": "speed", "value": {"value": 1000}}]),
        ([SPEED], [], [{"name": "speed", "value": 1000}, {"name": "their own", "value": 1}]),
        ([{"name": "note", "value": None}], [], [{"name": "note", "value": ""}]),
        ([PARTY], [], [{"id": "P1", "name": "Ann", "role": "Technician", "href": "/P1"}]),
        ([V5_PARTY], [], [{**V5_PARTY, "partyOrPartyRole": {"id": "P1", "name": "Ann"}}]),
        ({"id": "PI2", "href": "/PI2"}, {"id": "PI1"}, {"id": "PI2", "href": "https://elsewhere/PI2", "name": "x"}),
    ],
)
def test_a_value_in_the_spelling_of_a_system_is_shown(new: object, old: object, shown: object) -> None:
    assert shows(new, old, shown)


@pytest.mark.parametrize(
    ("new", "old", "shown"),
    [
        ("fast", "slow", "slow"),
        ("slower", "slow", "slow"),
        ("fast", "slow", None),
        (None, "slow", "slow"),
        ([SPEED], [], []),
        ([SPEED], [], "speed"),
        ([SPEED], [], [{"name": "speed", "value": 999}]),
        ([SPEED], [SPEED, LOOP], [SPEED, LOOP]),
        ([], [SPEED], [SPEED]),
        ([PARTY], [], [{"id": "P2", "role": "technician"}]),
        ({"id": "PI2"}, {"id": "PI1"}, {"id": "PI1"}),
        ("2026-11-23T12:00:00.000Z", None, "2026-11-23T12:00:00+01:00"),
    ],
)
def test_the_value_before_or_another_one_is_not_taken_for_the_change(new: object, old: object, shown: object) -> None:
    assert not shows(new, old, shown)


@given(JSON)
def test_every_value_shows_itself(value: object) -> None:
    assert shows(value, None, value)


@given(JSON, JSON, JSON)
def test_no_answer_breaks_the_comparison(new: object, old: object, shown: object) -> None:
    shows(new, old, shown)


@pytest.mark.parametrize(
    "response", [HttpResponse(status=204), json_answer(200, {"id": "EXT-1"}), json_answer(200, {})]
)
def test_an_answer_that_does_not_mention_the_field_says_nothing(response: HttpResponse) -> None:
    assert contradictions(response, a_run(external_id="ext-1"), {"description": "slow"}, {"description": "fast"}) == ()


def test_the_reason_names_the_field_and_quotes_no_value() -> None:
    answer = json_answer(200, {"id": "1", "description": "hidden"})
    (reason,) = contradictions(answer, a_run(external_id="1"), {"description": "hidden"}, {"description": "secret"})
    assert (reason.code, reason.property_path) == ("CHANGE_NOT_SHOWN", "/description")
    assert "hidden" not in reason.message
    assert "secret" not in reason.message


def test_a_related_party_of_version_5_that_was_removed_and_is_still_shown_is_noticed() -> None:
    other = {**V5_PARTY, "partyOrPartyRole": {"id": "P2"}}
    assert shows([other], [V5_PARTY], [other])
    assert not shows([other], [V5_PARTY], [other, V5_PARTY])
    assert not shows([other], [V5_PARTY], [V5_PARTY])


ICCID, NEXT_ICCID = "89490200001234567890", "89490200001234567891"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ICCID, NEXT_ICCID),
        ("7", "007"),
        ("007", "7"),
        ("abc", "ABC"),
        ("a&b", "a&amp;b"),
        ("2026-11-23T12:00:00.100Z", "2026-11-23T12:00:00.900Z"),
        ("1.0", "1.00"),
        (10**20, 10**20 + 1),
        (True, False),
    ],
)
def test_the_old_value_is_not_a_spelling_of_the_new_one(old: object, new: object) -> None:
    assert not shows(new, old, old)
    assert shows(new, old, new)
    before, after = ([{"name": "sim", "value": value}] for value in (old, new))
    assert not shows(after, before, before)
    assert not shows(after, before, [{"name": "sim", "value": {"value": old}}])
    assert shows(after, before, after)
    assert not shows({"id": "x", "value": new}, {"id": "x", "value": old}, {"id": "x", "value": old})


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (ICCID, NEXT_ICCID, int(NEXT_ICCID)),
        (7, 7.0, 7),
        ("2026-11-23T12:00:00Z", "2026-11-23T13:00:00+01:00", "2026-11-23T12:00:00Z"),
        ("7", 7, "7"),
        ("1", "2.50", 2.5),
        ("1", "3.14159265358979323846", 3.141592653589793),
        ("fast", "fast ", "fast"),
        ("slow", "FAST", "fast"),
        ("2026-11-23T11:00:00Z", "2026-11-23T12:00:00.123Z", "2026-11-23T12:00:00Z"),
    ],
)
def test_a_system_that_stores_a_value_in_its_own_way_shows_the_change(old: object, new: object, shown: object) -> None:
    assert shows(new, old, shown)


@pytest.mark.parametrize("shown", ["NaN", "Infinity", "1e999999999", "sNaN", "1_0", "-"])
def test_numbers_that_are_none_are_compared_as_texts(shown: str) -> None:
    assert shows(shown, "x", shown)
    assert not shows("10", "x", "-")


def test_a_party_whose_long_id_has_changed_in_the_last_digit_is_not_the_same() -> None:
    parties = [[{"id": each, "role": "customer"}] for each in (ICCID, NEXT_ICCID)]
    assert not shows(parties[1], parties[0], parties[0])
    assert shows(parties[1], parties[0], parties[1])
