"""Write numbers with their nouns in sentences."""

from __future__ import annotations


def count_noun(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun, such as `1 row` or `1,200 rows`; `several` is another plural than with an `s`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {several or one + 's'}"
