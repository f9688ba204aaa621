"""Lists can be filtered, paged and reduced to some fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text.json_types import Json
from southbound.simulator.filters import QueryError, filter_resources, paginate, select_fields

RESOURCES: list[Json] = [
    {"id": "1", "href": "h1", "name": "Speed TR1", "relatedService": {"id": "A"}},
    {
        "id": "2",
        "href": "h2",
        "name": "Speed TR2",
        "relatedService": {"id": "B"},
        "characteristic": [{"name": "c"}],
    },
    {"id": "3", "href": "h3", "name": "one, two", "relatedService": {"id": "A"}},
]


def ids(query: dict[str, str]) -> list[object]:
    return [resource["id"] for resource in filter_resources(RESOURCES, query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["1", "2", "3"]),
        ({"name": "Speed TR2"}, ["2"]),
        ({"relatedService.id": "A"}, ["1", "3"]),
        ({"name": "Speed TR1", "relatedService.id": "B"}, []),
        ({"name": "Speed TR1,Speed TR2"}, ["1", "2"]),
        ({"name": "one, two"}, ["3"]),
        ({"characteristic.name": "c"}, ["2"]),
        ({"colour": "red"}, []),
        ({"fields": "name", "limit": "1"}, ["1", "2", "3"]),
    ],
)
def test_every_filter_must_hold_and_a_comma_means_or(query: dict[str, str], expected: list[str]) -> None:
    assert ids(query) == expected


@given(st.integers(0, 20), st.integers(0, 20))
def test_all_pages_together_are_the_whole_list(offset: int, limit: int) -> None:
    many: list[Json] = [{"id": number} for number in range(15)]
    cut = paginate(many, {"offset": str(offset), "limit": str(limit)})
    assert cut == many[offset : offset + limit]


@pytest.mark.parametrize("text", ["-1", "ten", "1.5", "", "²"])
def test_a_page_that_is_no_number_is_named(text: str) -> None:
    with pytest.raises(QueryError, match="limit must be a whole number"):
        paginate(RESOURCES, {"limit": text})


def test_fields_are_shown_besides_id_and_href() -> None:
    assert select_fields(RESOURCES[0], {"fields": "name"}) == {"id": "1", "href": "h1", "name": "Speed TR1"}
    assert select_fields(RESOURCES[0], {}) == RESOURCES[0]
