"""Report an exception by its type and the place where it was raised, never by its message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.problem import Problem

if TYPE_CHECKING:
    from types import TracebackType

    from consumers.runtime.handler import Record
    from consumers.runtime.monitoring import Observer


_MAX_FRAMES = 12  # the innermost frames; the outer ones are always ours


def internal_problem(code: str, summary: str, exception: BaseException) -> Problem:
    """Return the problem for a programming error.

    `summary` opens the sentence ("The worker broke"), the detail has the frames.
    """
    # The message of an exception could quote a payload or a credential: its type and place must do.
    sentence = f"{summary} with {type(exception).__name__}: tell a developer"
    return Problem(code=code, sentence=sentence, detail=stack_frames(exception))


def stack_frames(exception: BaseException) -> str:
    """Return the frames down to where it was raised, one per line."""
    return "\n".join([_frame_line(trace) for trace in _traces(exception.__traceback__)][-_MAX_FRAMES:])


def _traces(trace: TracebackType | None) -> list[TracebackType]:
    found = []
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found


def _frame_line(trace: TracebackType) -> str:
    code = trace.tb_frame.f_code
    return f"{code.co_filename}:{trace.tb_lineno} in {code.co_qualname}"


REPEAT_AFTER = 30.0  # seconds until a problem with the same code is reported again


class ProblemReporter:
    """Passes problems to the observer, at most one of each code at a time: sentences name records and differ."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._said_at: dict[str, float] = {}

    def report(self, problem: Problem, now: float) -> None:
        """Report a problem, unless one with the same code was reported a moment ago."""
        if now - self._said_at.get(problem.code, float("-inf")) >= REPEAT_AFTER:
            self._said_at[problem.code] = now
            self._observer.problem_reported(problem)

    def report_record(self, record: Record, tried: int, problem: Problem, now: float) -> None:
        """Report one record that is retried again and again."""
        partition = record.partition
        where = f"{partition.topic}[{partition.number}] offset {record.offset}"
        self.report(replace(problem, sentence=f"{where} was tried {tried} times and waits: {problem.sentence}"), now)
