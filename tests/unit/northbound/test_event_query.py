"""A subscription selects events by type and by what identifies a run."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.northbound.hub.callback import read_query
from router.northbound.hub.event_query import MATCHED_PATHS, MAX_QUERY_LENGTH, EventQueryError, canonical, matched_part
from router.northbound.hub.run_changes import HubEventType

RUN = {
    "id": "TR0001",
    "href": "/serviceTest/TR0001",
    "@type": "ServiceTest",
    "name": "Line test, north",
    "state": "completed",
    "mode": "ONDEMAND",
    "relatedService": {"id": "PI0001"},
    "testSpecification": {"id": "fibre-line", "version": "2"},
    "testMeasure": [{"id": "TM1"}],
}
STATE = HubEventType.STATE_CHANGE


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("", True),
        ("?eventType=ServiceTestStateChangeEvent", True),
        ("eventType=ServiceTestCreateEvent,ServiceTestStateChangeEvent", True),
        ("eventType=ServiceTestCreateEvent&eventType=ServiceTestStateChangeEvent", True),
        ("eventType=ServiceTestCreateEvent", False),
        ("state=completed,failed", True),
        ("event.serviceTest.state=failed", False),
        ("serviceTest.relatedService.id=PI0001&state=completed", True),
        ("relatedService.id=PI0001&state=failed", False),
        ("relatedService.name=x", False),
        ("name=Line%20test%2C%20north", False),  # a comma separates values, encoded or not
        ("fields=state", True),
    ],
)
def test_an_event_matches_if_every_name_has_one_of_its_values(query: str, matches: bool) -> None:  # noqa: FBT001 - a case
    assert read_query(query).matches(STATE, RUN) is matches


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("eventType=ServiceTestExplodedEvent", "there is no eventType 'ServiceTestExplodedEvent'"),
        ("state.gt=completed", "cannot select by 'state.gt'"),
        ("testMeasure.id=TM1", "cannot select by 'testMeasure.id'"),
        ("state=", "has no value"),
        ("state=a,,b", "has no value"),
        ("completed", "not written as name=value"),
        ("state=%ff", "not written as name=value"),
        ("&".join(f"id={number}" for number in range(51)), "not written as name=value"),
        ("id=" + ",".join("1" for _ in range(51)), "more than 50 values"),
        ("id=" + "x" * MAX_QUERY_LENGTH, "characters"),
    ],
)
def test_a_query_that_cannot_be_understood_is_refused_with_a_sentence(query: str, said: str) -> None:
    with pytest.raises(EventQueryError, match=said.replace(".", r"\.")):
        read_query(query)


def test_fields_that_are_named_are_shown_and_what_identifies_a_run() -> None:
    query = read_query("fields=state,relatedService")
    assert query.shown(RUN, None).keys() == {"id", "href", "@type", "state", "relatedService"}
    assert read_query("").shown(RUN, None) == RUN
    assert read_query("").shown(RUN, ()).keys() == {"id", "href", "@type"}


def test_what_is_kept_of_a_run_matches_the_same_queries() -> None:
    kept = matched_part(RUN)
    assert "testMeasure" not in kept
    for query in ("state=completed", "relatedService.id=PI0001", "testSpecification.id=other", "mode=PROACTIVE"):
        assert read_query(query).matches(STATE, kept) == read_query(query).matches(STATE, RUN)


@given(
    st.dictionaries(
        st.sampled_from(MATCHED_PATHS),
        st.lists(st.text("abc é&=%+", min_size=1, max_size=4).map(str.strip).filter(bool), min_size=1, max_size=3),
        max_size=4,
    ),
)
def test_queries_that_mean_the_same_are_recognised_as_equal(conditions: dict[str, list[str]]) -> None:
    joined = "&".join(f"{path}={','.join(map(quote, values))}" for path, values in conditions.items())
    repeated = "&".join(
        f"event.serviceTest.{path}={quote(value)}"
        for path, values in reversed(conditions.items())
        for value in reversed(values)
    )
    assert canonical(read_query(joined)) == canonical(read_query(repeated))
    for path, values in conditions.items():
        assert read_query(joined).conditions[path] == frozenset(values)
