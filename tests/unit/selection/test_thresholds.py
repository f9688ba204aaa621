"""Windows of thresholds, the reason given to waiting runs, and the choice among used-up definitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.routing.waiting.threshold_cache import ThresholdCache
from router.selection.facts import facts_of
from router.selection.selector_file import load_selector
from router.selection.spoke_selector import ChosenSpoke, Threshold, choose_spoke
from router.selection.thresholds import (
    CountedDefinition,
    ThresholdUse,
    ThresholdWindow,
    waiting_definitions,
    waiting_reason,
    window_at,
)
from router.tables.decision import Undecided
from router.tables.feel.literals import read_duration
from tests.builders.runs import NOON, a_document

if TYPE_CHECKING:
    from router.selection.spoke_selector import SpokeSelector

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone follows
periods = st.timedeltas(timedelta(microseconds=1), timedelta(days=400))


def counted(row: str = "S10", at_most: int = 100, period: timedelta = HOUR) -> CountedDefinition:
    return CountedDefinition(selector="spoke-selector", row=row, threshold=Threshold(max=at_most, period=period))


@given(moment=moments, period=periods)
def test_every_moment_lies_in_one_window_as_long_as_the_period(moment: datetime, period: timedelta) -> None:
    window = window_at(period, moment)
    assert window.start <= moment < window.end
    assert window.end - window.start == period
    assert (window.start - EPOCH) % period == timedelta()


@given(moment=moments, period=periods)
def test_the_next_window_begins_where_this_one_ends(moment: datetime, period: timedelta) -> None:
    window = window_at(period, moment)
    assert window_at(period, window.end).start == window.end
    assert window_at(period, window.start) == window


def test_a_day_begins_at_midnight_in_utc_and_an_hour_on_the_hour() -> None:
    later = NOON + timedelta(minutes=25)
    assert window_at(timedelta(days=1), later) == ThresholdWindow(
        NOON - timedelta(hours=12), NOON + timedelta(hours=12)
    )
    assert window_at(HOUR, later) == ThresholdWindow(NOON, NOON + HOUR)


def test_a_period_beyond_all_times_has_one_window() -> None:
    assert window_at(timedelta.max, NOON) == ThresholdWindow(EPOCH, datetime.max.replace(tzinfo=UTC))


def test_the_reason_names_the_definitions_and_the_next_window() -> None:
    reason = waiting_reason([counted("S10", 100), counted("S20", 5, timedelta(days=1))], NOON)
    assert reason.code == "WAITS_FOR_THRESHOLD"
    assert "spoke-selector#S10 (100 per PT1H), spoke-selector#S20 (5 per P1D)" in reason.message
    assert "opens at 2026-11-23T13:00:00+00:00" in reason.message


@given(period=periods)
def test_a_period_is_printed_as_it_may_be_written(period: timedelta) -> None:
    message = waiting_reason([counted(period=period)], NOON).message
    assert read_duration(message.partition(" per ")[2].partition(")")[0]) == period


def a_use(at_most: int = 3, moment: datetime = NOON) -> ThresholdUse:
    return counted(at_most=at_most).use_at(moment)


def test_a_definition_stays_used_up_until_its_window_ends_or_its_threshold_is_raised() -> None:
    cache = ThresholdCache()
    cache.mark_used_up(a_use(3))
    assert cache.is_used_up(a_use(3))
    assert cache.is_used_up(a_use(2))
    assert not cache.is_used_up(a_use(4))
    assert not cache.is_used_up(a_use(3, NOON + HOUR))


def test_a_used_up_definition_is_reported_once_in_a_window() -> None:
    reported: list[ThresholdUse] = []
    cache = ThresholdCache(reported.append)
    for moment in (NOON, NOON + timedelta(minutes=1), NOON + HOUR):
        cache.mark_used_up(a_use(3, moment))
    assert [use.window.start for use in reported] == [NOON, NOON + HOUR]
    assert (cache.count_used_up(NOON + HOUR), cache.count_used_up(NOON)) == (1, 0)


async def test_a_request_queued_while_the_queue_is_read_is_in_the_cache() -> None:
    cache = ThresholdCache()

    async def read() -> list[tuple[str, ...]]:
        cache.set_queued(("s#S2",))  # a request is stored as waiting after this read began
        return [("s#S1",)]

    await cache.load_queue(read)
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
    rows = "".join(
        f"  - {{id: {name}, order: {order}, when: {{}}, then: {{spoke: x}}, threshold: {{max: 9, period: PT1H}}}}\n"
        for order, name in enumerate(("S1", "S2", "S3"))
    )
    selector = load_selector(f"selector: s\n{inputs}rows:\n{rows}", "s.yaml")
    may_not = cache.blocked_for_new_request(NOON, set())(selector)
    assert [name for name in ("S1", "S2", "S3") if name in may_not] == ["S1", "S2"]


async def test_the_queue_is_read_from_the_store_once() -> None:
    cache, reads = ThresholdCache(), 0

    async def read() -> list[tuple[str, ...]]:
        nonlocal reads
        reads += 1
        return []

    await cache.load_queue(read)
    await cache.load_queue(read)
    assert reads == 1


ROWS = ("S1", "S2", "S3", "S4")


@st.composite
def selectors(draw: st.DrawFn) -> SpokeSelector:
    """Draw definitions that match our run or not, with a threshold or without."""
    rows = "".join(_a_row(draw, order, name) for order, name in enumerate(ROWS))
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
    default = draw(st.sampled_from(["", "default: {spoke: d}\n"]))
    return load_selector(f"selector: s\n{inputs}rows:\n{rows}{default}", "s.yaml")


def _a_row(draw: st.DrawFn, order: int, name: str) -> str:
    spec = draw(st.sampled_from(["fibre-line", "moon-line"]))
    threshold = draw(st.sampled_from(["", ", threshold: {max: 3, period: PT1H}"]))
    return f"  - {{id: {name}, order: {order}, when: {{spec: {spec}}}, then: {{spoke: x}}{threshold}}}\n"


@given(selector=selectors(), full=st.sets(st.sampled_from(ROWS)), queued=st.sets(st.sampled_from(ROWS)))
def test_the_first_that_fits_and_is_free_is_chosen_and_one_without_threshold_always_is(
    selector: SpokeSelector, full: set[str], queued: set[str]
) -> None:
    cache = ThresholdCache()
    for row in full:
        cache.mark_used_up(ThresholdUse(definition=f"s#{row}", window=window_at(HOUR, NOON), max_uses=3))
    cache.replace_queue(f"s#{row}" for row in queued)
    facts = facts_of(a_document())
    fitting = [row.id for row in selector.table.matching_rows(selector.table.values_of(facts))]
    for may_not, used in ((cache.blocked_for_new_request, full | queued), (cache.blocked_for_next_in_queue, full)):
        choice = choose_spoke(selector, facts, may_not(NOON, set())(selector))
        free = [row for row in fitting if row not in selector.thresholds or row not in used]
        _expect(choice, fitting, free, has_default=selector.table.default is not None)


def _expect(choice: ChosenSpoke | Undecided, fitting: list[str], free: list[str], *, has_default: bool) -> None:
    if free or (has_default and not fitting):
        assert isinstance(choice, ChosenSpoke)
        assert choice.decision.row.id == (free[0] if free else "default")
    else:
        assert isinstance(choice, Undecided)
        assert [row.id for row in choice.rows] == fitting


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_definition_that_was_just_refused_is_not_chosen_again(in_turn: bool) -> None:  # noqa: FBT001 - both values
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
    row = "{id: S1, order: 1, when: {}, then: {spoke: x}, threshold: {max: 1, period: PT1H}}"
    selector, cache = load_selector(f"selector: s\n{inputs}rows: [{row}]\n", "s.yaml"), ThresholdCache()
    may_not = cache.blocked_for_next_in_queue if in_turn else cache.blocked_for_new_request
    assert isinstance(choose_spoke(selector, facts_of(a_document()), may_not(NOON, {"s#S1"})(selector)), Undecided)


row_ids = st.text(st.sampled_from("abzAZ019._-"), min_size=1, max_size=12)


@given(rows=st.lists(row_ids, min_size=1, max_size=5, unique=True), at_most=st.integers(1, 10**6), period=periods)
def test_the_reason_of_a_waiting_run_names_its_definitions_readably(
    rows: list[str], at_most: int, period: timedelta
) -> None:
    definitions = [counted(row, at_most, period) for row in rows]
    names = tuple(definition.name for definition in definitions)
    assert waiting_definitions(waiting_reason(definitions, NOON)) == names
