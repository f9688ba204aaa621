"""Write the event that a subscriber receives (TMF653 v4.2 and v5.0, `Event`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from router.northbound.hub.event_query import matched_part
from router.northbound.hub.run_changes import HubEventType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from router.northbound.api_version import ApiVersion
    from router.northbound.hub.event_query import EventQuery
    from router.northbound.hub.run_changes import HubChange

MAX_BODY_BYTES = 1_000_000  # a longer event is sent thin: the subscriber reads the run with GET
# The attributes of a thin event, by type.
_THIN: Mapping[HubEventType, tuple[str, ...]] = {
    HubEventType.CREATE: ("name", "state"),
    HubEventType.STATE_CHANGE: ("state",),
    HubEventType.ATTRIBUTE_VALUE_CHANGE: ("state",),
    HubEventType.DELETE: (),
    HubEventType.SPECIFICATION_CREATE: ("name", "version", "lifecycleStatus"),
    HubEventType.SPECIFICATION_CHANGE: ("name", "version", "lifecycleStatus"),
    HubEventType.SPECIFICATION_DELETE: (),
}


def event_body(
    change: HubChange,
    resource: Mapping[str, object],
    query: EventQuery,
    *,
    version: ApiVersion,
    at: datetime,
    request_id: str | None,
    thin: bool,
) -> str:
    """Return the event as JSON. `resource` is as this version of TMF653 shows it; `request_id` correlates."""
    thin_fields = _THIN[change.event_type]
    shown = query.shown(resource, thin_fields if thin else None)
    body = _written(change, shown, version=version, at=at, request_id=request_id)
    if len(body) > MAX_BODY_BYTES:
        shown = query.shown(matched_part(resource), thin_fields)
        body = _written(change, shown, version=version, at=at, request_id=request_id)
    return body.decode()


def _written(
    change: HubChange, shown: dict[str, object], *, version: ApiVersion, at: datetime, request_id: str | None
) -> bytes:
    moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # v4 misspells it.
    occurred = "timeOccurred" if version.is_v5 else "timeOcurred"
    event = {
        "eventId": change.event_id,
        "eventTime": moment,
        "eventType": change.event_type.value,
        occurred: moment,
        "domain": "serviceTestManagement",
        "title": change.event_type.value,
        "@type": change.event_type.value,
    }
    if request_id:
        event["correlationId"] = request_id
    if change.field_path and not version.is_v5:
        event["fieldPath"] = change.field_path
    return orjson.dumps(event | {"event": {change.event_type.resource: shown}})
