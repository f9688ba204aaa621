"""Make a call about a run that was sent: what a change and a cancellation have in common."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from consumers.dispatch.attempts import failed_attempt, store_delay
from consumers.problems import (
    call_failed,
    cancel_method_unsupported,
    external_id_missing,
    external_id_pending,
    reason_of,
)
from consumers.runtime.handler import DeadLetter, RetryLater
from consumers.spokes.port import NotUnderstoodError
from router.responses import NoResponse, Purpose, Verdict, says_nothing
from router.runs.failed_attempt import with_unanswered
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from consumers.spokes.port import Call
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.results import Reason

    ActOnResult = Callable[[Event, RunRow, CallResult, Attempt], Awaitable[Outcome]]

# The same call each, until a change or cancellation that a system never shows counts as refused.
MAX_ATTEMPTS_NOT_SHOWN = 3
MAX_READS = 3  # of a run whose state cannot be read
REFUSALS = (Verdict.REFUSED, Verdict.CONFLICT)
_NO_SUCH_METHOD = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
_MAX_DELAY = 60.0  # seconds between two questions about what was accepted for later
_MAX_DOUBLINGS = 6
_PERHAPS_UNDER_WAY = (408, 460, 499, 502, 504)  # somebody did not wait for the system, which goes on perhaps


class FollowUp(Protocol):
    """A command about a run that was sent. `noun` names the command in error messages."""

    @property
    def noun(self) -> str:
        """For example "change"."""

    @property
    def purpose(self) -> Purpose:
        """Return what its calls are for."""

    @property
    def updater(self) -> RunUpdater:
        """Return the object that stores what happens to the run."""

    @property
    def caller(self) -> Caller:
        """Return the object that makes the HTTP calls to the external system."""

    async def accepted(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Store that the external system accepted the command."""

    async def ambiguous(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """GET the run, because the response does not show whether the external system accepted the command."""

    async def lost(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Store the outcome of the command if the external system does not have the run."""

    async def refused(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store why the command was refused."""

    async def refuse_unless_done(
        self, event: Event, row: RunRow, reasons: tuple[Reason, ...], attempt: Attempt
    ) -> Outcome:
        """GET the run, and store why the command was refused, unless the run shows what was requested."""


async def call_about_run(
    command: FollowUp, event: Event, row: RunRow, call: Call, attempt: Attempt, after_404: ActOnResult | None = None
) -> Outcome:
    """Make one attempt and act on the response: store it, wait for the next attempt, or give up.

    `after_404` decides instead of the command what a 404 or 410 means.
    """
    result = await command.caller.call_about(row, call, event)
    if result.meaning.verdict is Verdict.ACCEPTED:
        return await command.accepted(event, row, result, attempt)
    if result.meaning.verdict is Verdict.LOST and after_404 is not None:
        return await after_404(event, row, result, attempt)
    if result.meaning.verdict in REFUSALS and attempt.number > 1:
        # An earlier attempt, whose response was lost, may have done it: then there is nothing left to do.
        return await command.refuse_unless_done(event, row, refusal_reasons(command, row, result), attempt)
    return await act_on_failure(command, event, row, result, attempt)


async def read_run(command: FollowUp, event: Event, row: RunRow) -> tuple[CallResult, ExternalReport | None]:
    """GET the run, again at once where a success cannot be read. The report is None if no run was read."""
    result = await command.caller.fetch_run(row, event)
    for _ in range(MAX_READS - 1):
        if result.meaning.verdict is not Verdict.ACCEPTED or _report_in(command.caller, row, result) is not None:
            break
        result = await command.caller.fetch_run(row, event)
    return result, _report_in(command.caller, row, result)


def _report_in(caller: Caller, row: RunRow, result: CallResult) -> ExternalReport | None:
    if result.meaning.verdict is not Verdict.ACCEPTED or says_nothing(result.accepted_response()):
        return None
    try:
        return caller.read_run_as_of(row, result)
    except NotUnderstoodError:
        return None


async def act_on_failure(command: FollowUp, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
    """Act on a response that is no success: store the refusal, wait for the next attempt, or give up."""
    match result.meaning.verdict:
        case Verdict.REFUSED | Verdict.CONFLICT:
            return await command.refused(event, row, refusal_reasons(command, row, result))
        case Verdict.LOST:
            return await command.lost(event, row, result, attempt)
        case Verdict.AMBIGUOUS:
            return await command.ambiguous(event, row, attempt)
        case _:
            return await _retry(command, event, row, result, attempt)


def refusal_reasons(command: FollowUp, row: RunRow, result: CallResult) -> tuple[Reason, ...]:
    """Return why a call was refused; of a cancellation that the system has no such method for, what to do, too."""
    response = result.response
    status = None if isinstance(response, NoResponse) else response.status
    if result.purpose is not Purpose.CANCEL or status not in _NO_SUCH_METHOD:
        return result.meaning.reasons
    return (*result.meaning.reasons, cancel_method_unsupported(command.caller.spoke(row.spoke).profile, status))


async def wait_for_id(command: FollowUp, event: Event, row: RunRow, attempt: Attempt, delay: float | None) -> Outcome:
    """Wait for the external id of a run that was accepted without one; give up if there is no delay."""
    if delay is not None:
        return await wait_for_next(command, event, row, attempt, external_id_pending(row), delay)
    problem = external_id_missing(row, f"The {command.noun}")
    await command.refused(event, row, (reason_of(problem),))
    return DeadLetter(problem, is_consequence=True)


async def wait_until_shown(
    command: FollowUp, event: Event, row: RunRow, attempt: Attempt, reasons: tuple[Reason, ...]
) -> Outcome:
    """Wait for the next attempt, because the system answers with success and does not show what was requested.

    After some attempts that counts as a refusal.
    """
    number, reason = attempt.number - command.caller.outages.history_of(event.id).excluded, reasons[0]
    if number >= MAX_ATTEMPTS_NOT_SHOWN:
        return await command.refused(event, row, reasons)
    sentence = f"The {command.noun} of run {row.run_id} is not shown by {row.spoke}: {reason.message}"
    problem = Problem(code=reason.code, sentence=sentence)
    return await wait_for_next(command, event, row, attempt, problem, 2.0 ** (number - 1))


async def _retry(command: FollowUp, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
    problem = call_failed(result, f"The {command.noun} of run {row.run_id} could not be sent to {row.spoke}")
    delay = command.caller.delay_after(row.spoke, result, attempt, event.id)
    is_excluded = delay is not None and command.caller.outages.history_of(event.id).is_outage
    failed = failed_attempt(
        command.caller,
        event,
        attempt,
        problem,
        delay,
        command.purpose,
        is_excluded=is_excluded,
        follows=followed_address(event, row),
    )
    sent_at = _sent_at(result)
    if delay is not None or sent_at is not None:
        kept = with_unanswered(failed, row.failed_attempt, sent_at)
        row = await store_delay(command.updater, event, row, kept)
    if delay is not None:
        return RetryLater(delay, problem)
    await command.refused(event, row, (reason_of(problem),))
    return DeadLetter(problem)


async def wait_for_next(
    command: FollowUp,
    event: Event,
    row: RunRow,
    attempt: Attempt,
    problem: Problem,
    delay: float,
    *,
    follows: str = "",
) -> Outcome:
    """Wait `delay` seconds for the next attempt; the row keeps why, and which address is `followed` until then."""
    failed = failed_attempt(
        command.caller,
        event,
        attempt,
        problem,
        delay,
        command.purpose,
        follows=follows or followed_address(event, row),
    )
    await store_delay(command.updater, event, row, with_unanswered(failed, row.failed_attempt, None))
    return RetryLater(delay, problem)


def _sent_at(result: CallResult) -> datetime | None:
    """Return when a change was sent that its system, or one behind a gateway, may still make; None if it cannot."""
    response = result.response
    if result.purpose is not Purpose.CHANGE or result.meaning.declared is not None:
        return None  # what a profile declares says that nothing was done
    if isinstance(response, NoResponse):
        return result.asked_at if response.perhaps_sent and not response.was_accepted else None
    return result.asked_at if response.status in _PERHAPS_UNDER_WAY else None


def followed_address(event: Event, row: RunRow) -> str:
    """Return the address that earlier attempts at this command have followed; empty if there is none."""
    last = row.failed_attempt
    return last.follows if last is not None and last.command == event.id else ""


def growing_delay(attempt: Attempt) -> float:
    """Return the seconds until the outcome of what the system accepted for later is asked for again."""
    return min(math.ldexp(1.0, min(attempt.number - 1, _MAX_DOUBLINGS)), _MAX_DELAY)


def is_overdue(caller: Caller, attempt: Attempt, limit: float) -> bool:
    """Return whether the first attempt at a command was made more than `limit` seconds ago."""
    now = caller.now()
    return (now - (attempt.first_at or now)).total_seconds() >= limit
