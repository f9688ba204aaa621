"""Find values that say nothing."""

from __future__ import annotations


def is_blank(value: object) -> bool:
    """Return whether a value is null, or a text that is empty or of white space, which ServiceNow writes for null."""
    return value is None or (isinstance(value, str) and not value.strip())
