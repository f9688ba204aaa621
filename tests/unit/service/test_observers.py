"""What a profile has to be corrected for is logged with what to do, and not once per run."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from consumers.metrics import REPORT_FAULTS, Metrics
from consumers.record_timeline import TimelineRecorder
from router.runs.checks.missing_parts import UNKNOWN_STATE
from router.runs.run import replace
from schemas.results import Reason
from schemas.vocabulary import Phase
from southbound.service.composition.observers import (
    LOGGED_AGAIN_AFTER,
    MAX_LOGGED_FAULTS,
    ProfileFaultLog,
    row_observer,
)
from tests.builders.runs import a_run
from tests.fakes.run_store import InMemoryTimelines


def reason_of(state: object) -> Reason:
    return Reason(code=UNKNOWN_STATE, message=f"fibre-lab reports the state {state!r}, which is not known: …")


def test_a_state_is_logged_once_an_hour_whatever_the_number_of_runs() -> None:
    now = [0.0]
    states = ProfileFaultLog(lambda: now[0])
    with capture_logs() as lines:
        for number in range(3):
            states.report(a_run(f"TR{number}"), reason_of("finished"))
        now[0] = LOGGED_AGAIN_AFTER
        states.report(a_run("TR9"), reason_of("finished"))
    assert [(line["log_level"], line["code"], line["run"]) for line in lines] == [
        ("warning", UNKNOWN_STATE, "TR0"),
        ("warning", UNKNOWN_STATE, "TR9"),
    ]
    assert {line["event"] for line in lines} == {reason_of("finished").message}


@pytest.mark.parametrize("count", [MAX_LOGGED_FAULTS, 10 * MAX_LOGGED_FAULTS])
def test_a_system_that_invents_states_does_not_fill_the_log(count: int) -> None:
    states = ProfileFaultLog(lambda: 0.0)
    with capture_logs() as lines:
        for number in range(count):
            states.report(a_run(), reason_of(number))
    assert len(lines) == MAX_LOGGED_FAULTS


@pytest.mark.parametrize("code", ["STATE_NOT_SHOWN", "ID_NOT_SHOWN"])
def test_answers_that_the_rules_of_a_profile_miss_are_logged_and_counted(code: str) -> None:
    metrics = Metrics()
    observe = row_observer(
        metrics, TimelineRecorder(InMemoryTimelines(), warn=lambda _: None, on_dropped=lambda _: None)
    )
    missed = (Reason(code=code, message="correct mapping.receive"),)
    with capture_logs() as lines:
        for number in range(3):
            before = a_run(f"TR{number}", phase=Phase.ACCEPTED)
            observe(before, replace(before, revision=2, reasons=missed))
    assert [(line["event"], line["run"]) for line in lines] == [("correct mapping.receive", "TR0")]
    counted = metrics.registry.get_sample_value(REPORT_FAULTS.name, {"spoke": "fibre-lab", "code": code})
    assert counted == len(lines) + 2


def test_the_observer_of_rows_logs_the_reason_of_the_run() -> None:
    timelines = TimelineRecorder(InMemoryTimelines(), warn=lambda _: None, on_dropped=lambda _: None)
    observe = row_observer(Metrics(), timelines)
    before = a_run(phase=Phase.ACCEPTED)
    with capture_logs() as lines:
        after = replace(before, revision=2, reasons=(reason_of("finished"),))
        observe(before, after)
        observe(after, replace(after, revision=3, reasons=(*after.reasons, Reason(code="JEOPARDY", message="late"))))
    assert [line["event"] for line in lines] == [reason_of("finished").message]
