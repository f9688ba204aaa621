"""Derive the ids of commands and notifications from what led to them and from their content."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, assert_never

from router.runs.ids import derive_event_id
from schemas.commands import CancelRun, ChangeRun, Command, SendRun
from schemas.json_text import document_text, json_text
from schemas.results import RequestResult, RunResult, RunUpdate

if TYPE_CHECKING:
    from schemas.results import RunNotification


def derive_message_id(cause: str, message: Command | RunNotification) -> str:
    """Return an id that names this content: published again, it has the same one, and no other content ever has it."""
    # Each result has one id, whichever record led to it. So has the command that sends a run.
    match message:
        case SendRun(run=run):
            return derive_event_id(message.request_id, f"send:{run.run_id}:{_digest_of_command(message)}")
        case ChangeRun(run=run):
            return derive_event_id(cause, f"change:{run.run_id}:{_digest_of_command(message)}")
        case CancelRun(run_id=run_id):
            return derive_event_id(cause, f"cancel:{run_id}:{_digest(json_text(message))}")
        case RunUpdate(kind=kind, run_id=run_id):
            return derive_event_id(cause, f"{kind}:{run_id}:{_digest_of_notification(message)}")
        case RunResult(run_id=run_id):
            return derive_event_id(message.request_id, f"result:{run_id}:{_digest_of_notification(message)}")
        case RequestResult():
            return derive_event_id(message.request_id, f"result:{_digest(json_text(message))}")
        case _:
            assert_never(message)


def _digest_of_command(command: SendRun | ChangeRun) -> str:
    # The row of a run has the same text of its document, which is most of the command and is written once.
    return _digest(document_text(command.run) + command.model_dump_json(exclude={"run"}, exclude_none=True))


def _digest_of_notification(notification: RunUpdate | RunResult) -> str:
    # Both end with these two fields, which are left out: the revision of a run determines the previous one, and a timer
    # that repeats its work after a crash finds another time. In a JSON string their quotes would be escaped.
    text = json_text(notification).rpartition(',"occurred_at":')[0]
    before, found, _ = text.rpartition(',"previous_revision":')
    return _digest(before if found else text)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
