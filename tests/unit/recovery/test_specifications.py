"""A rebuilt run has what it took from its specification, which only its commands say."""

from __future__ import annotations

from datetime import UTC, datetime

from router.recovery.fold import fold_hierarchy
from router.recovery.history import RecordedEvent, collect
from router.specifications.enrichment import apply_specification
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import SendRun
from schemas.lifecycle import RunChanged, RunRequested
from tests.builders.runs import SINGLE, a_document
from tests.builders.specifications import a_specification

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ORDERED = a_document()
ROUTED = apply_specification(ORDERED, a_specification("fibre-line", "TM-1"))
SEND = SendRun(run=ROUTED, request_id="RQ", spoke="fibre-lab", decision=SINGLE)


def recorded(*data: RunRequested | RunChanged | SendRun) -> list[RecordedEvent]:
    return [
        RecordedEvent(Event(headers=EventHeaders(id=f"E{number}"), data=one), NOW) for number, one in enumerate(data)
    ]


def test_a_rebuilt_run_has_the_measures_that_it_took() -> None:
    [row] = fold_hierarchy("TR0001", recorded(RunRequested(run=ORDERED), SEND), NOW).runs
    assert row.requested == ROUTED


def test_a_changed_document_whose_command_is_gone_has_them_too() -> None:
    changed = a_document(version=2)
    history = collect("TR0001", recorded(RunRequested(run=ORDERED), SEND, RunChanged(run=changed)))
    document = history.runs["TR0001"].document_of_version(2)
    assert document == apply_specification(changed, a_specification("fibre-line", "TM-1"))
