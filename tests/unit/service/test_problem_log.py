"""The log of a dead letter names its event."""

from __future__ import annotations

from structlog.testing import capture_logs

from consumers.metrics import Metrics, WorkerMetrics
from consumers.runtime.handler import DeadLetter, Partition, Record, RetryLater
from consumers.runtime.monitoring import AttemptEnded
from schemas.problem import Problem
from southbound.service.logs import log_problem

PROBLEM = Problem(code="UNDECODABLE", sentence="The value is no event.")
RECORD = Record(Partition(topic="testrun.lifecycle", number=3, epoch=1), 42, b"TR0001\x1b", b"\xff", (), 0)


def observer() -> WorkerMetrics:
    return WorkerMetrics(Metrics(), "routing", log_problem)


def test_the_log_of_a_dead_letter_names_its_event() -> None:
    with capture_logs() as lines:
        observer().attempt_ended(AttemptEnded(RECORD, 1, DeadLetter(PROBLEM), 0.1))
    (line,) = lines
    assert (line["event"], line["code"]) == ("The value is no event.", "UNDECODABLE")
    assert (line["topic"], line["partition"], line["offset"]) == ("testrun.lifecycle", 3, 42)
    assert line["key"] == "TR0001·"


def test_a_problem_between_records_names_no_event_and_a_retry_is_not_logged() -> None:
    with capture_logs() as lines:
        observer().problem_reported(PROBLEM)
        observer().attempt_ended(AttemptEnded(RECORD, 1, RetryLater(1.0, PROBLEM), 0.1))
    (line,) = lines
    assert "topic" not in line
