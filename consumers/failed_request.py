"""Read the run of a record that became a dead letter, even if the record is not a valid event."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from router.runs.ids import event_id_at
from schemas.codec.cloudevents import read_headers
from schemas.codec.envelope import Event
from schemas.codec.errors import UndecodableError
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.handler import Record
    from schemas.codec.envelope import Envelope

MAX_RUNS = 500  # of a hierarchy; its root is always among them
MAX_ID_LENGTH = 500  # characters
_MAX_VERSION = 2**63 - 1


class RequestKind(StrEnum):
    """The kind of a request about a run."""

    SEND = "send"
    CHANGE = "change"
    CANCEL = "cancel"


_KIND_OF_TYPE = {
    "RunRequested": RequestKind.SEND,
    "SendRun": RequestKind.SEND,
    "RunChanged": RequestKind.CHANGE,
    "ChangeRun": RequestKind.CHANGE,
    "RunCancelled": RequestKind.CANCEL,
    "CancelRun": RequestKind.CANCEL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequest:
    """The readable parts of a request that became a dead letter.

    `run_ids` are the run and the children that its document embeds. `request_id` and `spoke` are those of a command.
    `cause` has the headers of the record; its data is only a placeholder if the record is no valid event.
    """

    kind: RequestKind
    run_ids: tuple[str, ...]
    root_run_id: str
    version: int
    cause: Event
    request_id: str | None = None
    spoke: str = ""


def read_failed_request(record: Record, envelope: Envelope) -> FailedRequest | None:
    """Return the request in a record; None if it has none, or if the id of the run cannot be read."""
    partition = record.partition
    position_id = event_id_at(partition.topic, partition.number, record.offset)
    try:
        event = envelope.decode(record.value, record.headers, fallback_id=position_id)
    except UndecodableError:
        return _read_invalid(record, position_id)
    data = event.data
    if isinstance(data, RunRequested | RunChanged | SendRun | ChangeRun):
        return _of_document(event, data)
    return _of_cancellation(event, data) if isinstance(data, RunCancelled | CancelRun) else None


def _of_document(event: Event, data: RunRequested | RunChanged | SendRun | ChangeRun) -> FailedRequest:
    command = data if isinstance(data, SendRun | ChangeRun) else None
    return FailedRequest(
        kind=_KIND_OF_TYPE[type(data).__name__],
        run_ids=(data.run.run_id, *[child.run_id for child in data.run.children])[:MAX_RUNS],
        root_run_id=data.run.root_run_id,
        version=data.run.version,
        cause=event,
        request_id=command.request_id if command else None,
        spoke=command.spoke if command else "",
    )


def _of_cancellation(event: Event, data: RunCancelled | CancelRun) -> FailedRequest:
    command = data if isinstance(data, CancelRun) else None
    return FailedRequest(
        kind=RequestKind.CANCEL,
        run_ids=(data.run_id,),
        root_run_id=data.root_run_id,
        version=1,
        cause=event,
        request_id=command.request_id if command else None,
        spoke=command.spoke if command else "",
    )


def _read_invalid(record: Record, position_id: str) -> FailedRequest | None:
    """Read the ids in the JSON of a record that is not a valid event, or else the subject in its headers."""
    headers = read_headers(record.headers, fallback_id=position_id)
    document = _json_object(record.value)
    if "specversion" in document:  # CloudEvents in structured mode
        headers = headers._replace(
            id=_text(document.get("id")) or headers.id,
            type=_text(document.get("type")) or headers.type,
            subject=_text(document.get("subject")) or headers.subject,
        )
        document = _object(document.get("data"))
    named = (headers.type or "").rpartition(".")[2]
    kind = _KIND_OF_TYPE.get(named, RequestKind.SEND if "run" in document or not document else RequestKind.CANCEL)
    run = _object(document.get("run")) or document
    run_id = _text(run.get("run_id")) or _text(run.get("runId")) or _text(headers.subject)
    if not run_id:
        return None
    root = _text(run.get("root_run_id")) or _text(run.get("rootRunId")) or run_id
    children = run.get("children")
    embedded = [_text(_object(child).get("run_id")) for child in (children if isinstance(children, list) else ())]
    return FailedRequest(
        kind=kind,
        run_ids=tuple(dict.fromkeys([run_id, *filter(None, embedded)]))[:MAX_RUNS],
        root_run_id=root,
        version=_version(run.get("version")),
        cause=Event(headers=headers, data=RunCancelled(run_id=run_id, root_run_id=root)),
        request_id=_text(document.get("request_id")) or None,
        spoke=_text(document.get("spoke")),
    )


def _json_object(value: bytes | None) -> Mapping[str, object]:
    """Return the object in a record in any encoding of JSON, also in one that does not fit: ids are ASCII mostly."""
    written = value or b""
    text = written.decode(json.detect_encoding(written), errors="replace")
    try:
        return _object(json.loads(text)) if text.lstrip()[:1] == "{" else {}
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return an id, also if it is a number; empty if it cannot be the id of a run."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_VERSION:
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_ID_LENGTH or "\0" in value or "\ufffd" in value:
        return ""
    return value.encode("utf-8", "ignore").decode()  # without halves of surrogate pairs, which no event can carry


def _version(value: object) -> int:
    return value if type(value) is int and 1 <= value <= _MAX_VERSION else 1
