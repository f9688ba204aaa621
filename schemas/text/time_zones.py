"""Check names of time zones."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def check_time_zone(name: str) -> str:
    """Return the name of a time zone if there is one.

    Raises:
        ValueError: there is none.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone of the IANA list, such as UTC or Europe/Berlin") from None
    return name
