"""What the fold makes of topics that say little: it prefers a look-up to a POST."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from router.recovery.differences import differences
from router.recovery.fold import FoldedHierarchy, fold_hierarchy
from router.recovery.history import RecordedEvent
from router.runs.checks.watch import Missing
from router.runs.run import replace
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import SendRun
from schemas.lifecycle import RunRequested
from schemas.results import Reason, RunResult, RunUpdate
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import NOON, SINGLE, TREE, a_document, a_tree

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.catalogue import EventData

LATER = NOON + timedelta(hours=1)


def a_send(run_id: str = "TR1", **more: object) -> SendRun:
    command = SendRun(run=a_document(run_id), request_id="RQ1", spoke="fibre-lab", decision=SINGLE)
    return command.model_copy(update=more)


def an_update(kind: UpdateKind, phase: Phase, revision: int, run_id: str = "TR1", **more: object) -> RunUpdate:
    update = RunUpdate(
        run_id=run_id,
        root_run_id=run_id,
        request_id="RQ1",
        spoke="fibre-lab",
        kind=kind,
        phase=phase,
        version=1,
        revision=revision,
        occurred_at=NOON,
    )
    return update.model_copy(update=more)


def fold(*messages: EventData, root: str = "TR1", replay: str | None = None, at: datetime = NOON) -> FoldedHierarchy:
    events = [
        RecordedEvent(Event(headers=EventHeaders(id=f"event {number}", replay=replay), data=data), at)
        for number, data in enumerate(messages)
    ]
    return fold_hierarchy(root, events, LATER)


ACCEPTED = an_update(UpdateKind.ACCEPTED, Phase.ACCEPTED, 3, external_id="ext-1", state=RunState.ACKNOWLEDGED)
FALLOUT = an_update(UpdateKind.FALLOUT, Phase.FALLOUT, 4)


def test_a_run_that_was_commanded_and_is_not_known_to_be_accepted_is_in_doubt() -> None:
    [row] = fold(RunRequested(run=a_document("TR1")), a_send()).runs
    assert (row.phase, row.sent_at, row.sent) == (Phase.IN_DOUBT, LATER, a_document("TR1"))


def test_notifications_in_any_order_lead_to_the_row_of_the_highest_revision() -> None:
    progress = an_update(
        UpdateKind.PROGRESS, Phase.IN_PROGRESS, 5, external_id="ext-1", state=RunState.IN_PROGRESS, external_href="/1"
    )
    rows = [fold(*order).runs[0] for order in ((a_send(), ACCEPTED, progress), (progress, ACCEPTED, a_send()))]
    assert differences("TR1", *rows) == ()
    assert (rows[0].phase, rows[0].revision, rows[0].external_href) == (Phase.IN_PROGRESS, 5, "/1")


def test_a_request_that_has_neither_command_nor_notification_is_not_stored() -> None:
    assert fold(RunRequested(run=a_document("TR1"))).runs == ()


def test_an_update_about_a_run_that_the_store_never_had_makes_no_row() -> None:
    assert fold(RunRequested(run=a_document("TR1")), an_update(UpdateKind.FALLOUT, Phase.FALLOUT, 0)).runs == ()


def test_a_run_whose_request_and_command_have_expired_is_named() -> None:
    folded = fold(ACCEPTED)
    assert (folded.runs, folded.expired) == ((), ("TR1",))


def test_a_command_that_is_done_and_whose_outcome_has_expired_is_no_doubt() -> None:
    """Its system may have deleted the run long ago, and a look-up that does not find it would lead to a second POST."""
    command = Event(headers=EventHeaders(id="1"), data=a_send())
    done, open_ = (RecordedEvent(command, NOON, is_done) for is_done in (True, False))
    folded = fold_hierarchy("TR1", [done], LATER)
    assert (folded.runs, folded.expired) == ((), ("TR1",))
    [row] = fold_hierarchy("TR1", [done, open_], LATER).runs
    assert row.phase is Phase.IN_DOUBT


def test_a_system_that_said_yes_unreadably_is_not_posted_to_again_when_the_run_is_not_found() -> None:
    unread = Reason(code="RESPONSE_UNREADABLE", message="no JSON")
    doubt = an_update(UpdateKind.IN_DOUBT, Phase.IN_DOUBT, 3, reasons=(unread,))
    [row] = fold(a_send(), doubt).runs
    assert row.doubt is not None
    assert row.doubt.was_accepted


def test_a_run_in_fallout_stays_there_and_is_looked_up_when_it_is_redriven() -> None:
    [row] = fold(a_send(), FALLOUT).runs
    assert (row.phase, row.sent_at) == (Phase.FALLOUT, LATER)


def test_a_run_that_was_redriven_after_its_fallout_is_in_doubt() -> None:
    """In fallout, a person's word for the first POST would count for the one of the redrive as well."""
    before = [RecordedEvent(Event(headers=EventHeaders(id="1"), data=data), NOON) for data in (a_send(), FALLOUT)]
    redriven = RecordedEvent(Event(headers=EventHeaders(id="1", replay="redrive-1"), data=a_send()), LATER)
    [row] = fold_hierarchy("TR1", [*before, redriven], LATER).runs
    assert row.phase is Phase.IN_DOUBT


def test_a_run_whose_request_was_a_dead_letter_was_created_when_that_was_redriven() -> None:
    request, much_later = RunRequested(run=a_document("TR1")), LATER + timedelta(hours=1)
    recorded: list[tuple[str | None, EventData, datetime]] = [
        (None, request, NOON),
        ("redrive-1", request, LATER),
        (None, a_send(), LATER + timedelta(seconds=1)),
    ]
    # Redriven once more, because its process was killed before its commit: the run was there already.
    recorded.append(("redrive-2", request, much_later))
    events = [
        RecordedEvent(Event(headers=EventHeaders(id="1", replay=mark), data=data), at) for mark, data, at in recorded
    ]
    command_first = sorted(events, key=lambda each: isinstance(each.event.data, RunRequested))
    for order in (events, command_first):
        [row] = fold_hierarchy("TR1", order, much_later).runs
        assert row.created_at == LATER


@pytest.mark.parametrize(
    ("code", "missing"), [("MEASURES_AWAITED", Missing.MEASURES), ("NOT_FOUND_AT_SYSTEM", Missing.RUN)]
)
def test_a_system_is_asked_at_once_for_what_a_run_waited_for(code: str, missing: Missing) -> None:
    waits = an_update(
        UpdateKind.PROGRESS, Phase.ACCEPTED, 4, external_id="ext-1", reasons=(Reason(code=code, message="it waits"),)
    )
    [row] = fold(a_send(), ACCEPTED, waits).runs
    assert row.watch is not None
    assert (row.watch.missing, row.watch.due) == (missing, LATER)


def test_a_run_that_was_lost_and_is_back_goes_on() -> None:
    lost = RunResult(
        run_id="TR1",
        root_run_id="TR1",
        request_id="RQ1",
        spoke="fibre-lab",
        external_id="ext-1",
        state=RunState.FAILED,
        reasons=(Reason(code="LOST", message="it is gone"),),
        revision=4,
        occurred_at=NOON,
    )
    [ended] = fold(a_send(), ACCEPTED, lost).runs
    assert (ended.phase, ended.watch and ended.watch.missing) == (Phase.FAILED, Missing.RETURN)
    back = an_update(UpdateKind.PROGRESS, Phase.IN_PROGRESS, 5, external_id="ext-1", state=RunState.IN_PROGRESS)
    [row] = fold(a_send(), ACCEPTED, lost, back).runs
    assert (row.phase, row.result, row.finished_at) == (Phase.IN_PROGRESS, None, None)


def test_a_child_whose_command_was_never_published_gets_one_and_is_looked_up_first() -> None:
    tree = a_tree("TR1", 2)
    root = tree.model_copy(update={"children": ()})
    folded = fold(RunRequested(run=tree), a_send(run=root, decision=TREE))
    assert [row.run_id for row in folded.uncommanded] == ["TR1-1", "TR1-2"]
    assert {(row.phase, row.sent_at, row.request_id) for row in folded.uncommanded} == {(Phase.ROUTED, LATER, "RQ1")}


def test_a_result_of_a_request_that_was_not_published_is_named() -> None:
    ended = RunResult(
        run_id="TR1",
        root_run_id="TR1",
        request_id="RQ1",
        spoke="fibre-lab",
        state=RunState.COMPLETED,
        revision=4,
        occurred_at=NOON,
    )
    [result] = fold(a_send(), ACCEPTED, ended).unpublished
    assert (result.request_id, result.occurred_at) == ("RQ1", NOON)
    assert fold(a_send(), ACCEPTED, ended, result).unpublished == ()


def test_a_difference_names_the_run_and_the_field() -> None:
    [row] = fold(a_send(), ACCEPTED).runs
    [found] = differences("TR1", row, replace(row, external_id="ext-2"))
    assert found == ("TR1", "external_id", "ext-1", "ext-2")
    [missing] = differences("TR1", row, None)
    assert missing == ("TR1", "phase", "accepted", None)
    assert differences("TR1", row, replace(row, revision=9, updated_at=LATER)) == ()


def test_a_replay_of_the_command_is_no_redrive_and_an_update_that_is_published_again_is_not_newer() -> None:
    def at(hours: int, message: EventData, replay: str | None = None) -> RecordedEvent:
        headers = EventHeaders(id=f"{type(message).__name__}", replay=replay)
        return RecordedEvent(Event(headers=headers, data=message), NOON + timedelta(hours=hours))

    recorded = [at(0, a_send()), at(1, FALLOUT)]
    [row] = fold_hierarchy("TR1", [*recorded, at(2, a_send(), "replay-1")], LATER).runs
    assert row.phase is Phase.FALLOUT
    [row] = fold_hierarchy("TR1", [*recorded, at(2, a_send(), "redrive-1"), at(3, FALLOUT, "replay-1")], LATER).runs
    assert row.phase is Phase.IN_DOUBT
