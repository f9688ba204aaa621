"""Read the envelopes around a notification: CloudEvents, and the events of TMF653 v3 with `resourcePath`."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING
from urllib.parse import unquote

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import as_mapping, parse_json

if TYPE_CHECKING:
    from schemas.text.json_types import Json

_RUN_PATH = re.compile(r"(?:^|/)serviceTest/([^/?#]+)", re.IGNORECASE)
_EVENT_TYPE = re.compile(r"(?:cancel)?[-._]?service[-._]?test.*", re.IGNORECASE)
_RUNS = ("serviceTest", "ServiceTest")
_RESOURCES = frozenset({"servicetest", "servicetestspecification", "cancelservicetest"})
# What an event has and a run does not: its `id` is not the id of a run.
_MARKS = frozenset({"specversion", "eventId", "eventType", "eventTime", "resourcePath"})
# Versions 4 misspell the time at which something happened; `eventTime` is that of the notification.
EVENT_TIMES = ("eventTime", "timeOccurred", "timeOcurred")
_OWN_FIELDS = _MARKS | {*EVENT_TIMES, "informationRequired"}


def open_envelope(content: Json) -> Json:
    """Return a notification as TMF653 v4 writes it; one that is written so, or a bare run, is returned as it is.

    Raises:
        NotUnderstoodError: it is a CloudEvent without data.
    """
    event = _from_cloud_event(content) if "specversion" in content else content
    return _with_reference(_with_event(event))


def is_envelope(content: Json) -> bool:
    """Return whether the `id` of a body is not that of a run, because the body is an envelope."""
    return bool(_MARKS & content.keys())


def _from_cloud_event(envelope: Json) -> Json:
    data = _data(envelope)
    attributes = {
        "eventId": envelope.get("id"),
        "eventType": _event_type(envelope.get("type")),
        "eventTime": envelope.get("time"),
        "resourcePath": envelope.get("subject"),
    }
    named = {name: value for name, value in attributes.items() if value is not None}
    if "event" in data or "eventType" in data:  # TMF653's own envelope inside, which says more
        return {**named, **data}
    is_named = bool(data.keys() & {"id", "href", *_RUNS}) or "state" not in data
    return {**named, "event": data if is_named else {"serviceTest": data}}


def _data(envelope: Json) -> Json:
    data = envelope.get("data")
    encoded = envelope.get("data_base64")
    if data is None and isinstance(encoded, str):
        try:
            data = parse_json(b64decode(encoded, validate=True), None)
        except ValueError:
            data = None
    if not isinstance(data, dict):
        raise NotUnderstoodError("it is a CloudEvent whose data is not an object")
    return data


def _event_type(written: object) -> object:
    """Return the type without the name of an organisation, such as `com.example.ServiceTestCreateEvent`."""
    found = _EVENT_TYPE.search(written) if isinstance(written, str) else None
    return re.sub(r"[-._]", "", found.group()) if found else written


def _with_event(content: Json) -> Json:
    """Return an event that has what it is about beside its own fields as if that stood in `event`.

    An `id` among them is that of a run only if the event has an `eventId` of its own, or if an address names it.
    """
    if "eventType" not in content or content.get("event") is not None:
        return content
    about = {key: value for key, value in content.items() if isinstance(value, dict) and key.lower() in _RESOURCES}
    if not about and (run := _run_beside(content)) is not None:
        about = {"serviceTest": run}
    own = {key: value for key, value in content.items() if key in _OWN_FIELDS}
    return {**own, "event": about} if about else content


def _run_beside(event: Json) -> Json | None:
    """Return the fields of the run that an event has beside its own; None if no id is certainly that of a run."""
    run = {key: value for key, value in event.items() if key not in _MARKS and key != "event"}
    addresses = (_RUN_PATH.search(str(event.get(key) or "")) for key in ("href", "resourcePath"))
    named = next((unquote(found.group(1)) for found in addresses if found), None)
    if named is not None:
        return {**run, "id": named}
    has_own_id = event.get("eventId") is not None and event["eventId"] != event.get("id")
    return run if "id" in run and has_own_id else None


def _with_reference(event: Json) -> Json:
    """Return the event with the id that only its `resourcePath` (v3) names."""
    path = event.get("resourcePath")
    found = _RUN_PATH.search(path) if isinstance(path, str) else None
    about = event.get("event")
    if about is None or isinstance(about, list):
        about = {}  # only a GET shows the run
    if found is None or not isinstance(about, dict):
        return event
    run_id = unquote(found.group(1))
    run_key = next((key for key in _RUNS if isinstance(about.get(key), dict)), None)
    run = as_mapping(about[run_key]) if run_key else about
    others = [key for key, value in about.items() if isinstance(value, dict) and key.lower().endswith(_OTHERS)]
    if run.keys() & {"id", "href"} or others:
        return event
    named = {"id": run_id, **run}
    return {**event, "event": {**about, run_key: named} if run_key else named}


_OTHERS = ("servicetestspecification", "cancelservicetest")
