"""Read durations: TMF653 writes an amount and its units, and ServiceNow writes both into one text too."""

from __future__ import annotations

import re

UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}  # in seconds
MAX_AMOUNT = 10**12
_WRITTEN = re.compile(r"([0-9]{1,12}) *([A-Za-z]{1,40})")


def duration_of(value: object) -> object:
    """Return a text such as "15 Minutes" as an object with `amount` and `units`; everything else as it is."""
    written = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    return value if written is None else {"amount": int(written[1]), "units": written[2]}
