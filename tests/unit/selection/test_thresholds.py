"""Windows of thresholds, what a run that waits is told, and the choice among definitions that are used up."""

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
from router.selection.thresholds import CountedDefinition, ThresholdUse, ThresholdWindow, waiting_reason, window_at
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


def test_a_run_that_waits_is_told_for_what_and_until_when() -> None:
    reason = waiting_reason([counted("S10", 100), counted("S20", 5, timedelta(days=1))], NOON)
    assert reason.code == "WAITS_FOR_THRESHOLD"
    assert "spoke-selector#S10 (100 per PT1H), spoke-selector#S20 (5 per P1D)" in reason.message
    assert "opens at 2026-11-23T13:00:00+00:00" in reason.message


@given(period=periods)
def test_a_period_is_told_as_it_may_be_written(period: timedelta) -> None:
    told = waiting_reason([counted(period=period)], NOON).message
    assert read_duration(told.partition(" per ")[2].partition(")")[0]) == period


def a_use(at_most: int = 3, moment: datetime = NOON) -> ThresholdUse:
    return counted(at_most=at_most).use_at(moment)


def test_what_is_used_up_stays_so_until_its_window_ends_or_its_threshold_is_raised() -> None:
    known = ThresholdCache()
    known.mark_used_up(a_use(3))
    assert known.is_used_up(a_use(3))
    assert known.is_used_up(a_use(2))
    assert not known.is_used_up(a_use(4))
    assert not known.is_used_up(a_use(3, NOON + HOUR))


def test_a_used_up_definition_is_reported_once_in_a_window() -> None:
    told: list[ThresholdUse] = []
    known = ThresholdCache(told.append)
    for moment in (NOON, NOON + timedelta(minutes=1), NOON + HOUR):
        known.mark_used_up(a_use(3, moment))
    assert [use.window.start for use in told] == [NOON, NOON + HOUR]
    assert (known.count_at(NOON + HOUR), known.count_at(NOON)) == (1, 0)


async def test_what_starts_to_wait_while_the_queue_is_read_is_in_the_queue() -> None:
    known = ThresholdCache()

    async def read() -> list[tuple[str, ...]]:
        known.set_queued(("s#S2",))  # a request that was stored as waiting after this read began
        return [("s#S1",)]

    await known.load_queue(read)
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
    rows = "".join(
        f"  - {{id: {name}, order: {order}, when: {{}}, then: {{spoke: x}}, threshold: {{max: 9, period: PT1H}}}}\n"
        for order, name in enumerate(("S1", "S2", "S3"))
    )
    selector = load_selector(f"selector: s\n{inputs}rows:\n{rows}", "s.yaml")
    may_not = known.blocked_for_new_request(NOON, set())(selector)
    assert [name for name in ("S1", "S2", "S3") if name in may_not] == ["S1", "S2"]


async def test_the_queue_is_read_from_the_store_once() -> None:
    known, reads = ThresholdCache(), 0

    async def read() -> list[tuple[str, ...]]:
        nonlocal reads
        reads += 1
        return []

    await known.load_queue(read)
    await known.load_queue(read)
    assert reads == 1


ROWS = ("S1", "S2", "S3", "S4")


@st.composite
def selectors(draw: st.DrawFn) -> SpokeSelector:
    """Draw definitions that fit our run or do not, with a threshold or without."""
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
    known = ThresholdCache()
    for row in full:
        known.mark_used_up(ThresholdUse(definition=f"s#{row}", window=window_at(HOUR, NOON), max_uses=3))
    known.replace_queue(f"s#{row}" for row in queued)
    facts = facts_of(a_document())
    fitting = [row.id for row in selector.table.matching_rows(selector.table.values_of(facts))]
    for may_not, taken in ((known.blocked_for_new_request, full | queued), (known.blocked_for_next_in_queue, full)):
        choice = choose_spoke(selector, facts, may_not(NOON, set())(selector))
        free = [row for row in fitting if row not in selector.thresholds or row not in taken]
        _expect(choice, fitting, free, has_default=selector.table.default is not None)


def _expect(choice: ChosenSpoke | Undecided, fitting: list[str], free: list[str], *, has_default: bool) -> None:
    if free or (has_default and not fitting):
        assert isinstance(choice, ChosenSpoke)
        assert choice.decision.row.id == (free[0] if free else "default")
    else:
        assert isinstance(choice, Undecided)
        assert [row.id for row in choice.rows] == fitting


@pytest.mark.parametrize("in_turn", [False, True])
def test_what_was_denied_a_moment_ago_is_not_asked_for_again(in_turn: bool) -> None:  # noqa: FBT001 - both ways
    inputs = "inputs: [{name: spec, path: test_specification.id, type: string}]\n"
    row = "{id: S1, order: 1, when: {}, then: {spoke: x}, threshold: {max: 1, period: PT1H}}"
    selector, known = load_selector(f"selector: s\n{inputs}rows: [{row}]\n", "s.yaml"), ThresholdCache()
    may_not = known.blocked_for_next_in_queue if in_turn else known.blocked_for_new_request
    assert isinstance(choose_spoke(selector, facts_of(a_document()), may_not(NOON, {"s#S1"})(selector)), Undecided)
