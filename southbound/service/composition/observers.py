"""Count and log what handlers report."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from consumers.metrics import (
    CALL_SECONDS,
    CALLBACKS,
    CALLS,
    COMMANDS_REPEATED,
    INPUTS_MISSING,
    REPORT_FAULTS,
    RUNS_ENDED,
    WRONG_KEYS,
)
from router.outcomes import FAULT_CODES
from router.runs.checks.missing_parts import UNKNOWN_STATE
from router.runs.reports.unread_fields import ID_NOT_SHOWN, STATE_NOT_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.dispatch.call import CallObserver, ObservedCall
    from consumers.inbound.listener import CountCallback
    from consumers.metrics import Metrics
    from consumers.record_timeline import TimelineRecorder
    from consumers.runtime.faults import ProblemReporter
    from consumers.runtime.handler import Record
    from consumers.spokes.limits.circuit_breaker import CircuitBreaker
    from router.runs.run import RunRow
    from router.selection.thresholds import ThresholdUse
    from schemas.problem import Problem
    from schemas.results import Reason, RunResult

log = structlog.get_logger()
LOGGED_AGAIN_AFTER = 3_600.0  # seconds
MAX_LOGGED_FAULTS = 100  # in that time
LOGGED_CODES = frozenset({UNKNOWN_STATE, STATE_NOT_SHOWN, ID_NOT_SHOWN})


def log_used_up(use: ThresholdUse) -> None:
    """Log that a definition takes no more runs until its period ends."""
    log.info("definition used up", definition=use.definition, until=use.window.end.isoformat())


def log_breaker(spoke: str, calls: str, breaker: CircuitBreaker) -> None:
    """Log that a circuit breaker opened or closed."""
    if breaker.is_shut():
        log.warning(
            "system is down: no calls are made, one at a time finds out whether it is back",
            spoke=spoke,
            calls=calls,
            problem=breaker.reason,
        )
    else:
        log.info("system is back", spoke=spoke, calls=calls)


def log_timeline_failure(sentence: str) -> None:
    """Log that timelines are stored later, or not at all."""
    log.warning("timelines of runs not stored", problem=sentence)


def log_waiting(run_id: str, definitions: tuple[str, ...]) -> None:
    """Log that a request waits for a threshold."""
    log.info("request waiting for threshold", run=run_id, definitions=[*definitions])


def callback_counter(metrics: Metrics) -> CountCallback:
    """Return a function that counts callbacks by spoke and outcome."""
    return lambda spoke, outcome: metrics.count(CALLBACKS, spoke, outcome)


def wrong_key_counter(metrics: Metrics, role: str, reporter: ProblemReporter) -> Callable[[Record, Problem], None]:
    """Count every record with a wrong key, and log the first one of each half minute."""

    def count(record: Record, problem: Problem) -> None:
        metrics.count(WRONG_KEYS, role, record.partition.topic)
        partition = record.partition
        where = f"{partition.topic}[{partition.number}] offset {record.offset}"
        reporter.report(replace(problem, sentence=f"{where}: {problem.sentence}"), time.monotonic())

    return count


def repetition_counter(metrics: Metrics) -> Callable[[RunRow], None]:
    """Count and log runs whose commands are published again."""

    def count(row: RunRow) -> None:
        metrics.count(COMMANDS_REPEATED, row.spoke, row.phase)
        log.warning(
            "run not moved for a day: its command is published again",
            run=row.run_id,
            spoke=row.spoke,
            phase=row.phase,
            since=row.updated_at.isoformat(),
        )

    return count


def missing_input_counter(metrics: Metrics) -> Callable[[str, str], None]:
    """Return a function that counts the inputs of tables that a run does not have."""
    return lambda table, name: metrics.count(INPUTS_MISSING, table, name)


def call_observer(metrics: Metrics, timelines: TimelineRecorder) -> CallObserver:
    """Return a function that counts the calls of external systems, and records their durations and timelines."""

    def observe(observed: ObservedCall) -> None:
        spoke, purpose = observed.system.name, observed.call.purpose
        metrics.count(CALLS, spoke, purpose, observed.meaning.verdict)
        metrics.observe_duration(CALL_SECONDS, (observed.ended - observed.began).total_seconds(), spoke, purpose)
        timelines.call_made(observed)

    return observe


class ProfileFaultLog:
    """Logs what a profile is to be corrected for, such as an unknown state: once an hour, for any number of runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: set[str] = set()
        self._since = clock()

    def report(self, row: RunRow, reason: Reason) -> None:
        """Log the reason of a run, unless another run had the same, or there are ever new ones."""
        now = self._clock()
        if now - self._since >= LOGGED_AGAIN_AFTER:
            self._logged.clear()
            self._since = now
        if reason.message not in self._logged and len(self._logged) < MAX_LOGGED_FAULTS:
            self._logged.add(reason.message)
            log.warning(reason.message, code=reason.code, spoke=row.spoke, run=row.run_id)


def row_observer(metrics: Metrics, timelines: TimelineRecorder) -> Callable[[RunRow | None, RunRow], None]:
    """Return a function that counts the faults that reports brought to a run, and records its timeline."""
    faults = ProfileFaultLog()

    def observe(before: RunRow | None, after: RunRow) -> None:
        timelines.row_stored(before, after)
        if before is not None and after.reasons is not before.reasons:
            for reason in after.reasons:
                if reason.code in FAULT_CODES and reason not in before.reasons:
                    metrics.count(REPORT_FAULTS, after.spoke, reason.code)
                    if reason.code in LOGGED_CODES:
                        faults.report(after, reason)

    return observe


def result_counter(metrics: Metrics) -> Callable[[RunResult], None]:
    """Return a function that counts and logs the runs that end."""

    def count(result: RunResult) -> None:
        metrics.count(RUNS_ENDED, result.spoke, result.state, result.result or "none")
        log.info("run ended", run=result.run_id, spoke=result.spoke, state=result.state, result=result.result)

    return count
