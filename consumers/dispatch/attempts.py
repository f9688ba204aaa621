"""Count the attempts at a command over all processes that make them, with what the run's row keeps of the last one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.runtime.handler import DeadLetter, RetryLater
from router.runs.events import CommandDelayed
from router.runs.failed_attempt import MAX_MESSAGE_LENGTH, FailedAttempt, unanswered_before
from schemas.problem import Problem
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.responses import Purpose
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event


def count_attempt(caller: Caller, event: Event, row: RunRow, attempt: Attempt) -> Attempt:
    """Return the attempt as it counts with those of other processes at the same command."""
    now, last = caller.now(), row.failed_attempt
    if last is None or last.first_at is None or not last.is_at(event.id):
        return attempt._replace(first_at=now - timedelta(seconds=attempt.elapsed))
    if attempt.number > last.number and caller.outages.has_attempts_at(event.id):
        return attempt._replace(first_at=last.first_at)
    # Another process made the last attempt, or this one before its partition was elsewhere.
    since_first = max(0.0, (now - last.first_at).total_seconds())
    continued = attempt._replace(
        number=attempt.number + (last.number if attempt.number <= last.number else 0),
        elapsed=max(attempt.elapsed, since_first),
        first_at=last.first_at,
    )
    # Nobody made an attempt since the next one was due, which is not the run's fault.
    idle_since = last.at if last.is_excluded or last.next_at is None else last.next_at
    idle = max(0.0, (now - idle_since).total_seconds())
    caller.outages.continue_at(event.id, continued, last.excluded, last.excluded_seconds + idle)
    return continued


def rest_of_wait(caller: Caller, row: RunRow, attempt: Attempt, counted: Attempt) -> RetryLater | None:
    """Return what is left of the wait after another process's last attempt; None if the next one is due.

    An outage may be over, and a look-up does no harm, so these are not waited for.
    """
    last = row.failed_attempt
    if attempt.number == counted.number or last is None or last.next_at is None or last.is_excluded:
        return None
    if row.phase in (Phase.SENDING, Phase.IN_DOUBT):
        return None
    policy = caller.spoke(row.spoke).profile.retry.policy()
    left = min((last.next_at - caller.now()).total_seconds(), max(policy.max_interval, policy.max_elapsed))
    if left <= 0:
        return None
    return RetryLater(
        left, Problem(code=last.code, sentence=last.message), counted=counted._replace(number=last.number)
    )


def with_count(outcome: Outcome, counted: Attempt) -> Outcome:
    """Return the outcome of an attempt with its number and time over all processes."""
    if isinstance(outcome, RetryLater | DeadLetter) and outcome.counted is None:
        return replace(outcome, counted=counted)
    return outcome


def failed_attempt(
    caller: Caller,
    event: Event,
    attempt: Attempt,
    problem: Problem,
    delay: float | None,
    purpose: Purpose,
    *,
    is_excluded: bool = False,
    follows: str = "",
) -> FailedAttempt:
    """Return what a row keeps of an attempt at a command, after which the run waits for `delay` seconds."""
    now, history = caller.now(), caller.outages.history_of(event.id)
    return FailedAttempt(
        number=attempt.number,
        at=now,
        next_at=None if delay is None else now + timedelta(seconds=delay),
        code=problem.code,
        message=problem.sentence[:MAX_MESSAGE_LENGTH],
        purpose=purpose,
        command=event.id,
        first_at=attempt.first_at or now - timedelta(seconds=attempt.elapsed),
        excluded=history.excluded,
        excluded_seconds=history.excluded_seconds,
        is_excluded=is_excluded,
        follows=follows,
    )


def wait_for_unanswered(caller: Caller, event: Event, rows: Sequence[RunRow], attempt: Attempt) -> RetryLater | None:
    """Return how long a change waits for one that was sent before and not answered; None if it need not wait.

    The system may still make the older one, which would undo the newer one. `rows` are the runs that the call changes.
    """
    sent = [at for row in rows if (at := unanswered_before(row.failed_attempt, event.id)) is not None]
    settle_time = caller.profile_of(rows[0].spoke).effective_settle_time
    left = settle_time - (caller.now() - max(sent)).total_seconds() if sent else 0.0
    if left <= 0:
        return None
    caller.exclude_attempt(rows[0].spoke, attempt, event.id)
    problem = Problem(
        code="CHANGE_UNSETTLED",
        sentence=f"{rows[0].spoke} has not answered an older change of run {rows[0].run_id}, and would undo a newer "
        f"one if it made that late: the newer one is sent in {left:.0f} s.",
    )
    return RetryLater(left, problem)


async def store_delay(updater: RunUpdater, event: Event, row: RunRow, failed: FailedAttempt) -> RunRow:
    """Store an attempt at a command of which nothing else is stored, unless it is one of many during an outage."""
    last = row.failed_attempt
    is_known = last is not None and (last.command, last.unanswered_at) == (failed.command, failed.unanswered_at)
    if failed.is_excluded and is_known and last is not None and last.is_excluded:
        return row
    return await updater.store_fact(event, row, CommandDelayed(failed_attempt=failed))
