"""The line of an event names only what the event has."""

from __future__ import annotations

from schemas.results import Reason, RunUpdate
from schemas.vocabulary import Phase, UpdateKind
from southbound.operations.events.event_summary import event_summary
from tests.builders.runs import NOON

FALLOUT = RunUpdate(
    run_id="TR0001",
    root_run_id="TR0001",
    request_id="RQ0001",
    spoke="",
    kind=UpdateKind.FALLOUT,
    phase=Phase.FALLOUT,
    version=1,
    reasons=(Reason(code="NO_ROW_MATCHES", message="no row matches"),),
    revision=1,
    occurred_at=NOON,
)


def test_an_update_about_a_run_that_was_not_routed_names_no_system() -> None:
    assert event_summary(FALLOUT) == "fallout · NO_ROW_MATCHES: no row matches"


def test_an_update_about_a_run_that_was_routed_names_its_system() -> None:
    update = FALLOUT.model_copy(update={"spoke": "fibre-lab"})
    assert event_summary(update).startswith("fallout at fibre-lab · ")
