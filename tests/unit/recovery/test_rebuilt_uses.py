"""A rebuilt store has counted the requests of the windows that are open, as the lost one had."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from router.recovery.fold import FoldedHierarchy, fold_hierarchy
from router.recovery.history import RecordedEvent
from router.recovery.rebuilt_uses import RebuiltUses, definition_name
from router.selection.thresholds import UseCount, window_at
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import PinnedDecision, SendRun
from schemas.lifecycle import RunRequested
from tests.builders.runs import NOON, a_document

HOUR = timedelta(hours=1)
MOMENTS = st.datetimes(NOON.replace(tzinfo=None) - 3 * HOUR, NOON.replace(tzinfo=None)).map(
    lambda moment: moment.replace(tzinfo=NOON.tzinfo)
)


def decided_by(selector: str) -> PinnedDecision:
    return PinnedDecision(policy="p@1#a", selector=selector, hierarchical=False)


def decisions(selector: str, *moments: datetime) -> FoldedHierarchy:
    return FoldedHierarchy(decided=tuple([(decided_by(selector), moment) for moment in moments]))


@given(st.lists(MOMENTS), MOMENTS)
def test_the_requests_of_open_windows_are_counted_and_no_others(moments: list[datetime], at: datetime) -> None:
    uses = RebuiltUses(periods={"s#A": HOUR}, at=at)
    uses.add(decisions("s@7#A", *moments))
    uses.add(decisions("s@7#B", *moments))  # its uses are not limited
    counted = [*uses.counts()]
    open_ones = [moment for moment in moments if window_at(HOUR, moment).end > at]
    assert sum(count.uses for count in counted) == len(open_ones)
    assert {count.window for count in counted} == {window_at(HOUR, moment) for moment in open_ones}
    assert {count.definition for count in counted} <= {"s#A"}


def test_versions_of_a_table_share_the_count_of_a_definition() -> None:
    uses = RebuiltUses(periods={"s#A": HOUR}, at=NOON)
    uses.add(decisions("s@1#A", NOON))
    uses.add(decisions("s@2#A", NOON))
    assert [*uses.counts()] == [UseCount(definition="s#A", window=window_at(HOUR, NOON), uses=2)]


def test_a_definition_is_named_without_the_version_of_its_table() -> None:
    assert definition_name(decided_by("spoke-selector@2026.1#S10")) == "spoke-selector#S10"


def test_a_request_that_waited_is_counted_when_its_command_was_published() -> None:
    root, decision = a_document("TR1"), decided_by("s@1#A")
    requested = RecordedEvent(Event(headers=EventHeaders(id="1"), data=RunRequested(run=root)), NOON)
    command = SendRun(run=root, request_id="RQ1", spoke="fibre-lab", decision=decision)
    sent = RecordedEvent(Event(headers=EventHeaders(id="2"), data=command), NOON + 5 * HOUR)
    assert fold_hierarchy("TR1", [requested, sent], NOON + 6 * HOUR).decided == ((decision, NOON + 5 * HOUR),)
