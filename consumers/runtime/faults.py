"""Say of an exception what it is and where it was raised, never its own words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.problem import Problem

if TYPE_CHECKING:
    from types import TracebackType

    from consumers.runtime.handler import Record
    from consumers.runtime.monitoring import Observer


_FRAMES = 12  # the innermost ones; the outer ones are always ours


def fault(code: str, what: str, exception: BaseException) -> Problem:
    """Report a fault of ours; `what` opens the sentence ("The worker broke"), the detail has the frames."""
    # The exception's own words could quote a payload or a credential: its type and place must do.
    sentence = f"{what} with {type(exception).__name__}: tell a developer"
    return Problem(code=code, sentence=sentence, detail=frames(exception))


def frames(exception: BaseException) -> str:
    """Give the way to where it was raised, one frame a line."""
    return "\n".join([_line(trace) for trace in _traces(exception.__traceback__)][-_FRAMES:])


def _traces(trace: TracebackType | None) -> list[TracebackType]:
    found = []
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found


def _line(trace: TracebackType) -> str:
    code = trace.tb_frame.f_code
    return f"{code.co_filename}:{trace.tb_lineno} in {code.co_qualname}"


REPEAT_AFTER = 30.0  # seconds until the same kind of complaint is made again


class ProblemReporter:
    """Pass troubles on to the observer, one of each code at a time: sentences name records and never repeat."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._said_at: dict[str, float] = {}

    def make(self, problem: Problem, now: float) -> None:
        """Complain, unless somebody did about the same code a moment ago."""
        if now - self._said_at.get(problem.code, float("-inf")) >= REPEAT_AFTER:
            self._said_at[problem.code] = now
            self._observer.problem_reported(problem)

    def about(self, record: Record, tried: int, problem: Problem, now: float) -> None:
        """Complain about one record that is tried again and again."""
        place = record.partition
        where = f"{place.topic}[{place.number}] offset {record.offset}"
        self.make(replace(problem, sentence=f"{where} was tried {tried} times and waits: {problem.sentence}"), now)
