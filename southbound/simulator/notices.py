"""Word the notifications of TMF653 about a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from southbound.simulator.measures import Json

STATE_CHANGED = "ServiceTestStateChangeEvent"  # named by v4.2; v4.1 systems in the field send it too
ATTRIBUTE_CHANGED = "ServiceTestAttributeValueChangeEvent"
DELETED = "ServiceTestDeleteEvent"
THIN = ("id", "href", "state")


def notice(
    event_type: str,
    resource: Json,
    *,
    event_id: str,
    at: datetime,
    only: tuple[str, ...] | None = None,
    field_path: str | None = None,
) -> Json:
    """Wrap a test, or only some of its fields, into the event envelope of v4.1."""
    told = resource if only is None else {name: resource[name] for name in only if name in resource}
    moment = at.isoformat()
    # `timeOcurred` is spelled as the v4 definition spells it.
    envelope: Json = {
        "eventId": event_id,
        "eventType": event_type,
        "eventTime": moment,
        "timeOcurred": moment,
    }
    path: Json = {"fieldPath": field_path} if field_path else {}
    return {**envelope, **path, "event": {"serviceTest": dict(told)}}
