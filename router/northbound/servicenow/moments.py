"""Read the date-times of ServiceNow, which writes them without a time zone, as RFC 3339 has them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.text.blank import is_blank

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

MOMENTS = frozenset({"startDateTime", "endDateTime"})
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")


def read_moment(value: object, zone: tzinfo) -> object:
    """Return a date-time without zone, which is one in `zone`, as RFC 3339 in UTC; None for an empty text.

    What is no such text is returned as it is, so that the reader of `ServiceTest` refuses it with its place.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    if not _LOCAL.fullmatch(text):
        return value
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=zone)
        return local.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):  # no such day, or not in the years 1 to 9999 of UTC
        return value


def read_period(value: object, zone: tzinfo) -> object:
    """Return a `TimePeriod` with date-times as RFC 3339 has them, without empty ones; None for an empty text."""
    if is_blank(value):
        return None
    return with_moments(value, zone) if isinstance(value, dict) else value


def with_moments(body: Mapping[str, object], zone: tzinfo) -> dict[str, object]:
    """Return a `ServiceTest` as ServiceNow writes it with moments that TMF653 knows, without those that are empty."""
    read = {name: read_moment(value, zone) if name in MOMENTS else value for name, value in body.items()}
    if "validFor" in body:
        read["validFor"] = read_period(body["validFor"], zone)
    return {name: value for name, value in read.items() if name not in MOMENTS or value is not None}
