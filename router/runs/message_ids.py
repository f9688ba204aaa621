"""Derive the ids of commands and notifications from what led to them and from their content."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, assert_never

from router.runs.ids import derive_event_id
from schemas.commands import CancelRun, ChangeRun, Command, SendRun
from schemas.results import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from schemas.results import RunNotification


def derive_message_id(cause: str, message: Command | RunNotification) -> str:
    """Return an id that names this content: published again, it has the same one, and no other content ever has it."""
    role = _role(message)
    match message:
        # Each result has one id, whichever record led to it. So has the command that sends a run.
        case SendRun() | RunResult() | RequestResult():
            return derive_event_id(message.request_id, role)
        case ChangeRun() | CancelRun() | RunUpdate():
            return derive_event_id(cause, role)
        case _:
            assert_never(message)


# The revision of a run determines both; a timer that repeats its work after a crash finds another time.
_FIXED = {"occurred_at", "previous_revision"}
# A field that is newer than the ids of messages without it.
_FIXED_WITHOUT_PROGRESS = _FIXED | {"request_progress"}


def _not_in_id(message: Command | RunNotification) -> set[str] | None:
    match message:
        case RunUpdate():
            return _FIXED if message.request_progress else _FIXED_WITHOUT_PROGRESS
        case RunResult():
            return _FIXED
        case RequestResult():
            return None if message.reasons else {"reasons"}
        case _:
            return None


def _role(message: Command | RunNotification) -> str:
    digest = sha256(message.model_dump_json(exclude=_not_in_id(message)).encode()).hexdigest()
    match message:
        case SendRun():
            return f"send:{message.run.run_id}:{digest}"
        case ChangeRun():
            return f"change:{message.run.run_id}:{digest}"
        case CancelRun():
            return f"cancel:{message.run_id}:{digest}"
        case RunUpdate():
            return f"{message.kind}:{message.run_id}:{digest}"
        case RunResult():
            return f"result:{message.run_id}:{digest}"
        case RequestResult():
            return f"result:{digest}"
        case _:
            assert_never(message)
