"""Write and read the parts of JSON pointers (RFC 6901)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def pointer_to(parts: Iterable[str | int]) -> str:
    """Return the JSON pointer of these names and positions."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def unescape(part: str) -> str:
    """Return a part of a JSON pointer as the name that it stands for (RFC 6901 §4)."""
    return part.replace("~1", "/").replace("~0", "~")
