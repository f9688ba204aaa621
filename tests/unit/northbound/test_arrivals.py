"""What an arrival means follows from the newest version of its run, and not from how often or where it arrives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.api_version import ApiVersion
from router.northbound.arrivals import Arrival, Ignored, OrderWanted, plan_arrival
from router.northbound.next_order import OrderCause, new_order
from router.northbound.order import RunView
from router.northbound.service_test_body import BodyReader
from router.northbound.servicenow.moments import with_moments
from schemas.vocabulary import RunState
from tests.builders.runs import NOON
from tests.harness.streams import a_service_test

READER = BodyReader(version=ApiVersion.V5, tenant=None, run_id_of=lambda own: own, max_depth=4)
ORDERING = {RunState.ACKNOWLEDGED, RunState.PENDING}
moments = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2050, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def ordered_by(arrival: Arrival) -> RunView:
    """Return the run that an arrival ordered."""
    document = READER.read_order(arrival.body, "none").document
    document = document.model_copy(update={"version": arrival.least_version})
    cause = OrderCause(client="c", traceparent=None, at=NOON, event_id=next(arrival.derived_ids()))
    return RunView(row=None, order=new_order(cause, document, "TR1"))


@given(first=moments, second=moments)
def test_of_two_arrivals_only_one_that_is_older_by_a_millisecond_is_stale(first: datetime, second: datetime) -> None:
    view = ordered_by(Arrival(event_id="1", body=a_service_test(description="a"), at=first))
    plan = plan_arrival(view, Arrival(event_id="2", body=a_service_test(description="b"), at=second), READER, ORDERING)
    older = int(second.timestamp() * 1000) < int(first.timestamp() * 1000)
    assert (plan is Ignored.STALE) == older


@given(moment=moments, ways=st.tuples(st.integers(0, 4), st.integers(0, 4)), delay=st.integers(0, 10_000))
def test_an_event_is_a_duplicate_on_every_way(moment: datetime, ways: tuple[int, int], delay: int) -> None:
    here, there = ways
    view = ordered_by(Arrival(event_id="1", body=a_service_test(), way=here, at=moment))
    later = moment + timedelta(milliseconds=delay)
    again = Arrival(event_id="1", body=a_service_test(description="b"), way=there, at=later)
    assert plan_arrival(view, again, READER, ORDERING) is Ignored.DUPLICATE


@pytest.mark.parametrize(
    ("state", "orders"),
    [(None, True), ("acknowledged", True), ("Pending for Input", True), ("Draft", False), ("completed", False)],
)
def test_a_run_is_ordered_in_the_states_of_the_profile(state: str | None, orders: bool) -> None:  # noqa: FBT001
    arrival = Arrival(event_id="1", body=a_service_test(state=state))
    expected = OrderWanted() if orders else Ignored.NOT_ORDERED
    assert plan_arrival(None, arrival, READER, ORDERING) == expected


def test_moments_of_servicenow_are_read_in_the_zone_of_its_user() -> None:
    body = with_moments({"startDateTime": "2026-07-01 10:00:00", "endDateTime": " "}, ZoneInfo("Europe/Berlin"))
    assert body == {"startDateTime": "2026-07-01T08:00:00Z"}


@given(text=st.text(max_size=30))
def test_other_texts_are_left_to_the_reader_of_the_body(text: str) -> None:
    body = with_moments({"startDateTime": text, "name": text}, UTC)
    assert body["name"] == text
    assert "startDateTime" not in body or isinstance(body["startDateTime"], str)
